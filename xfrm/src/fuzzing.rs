//! The bodies of the fuzz targets that drive what no other crate can reach (docs/fuzzing.md): functions of octets that
//! panic where something that must hold does not. Their corpora replay as tests.

#[allow(dead_code, reason = "other bodies use the rest")]
#[path = "../../fuzz/src/input.rs"]
pub(crate) mod input;
#[cfg(test)]
#[path = "../../fuzz/src/replay.rs"]
mod replay;

pub use crate::esp::fuzzing::esp;
pub use crate::netlink::fuzzing::netlink;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::replay::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus");

    #[test]
    fn the_corpus_of_esp_replays() {
        replay(&Path::new(CORPUS).join("esp"), super::esp);
    }

    #[test]
    fn the_corpus_of_netlink_replays() {
        replay(&Path::new(CORPUS).join("netlink"), super::netlink);
    }
}

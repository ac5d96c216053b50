//! The difference between two printed configurations, in a router's form: `+` before lines that are new, `-` before those
//! that are gone, below the lines that they belong to.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

/// A line with those that it belongs to, the outermost first.
type Path<'t> = Vec<&'t str>;

/// Compares two configurations as [`crate::render()`] writes them. Empty where they say the same.
pub fn differences(before: &str, after: &str) -> String {
    let (old, new) = (paths(before), paths(after));
    let known: BTreeSet<&Path<'_>> = old.iter().collect();
    let wanted: BTreeSet<&Path<'_>> = new.iter().collect();
    let mut out = String::new();
    let mut shown: Path<'_> = Vec::new();
    let gone = old.iter().filter(|path| !wanted.contains(path));
    let come = new.iter().filter(|path| !known.contains(path));
    let marked = gone
        .map(|path| (path, '-'))
        .chain(come.map(|path| (path, '+')));
    // What is about one object stands together.
    let mut marked: Vec<_> = marked.collect();
    let order: Vec<&str> = new
        .iter()
        .chain(&old)
        .filter_map(|path| path.first().copied())
        .collect();
    let place = |path: &Path<'_>| order.iter().position(|line| Some(line) == path.first());
    marked.sort_by_cached_key(|(path, _)| place(path));
    for (path, mark) in marked {
        let depth = path.len().saturating_sub(1);
        let above = path.get(..depth).unwrap_or_default();
        for (level, line) in above.iter().enumerate() {
            if shown.get(..=level) != path.get(..=level) {
                indented(&mut out, level, ' ', line);
            }
        }
        if let Some(line) = path.last() {
            indented(&mut out, depth, mark, line);
        }
        shown.clone_from(path);
    }
    out
}

fn indented(out: &mut String, level: usize, mark: char, line: &str) {
    out.push(mark);
    out.extend(core::iter::repeat_n(' ', level));
    out.push_str(line);
    out.push('\n');
}

/// The lines but for what only separates them.
fn paths(text: &str) -> Vec<Path<'_>> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut all = Vec::new();
    for line in text.lines() {
        let words = line.trim();
        if words.is_empty() || words.starts_with('!') || words == "end" {
            continue;
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        while above.last().is_some_and(|(other, _)| *other >= indent) {
            above.pop();
        }
        above.push((indent, words));
        all.push(above.iter().map(|(_, line)| *line).collect());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_has_no_difference() {
        let text = include_str!("../../examples/flexvpn-headend.conf");
        assert_eq!(differences(text, text), "");
        assert_eq!(
            differences("!\nhostname a\n!\n!\nend\n", "hostname a\n"),
            ""
        );
    }

    #[test]
    fn lines_stand_below_what_they_belong_to() {
        let before = "hostname a\ncrypto ikev2 keyring K\n peer P\n  address 10.0.0.1\n!\nno ip http server\n";
        let after = "hostname b\ncrypto ikev2 keyring K\n peer P\n  address 10.0.0.2\n peer Q\n!\n";
        assert_eq!(
            differences(before, after),
            "+hostname b\n \
             crypto ikev2 keyring K\n  \
             peer P\n\
             -  address 10.0.0.1\n\
             +  address 10.0.0.2\n\
             + peer Q\n\
             -hostname a\n\
             -no ip http server\n"
        );
    }
}

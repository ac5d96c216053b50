//! What systemd is told of the daemon (sd_notify(3), sd_watchdog_enabled(3)): that it serves, that it ends, and, where the unit
//! has `WatchdogSec=`, that its loop goes round. Elsewhere nobody is told anything.

use std::{
    ffi::OsString,
    future,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How long a manager that does not read holds the daemon up, a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whoever started the daemon and listens.
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Interval>,
}

/// What the environment says of a manager: the variables of these names.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NOTIFY_SOCKET`: where it listens, a path or, behind an `@`, an abstract name.
    pub notify_socket: Option<OsString>,
    /// `WATCHDOG_USEC`: after how many microseconds of silence it takes the daemon for stuck.
    pub watchdog_usec: Option<String>,
    /// `WATCHDOG_PID`: the process that is meant; any, if not said.
    pub watchdog_pid: Option<String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn read() -> Self {
        Self {
            notify_socket: std::env::var_os("NOTIFY_SOCKET"),
            watchdog_usec: std::env::var("WATCHDOG_USEC").ok(),
            watchdog_pid: std::env::var("WATCHDOG_PID").ok(),
        }
    }

    /// How often it wants to hear that the daemon lives: twice in the time after which it acts.
    fn watchdog(&self) -> Option<Duration> {
        if let Some(process) = &self.watchdog_pid
            && *process != std::process::id().to_string()
        {
            return None;
        }
        let patience: u64 = self.watchdog_usec.as_ref()?.parse().ok()?;
        let half = Duration::from_micros(patience / 2);
        (!half.is_zero()).then_some(half)
    }
}

impl ServiceManager {
    /// The one that the environment names. Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let named = environment.notify_socket.as_ref();
        let address = named.filter(|name| !name.is_empty()).and_then(|name| {
            match name.as_bytes().strip_prefix(b"@") {
                Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
                None => SocketAddr::from_pathname(name),
            }
            .ok()
        });
        let socket = address.and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            Some((socket, address))
        });
        let watchdog = socket
            .as_ref()
            .and_then(|_| environment.watchdog())
            .map(|every| {
                let mut watchdog = interval(every);
                watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
                watchdog
            });
        Self { socket, watchdog }
    }

    /// Clients are served.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Resolves when the manager is to hear [`Self::alive`]: never, if it does not watch.
    pub async fn watches(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => {
                watchdog.tick().await;
            }
            None => future::pending().await,
        }
    }

    /// The daemon's loop goes round.
    pub fn alive(&self) {
        let Some((socket, _)) = &self.socket else {
            return;
        };
        // A manager that does not read holds nobody up: the next one comes before this one is missed.
        if socket.set_nonblocking(true).is_ok() {
            self.tell("WATCHDOG=1");
            let _ = socket.set_nonblocking(false);
        }
    }

    /// A manager that is gone is no reason not to serve.
    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    fn watching(usec: &str, pid: Option<u32>) -> Environment {
        Environment {
            watchdog_usec: Some(usec.into()),
            watchdog_pid: pid.map(|pid| pid.to_string()),
            ..Environment::default()
        }
    }

    /// What the manager is told next, and soon.
    fn heard(socket: &UnixDatagram) -> String {
        let mut octets = [0xa5; 64];
        let limit = Duration::from_secs(10);
        socket.set_read_timeout(Some(limit)).unwrap();
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_manager_hears_of_start_life_and_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut manager = ServiceManager::new(&Environment {
            notify_socket: Some(path.into()),
            ..watching("2000", None)
        });
        manager.ready();
        for _ in 0..3 {
            manager.watches().await;
            manager.alive();
        }
        manager.stopping();
        let said: Vec<String> = (0..5).map(|_| heard(&socket)).collect();
        let expected = [
            "READY=1",
            "WATCHDOG=1",
            "WATCHDOG=1",
            "WATCHDOG=1",
            "STOPPING=1",
        ];
        assert_eq!(said, expected);
    }

    // The loop says that it lives, and nobody waits for the loop to say so.
    #[tokio::test]
    async fn a_manager_that_reads_nothing_holds_up_no_watchdog_and_hears_of_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::new(&Environment {
            notify_socket: Some(path.into()),
            ..watching("2000", None)
        });
        let begun = Instant::now();
        // More than any queue of datagrams holds (net.unix.max_dgram_qlen); waiting for room would take as many seconds.
        for _ in 0..2_000 {
            manager.alive();
        }
        let took = begun.elapsed();
        assert!(took < PATIENCE, "{took:?}");
        // For what is said once it waits a little: the manager begins to read.
        let reads = thread::spawn(move || {
            thread::sleep(PATIENCE / 4);
            let mut said = 0;
            while heard(&socket) == "WATCHDOG=1" {
                said += 1;
            }
            said
        });
        manager.stopping();
        assert!((1..2_000).contains(&reads.join().unwrap()));
    }

    #[tokio::test]
    async fn an_abstract_name_is_one() {
        let name = format!("ironflex-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::new(&Environment {
            notify_socket: Some(format!("@{name}").into()),
            ..Environment::default()
        });
        manager.ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[tokio::test]
    async fn without_a_manager_nothing_happens() {
        for notify_socket in [None, Some("".into()), Some("/nonexistent/socket".into())] {
            let is_named = notify_socket == Some("/nonexistent/socket".into());
            let manager = ServiceManager::new(&Environment {
                notify_socket,
                ..watching("2000", None)
            });
            // Nobody hears it, and it does not fail or wait.
            let begun = Instant::now();
            manager.ready();
            manager.alive();
            manager.stopping();
            assert!(begun.elapsed() < PATIENCE);
            // It would hear that the daemon lives, if it came back.
            assert_eq!(manager.watchdog.is_some(), is_named);
        }
        assert!(
            ServiceManager::new(&watching("2000", None))
                .watchdog
                .is_none()
        );
    }

    #[test]
    fn the_watchdog_is_told_twice_in_its_time_if_it_means_this_process() {
        let own = std::process::id();
        let half = Some(Duration::from_secs(15));
        assert_eq!(watching("30000000", None).watchdog(), half);
        assert_eq!(watching("30000000", Some(own)).watchdog(), half);
        assert_eq!(watching("30000000", Some(own + 1)).watchdog(), None);
        for nothing in ["", "0", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(watching(nothing, None).watchdog(), None, "{nothing}");
        }
        assert_eq!(Environment::default().watchdog(), None);
    }
}

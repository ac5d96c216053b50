//! The headend as a process of its own, on the example configuration with a larger pool, and what /proc says of it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use ironflex::{
    clock::wall_clock,
    pki::{
        ServerIdentity, Timestamp,
        authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
        describe, write_pkcs12,
    },
};
use tempfile::TempDir;

use super::load;

/// How long the certificates are valid.
pub(crate) const VALIDITY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the headend is called.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How long the headend may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

/// The pool of the example, and one that is large enough.
const POOL: (&str, &str) = ("192.168.10.5 192.168.10.10", "10.64.0.1 10.64.127.254");

/// A headend's certificate with an RSA-2048 key.
pub(crate) fn server_certificate(validity: Validity) -> LeafRequest {
    LeafRequest::server(
        &[ServerIdentity::Ip(ADDRESS)],
        KeyAlgorithm::Rsa2048,
        validity,
    )
}

/// A running headend; it ends with this handle.
pub(crate) struct Headend {
    process: Child,
    folder: TempDir,
}

impl Headend {
    /// Starts it and waits until it is ready.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        write_files(&folder, wall_clock());
        let ready = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["run", "--dataplane", "record", "--quiet", "--config"])
            .arg(folder.path().join("headend.conf"))
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .spawn()
            .unwrap();
        let headend = Self { process, folder };
        let mut said = [0; 64];
        let count = ready.recv(&mut said).expect("the headend gets ready");
        assert_eq!(&said[..count], b"READY=1");
        headend
    }

    /// Starts a load generator against it.
    pub(crate) fn load(&self) -> Load {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(load::WORD)
            .arg(self.folder.path().join("server.spki"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Load {
            process,
            words,
            answers,
        }
    }

    /// Its state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What a command says.
    pub(crate) fn exec(&self, line: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["exec", "--state-dir"])
            .arg(self.state())
            .arg(line)
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Has commands carried out that come from a file.
    pub(crate) fn script(&self, lines: &str) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["exec", "--state-dir"])
            .arg(self.state())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        drop(input);
        assert!(process.wait().unwrap().success());
    }

    /// How many addresses of the pool are in use, as the headend itself says: one for each session that is up.
    pub(crate) fn held(&self) -> u32 {
        let text = self.exec("show ip local pool ACPool");
        // Pool, begin, end, free, in use, blocked.
        let mut lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = lines
            .find(|row| row.first() == Some(&"ACPool"))
            .expect("a line of the pool");
        row[4].parse().unwrap()
    }

    /// Asks for a `show` command's output. Returns its length in octets, how long it took, and for how much of that the thread
    /// that serves the peers was busy.
    pub(crate) fn show(&self, line: &str) -> (usize, Duration, Duration) {
        let before = self.busy(self.process.id());
        let since = Instant::now();
        let output = self.exec(line);
        let took = since.elapsed();
        let busy = self.busy(self.process.id()) - before;
        (output.len(), took, busy)
    }

    /// One of the numbers that it tells Prometheus; 0 where there is none yet.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["metrics", "--state-dir"])
            .arg(self.state())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let found = lines.find(|(name, _)| *name == sample);
        found.map_or(0, |(_, value)| value.parse().unwrap())
    }

    /// Microseconds of its CPU for each of `count` logins.
    pub(crate) fn cpu_per_login(&self, load: &mut Load, count: u32) -> f64 {
        let before = self.cpu_time();
        load.login(count);
        (self.cpu_time() - before).as_secs_f64() * 1e6 / f64::from(count)
    }

    /// User and system time that all its threads have used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let ids = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
        ids.map(|id| self.busy(id.parse().unwrap())).sum()
    }

    /// User and system time that one of its threads has used; the first one serves.
    fn busy(&self, thread: u32) -> Duration {
        let path = format!("/proc/{}/task/{thread}/schedstat", self.process.id());
        // A thread that has ended meanwhile uses no more.
        let Ok(text) = fs::read_to_string(path) else {
            return Duration::ZERO;
        };
        let nanoseconds = text.split_whitespace().next().unwrap();
        Duration::from_nanos(nanoseconds.parse().unwrap())
    }

    /// Its resident memory in octets.
    pub(crate) fn resident(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id())).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .unwrap();
        let kibibytes: f64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kibibytes * 1024.0
    }
}

impl Drop for Headend {
    fn drop(&mut self) {
        // With the recorder nothing stays behind, so it need not take leave of thousands of clients.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A load generator at work.
pub(crate) struct Load {
    process: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Logs in so many clients more, and waits until all of them are up.
    pub(crate) fn login(&mut self, count: u32) {
        writeln!(self.words, "{count}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(
            answer.trim(),
            count.to_string(),
            "the load generator gave up"
        );
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_files(folder: &TempDir, now: Timestamp) {
    let write = |name: &str, octets: &[u8]| fs::write(folder.path().join(name), octets).unwrap();
    let validity = Validity::starting(now, VALIDITY);
    let authority = Authority::root("Bench Root", KeyAlgorithm::Rsa2048, validity).unwrap();
    let identity = authority.issue(&server_certificate(validity)).unwrap();
    let spki = describe(identity.certificate()).unwrap().spki_der;
    let pkcs12 = write_pkcs12(
        &identity,
        &[authority.certificate()],
        "IKEv2-TP",
        "cisco123",
    )
    .unwrap();
    let config = EXAMPLE.replace(POOL.0, POOL.1);
    assert_ne!(config, EXAMPLE, "the example has another pool");
    write("headend.conf", config.as_bytes());
    write("IKEv2-TP.p12", &pkcs12);
    write("acvpn.xml", b"<AnyConnectProfile/>");
    write("server.spki", &spki);
}

//! Changes of a headend whose machine refuses, at each step in turn.

mod active;
mod hanging;
mod refused;
mod revert;
mod secret;
mod tied;
mod unread;
mod watching;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use ironflex_ikev2::Endpoint;
use ironflex_profiles::render;
use ironflex_xfrm::record::Recorder;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    super::{
        apart::Serving,
        assignment::Pools,
        attempts::Attempts,
        control::{
            Listener,
            configuring::{Begin, Session},
        },
        counted_provider::CountedProvider,
        driver::{Driver, Request},
        idle::IdleTimers,
        init_queue::InitQueue,
        journal::Journal,
        leftovers::Leftovers,
        load,
        log::{Log, Watched},
        network::{
            HouseNetwork, Wanted,
            model::{self, Kinds, Model},
        },
        prepare_state_dir,
        session::Sessions,
        work::House,
    },
    *,
};
use crate::{aaa::Lockout, clock::Clock, metrics::Tally, random::OsRandom, transport::Transport};

const EXAMPLE: &str = include_str!("../../../examples/flexvpn-headend.conf");

/// A headend with the example's configuration, its machine and its files.
pub(in crate::daemon) struct Scene {
    pub(in crate::daemon) driver: Driver,
    machine: Model,
    folder: TempDir,
}

/// What a change may change.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    running_config: String,
    configured: Candidate,
    faults: (Vec<Diagnostic>, Vec<String>),
    pools: String,
    wanted: Wanted,
    machine: model::Seen,
    keys: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    pub(in crate::daemon) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("headend.conf"), EXAMPLE).unwrap();
        fs::write(
            path("IKEv2-TP.p12"),
            include_bytes!("../../../tests/data/pki/openssl3.p12"),
        )
        .unwrap();
        let sub = include_bytes!("../../../tests/data/pki/sub.pem");
        fs::write(path("sub.pem"), sub).unwrap();
        let state_dir = path("state");
        prepare_state_dir(&state_dir).unwrap();
        let store = Store::open(&state_dir).unwrap();
        let checked = load::check(&path("headend.conf"), &[]).unwrap();
        let (plan, configured, _) = load::apply(checked, &store, folder.path()).unwrap();
        let machine = Model::new(Kinds {
            dummy: true,
            xfrm: true,
        });
        let boxed = Box::new(machine.clone());
        let network = HouseNetwork::set_up_on(boxed, &plan.snapshot, None, true);
        let clock = Clock::start();
        let terms = Terms {
            state_dir: state_dir.clone(),
            userspace: false,
            kernel: false,
            kernel_ipsec: true,
            secret: None,
        };
        let provider = CountedProvider::new();
        let endpoint = Endpoint::new(
            clock.now(),
            terms.endpoint(&plan),
            provider,
            Box::new(OsRandom),
        );
        let startup = Startup::new(path("headend.conf"), &state_dir);
        let bootflash = folder.path().to_owned();
        let configure = Configure::new(
            store,
            bootflash,
            terms,
            startup,
            Vec::new(),
            plan.snapshot.warnings.iter(),
        );
        let house = House {
            configure,
            sessions: Sessions::default(),
            lockout: Lockout::default(),
            idle: IdleTimers::default(),
            leftovers: Leftovers::default(),
            pools: Pools::new(&plan.snapshot),
            plan,
            dataplane: Box::new(Recorder::new()),
            network: network.unwrap().0,
            log: Log::new(true, clock),
            attempts: Attempts::default(),
            clock,
            running_config: render(&configured),
            configured,
            journal: Journal::open(&state_dir).unwrap().unwrap(),
            provider,
            tally: Tally::default(),
        };
        let driver = Driver {
            endpoint,
            house,
            transport: Transport::default(),
            clock,
            first_requests: InitQueue::new(1),
            dataplane: None,
            dataplane_waits: false,
            key_log: None,
            cleared: Default::default(),
            cleared_counters: Default::default(),
            processor: Default::default(),
            shells: Default::default(),
        };
        Self {
            driver,
            machine,
            folder,
        }
    }

    fn seen(&self) -> Seen {
        let house = &self.driver.house;
        let faults = &house.configure.faults;
        let mut keys = BTreeMap::new();
        files(&self.folder.path().join("state/trustpoints"), &mut keys);
        Seen {
            running_config: house.running_config.clone(),
            configured: house.configured.clone(),
            faults: (faults.lines.clone(), faults.plan.clone()),
            pools: format!("{:?}", house.pools),
            wanted: house.network.wanted().clone(),
            machine: self.machine.seen(),
            keys,
        }
    }

    /// What serves, by where it is.
    fn serving(&self) -> Vec<usize> {
        let plan = &self.driver.house.plan;
        let profiles = plan.profiles.values();
        let profiles = profiles.map(|serving| Arc::as_ptr(serving).addr());
        let snapshot = Arc::as_ptr(&plan.snapshot).addr();
        [snapshot].into_iter().chain(profiles).collect()
    }

    fn tester() -> Person {
        Person {
            user: "tester".into(),
            process: None,
            terminal: None,
        }
    }

    /// `configure replace FILE`
    fn replacement(&self, file: &str) -> Result<Reading, String> {
        let file = crate::cli::exec::Replacement {
            file: file.to_owned(),
            force: false,
            minutes: None,
        };
        self.driver.replacement(file, Self::tester())
    }

    pub(in crate::daemon) fn begin(&mut self, revert: Option<u32>) -> u64 {
        match self.driver.configure(Ask::Begin(Self::tester(), revert)) {
            Ok(Answer::Begun(id)) => id,
            _ => panic!("it did not begin"),
        }
    }

    /// Types lines that come together. Returns all that is said of them.
    pub(in crate::daemon) fn types(&mut self, id: u64, lines: &str) -> String {
        let lines = lines.lines().map(str::to_owned).collect();
        let lines = Lines { lines, more: false };
        let mut answer = self.driver.configure(Ask::Lines(id, lines)).unwrap();
        while let Answer::Away(mut errand) = answer {
            errand.carry_out();
            answer = self.driver.configure(Ask::Resume(id, errand)).unwrap();
        }
        let Answer::Taken(taken) = answer else {
            panic!("they were not taken")
        };
        taken.said.into_iter().map(|said| said.text).collect()
    }

    pub(in crate::daemon) fn end(&mut self, id: u64) {
        assert!(self.driver.configure(Ask::End(id)).is_ok());
    }

    /// Does what a connection that configures asks next, as the loop would.
    fn answers(&mut self, asked: &mut mpsc::Receiver<Request>) {
        match asked.blocking_recv() {
            Some(Request::Configure(ask, reply)) => {
                assert!(reply.send(self.driver.configure(ask)).is_ok());
            }
            _ => panic!("it is asked for something else"),
        }
    }

    /// Has lines typed over the control socket, in a session that is to be confirmed within a minute. Returns what becomes of
    /// them, what the loop is asked meanwhile, and what serves the socket.
    fn types_apart(
        &self,
        text: &'static str,
    ) -> (
        JoinHandle<io::Result<Taken>>,
        mpsc::Receiver<Request>,
        Serving,
    ) {
        let (requests, asked) = mpsc::channel(8);
        let socket = self.folder.path().join("socket");
        let serving = Listener::bind(&socket)
            .and_then(|listener| {
                listener.serve_apart(requests, Default::default(), Default::default())
            })
            .unwrap();
        let typing = thread::spawn(move || {
            let stream = UnixStream::connect(&socket).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let begin = Begin {
                terminal: None,
                revert: Some(1),
            };
            Session::begin(stream, begin)
                .unwrap()
                .take(&lines(text, false))
        });
        (typing, asked, serving)
    }

    /// Lets the time pass in which a change is to be confirmed, and with it the session. As often as its line has hold of the keys
    /// at that moment, the timer looks again.
    fn time_passes(&mut self) {
        let begun = self.driver.clock.now();
        let mut late = begun.after(Duration::from_secs(61));
        while self.driver.at_configuration().is_some() {
            self.driver.keep_configuring(late);
            late = late.after(TOGETHER);
            assert!(self.driver.clock.now() < begun.after(PATIENCE));
        }
    }
}

/// How long is waited for what must happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that come together.
fn lines(text: &str, more: bool) -> Lines {
    Lines {
        lines: text.lines().map(str::to_owned).collect(),
        more,
    }
}

/// The files of a folder and those below it, but for what is on its way out: that goes at any moment.
fn files(folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "gone") {
            continue;
        }
        if path.is_dir() {
            files(&path, all);
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
}

/// Changes, each of which concerns another part of the whole.
const CHANGES: &[&str] = &[
    "interface Loopback100\n ip address 10.0.0.2 255.255.255.0",
    "interface Loopback200\n ip address 10.20.0.1 255.255.255.0\n ipv6 address 2001:db8::1/64",
    "interface Virtual-Template100 type tunnel\n ip mtu 1300",
    "no interface Loopback100\nno interface Virtual-Template100",
    "ip local pool ACPool 192.168.20.5 192.168.20.10\nip local pool other 192.168.30.1 192.168.30.9",
    "no ip local pool ACPool\nno ip nat inside source list NAT interface GigabitEthernet1 overload",
    // Something that is not whole, and keys.
    "crypto ikev2 policy waiting\ninterface Loopback200\n ip address 10.20.0.1 255.255.255.0\n\
     crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem\n\
     crypto pki authenticate IKEv2-TP pem bootflash:sub.pem",
];

#[test]
fn lines_that_are_refused_at_any_step_leave_everything_as_it_was() {
    let mut refusals = 0_u32;
    for lines in CHANGES {
        let mut scene = Scene::new();
        let (seen, serving) = (scene.seen(), scene.serving());
        for step in 0.. {
            let id = scene.begin(None);
            scene.machine.refuse_after(step);
            let said = scene.types(id, lines);
            let is_refused = scene.machine.has_refused();
            scene.end(id);
            if !said.contains("% The lines could not be put to work and are taken back: ") {
                // The last steps take something away, which is not owed to anybody.
                assert!(step > 0, "{lines}: {said}");
                assert_ne!(scene.seen(), seen, "{lines}");
                break;
            }
            assert!(is_refused, "{lines}: {said}");
            assert_eq!(scene.seen(), seen, "step {step} of {lines}");
            assert_eq!(scene.serving(), serving, "step {step} of {lines}");
            refusals = refusals.saturating_add(1);
        }
    }
    assert!(refusals > 15, "{refusals}");
}

#[test]
fn what_is_taken_back_is_all_or_nothing_too() {
    let mut refusals = 0_u32;
    for lines in CHANGES {
        for step in 0.. {
            let mut scene = Scene::new();
            let before = scene.seen();
            let id = scene.begin(Some(5));
            let said = scene.types(id, lines);
            assert!(!said.contains("taken back"), "{said}");
            // Nobody takes it back while somebody is at it.
            let refused = scene.driver.revert_configuration().unwrap_err();
            assert!(
                refused.starts_with("% Configuration mode is locked by user 'tester' since "),
                "{refused}"
            );
            scene.end(id);
            let changed = scene.seen();
            assert_ne!(changed, before, "{lines}");
            scene.machine.refuse_after(step);
            let reverted = scene.driver.revert_configuration();
            let is_refused = scene.machine.has_refused();
            if reverted.is_ok() {
                if is_refused {
                    // Something was not taken away, and was told of.
                    continue;
                }
                assert!(step > 0, "{lines}");
                assert_eq!(scene.seen(), before, "{lines}");
                assert!(
                    scene
                        .driver
                        .confirm_configuration(&Scene::tester())
                        .is_err()
                );
                break;
            }
            refusals = refusals.saturating_add(1);
            assert_eq!(scene.seen(), changed, "step {step} of {lines}");
            // It is still owed, and comes.
            scene.driver.revert_configuration().unwrap();
            assert_eq!(scene.seen(), before, "step {step} of {lines}");
        }
    }
    assert!(refusals > 15, "{refusals}");
}

#[test]
fn a_replacement_that_is_refused_at_any_step_leaves_everything_as_it_was() {
    let mut scene = Scene::new();
    let (seen, serving) = (scene.seen(), scene.serving());
    let file = scene.folder.path().join("other.conf");
    let text = EXAMPLE
        .replace(
            "ip address 10.0.0.1 255.255.255.255",
            "ip address 10.0.0.9 255.255.255.0",
        )
        .replace("192.168.10.10", "192.168.10.20");
    let lines =
        "crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem\n";
    fs::write(&file, format!("{text}{lines}")).unwrap();
    let file = file.display().to_string();
    for step in 0_u32.. {
        let replacing = scene.replacement(&file).unwrap().read().unwrap();
        // Reading it changes nothing that is kept.
        assert!(
            scene
                .driver
                .house
                .configure
                .store
                .load("OTHER")
                .unwrap()
                .is_none()
        );
        scene.machine.refuse_after(usize::try_from(step).unwrap());
        let replaced = scene.driver.configure(Ask::Replace(Box::new(replacing)));
        let is_refused = scene.machine.has_refused();
        match replaced {
            Err(why) => {
                assert!(
                    why.starts_with("% The configuration is as it was: "),
                    "{why}"
                );
                assert!(is_refused);
                assert_eq!(scene.seen(), seen, "step {step}");
                assert_eq!(scene.serving(), serving, "step {step}");
            }
            Ok(_) => {
                assert!(step > 5, "{step}");
                break;
            }
        }
    }
    assert!(
        scene
            .driver
            .house
            .configure
            .store
            .load("OTHER")
            .unwrap()
            .is_some()
    );
    assert!(
        scene
            .driver
            .house
            .running_config
            .contains(" ip address 10.0.0.9 ")
    );
}

#[test]
fn the_timer_takes_back_what_waits_and_what_is_being_carried_out() {
    let mut scene = Scene::new();
    let before = scene.seen();
    let id = scene.begin(Some(1));
    let waits = scene
        .driver
        .configure(Ask::Lines(id, lines("hostname Waiting", true)));
    assert!(matches!(waits, Ok(Answer::Taken(_))));
    assert_eq!(scene.seen(), before);
    let late = scene.driver.clock.now().after(Duration::from_secs(61));
    let authenticate = "crypto pki authenticate IKEv2-TP pem bootflash:sub.pem";
    let away = scene
        .driver
        .configure(Ask::Lines(id, lines(authenticate, false)));
    let Ok(Answer::Away(mut errand)) = away else {
        panic!("it was not sent away")
    };
    // While the keys are being changed nothing is taken back, and the lines before wait.
    let keys = errand.keys.clone();
    let changing = keys.lock();
    scene.driver.keep_configuring(late);
    assert_eq!(scene.seen(), before);
    drop(changing);
    errand.carry_out();
    let taken = scene.driver.configure(Ask::Resume(id, errand));
    assert!(matches!(taken, Ok(Answer::Taken(_))));
    let changed = scene.seen();
    assert!(changed.running_config.contains("hostname Waiting\n") && changed.keys != before.keys);
    scene.driver.keep_configuring(late.after(TOGETHER));
    assert_eq!(scene.seen(), before);
    // Whoever configures goes on from there.
    scene.types(id, "hostname After");
    assert!(scene.seen().running_config.contains("hostname After\n"));
    // And what waits when the time is over goes as well.
    scene.end(id);
    let before = scene.seen();
    let id = scene.begin(Some(1));
    let waits = scene
        .driver
        .configure(Ask::Lines(id, lines("hostname Waiting", true)));
    assert!(waits.is_ok());
    let late = scene.driver.clock.now().after(Duration::from_secs(61));
    scene.driver.keep_configuring(late);
    assert_eq!(scene.seen(), before);
}

/// A change of keys with their lines, which is not confirmed yet.
const KEYS: &str = "crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem\n\
     crypto pki authenticate IKEv2-TP pem bootflash:sub.pem";

/// What has become of that: the keys that a start after a crash has, and those that it has after a stop.
fn keys_after(end: impl Fn(&mut Scene)) -> [BTreeMap<String, Vec<u8>>; 2] {
    [false, true].map(|is_stopped| {
        let mut scene = Scene::new();
        let id = scene.begin(Some(5));
        let said = scene.types(id, KEYS);
        assert!(!said.contains("taken back"), "{said}");
        scene.end(id);
        end(&mut scene);
        let configure = &mut scene.driver.house.configure;
        let clearing = std::mem::take(&mut configure.clearing);
        assert_eq!(clearing.finish(), [""; 0]);
        if is_stopped {
            let said = configure.end(Duration::from_secs(10));
            let failed = said.iter().any(|said| matches!(said, Said::Failed(_)));
            assert!(!failed, "{said:?}");
        }
        let state = scene.folder.path().join("state");
        let store = Store::open(&state).unwrap();
        let names = store.draft().unwrap().take_back_unconfirmed().unwrap();
        // A stop leaves the start nothing to do.
        assert!(names.is_empty() || !is_stopped);
        let mut keys = BTreeMap::new();
        files(&state.join("trustpoints"), &mut keys);
        let short = |(path, octets): (String, Vec<u8>)| {
            let (_, name) = path.split_once("trustpoints/").unwrap();
            (name.to_owned(), octets)
        };
        keys.into_iter().map(short).collect()
    })
}

#[test]
fn keys_that_are_not_confirmed_do_not_outlive_a_crash_or_a_stop() {
    let nothing = |scene: &mut Scene| assert!(scene.driver.house.configure.revert.is_some());
    let [crashed, stopped] = keys_after(nothing);
    assert_eq!(crashed, stopped);
    assert!(!crashed.keys().any(|name| name.starts_with("OTHER")));
    // Those that are confirmed do, and those that go with what the file says.
    let confirmed = keys_after(|scene| {
        let confirming = scene
            .driver
            .confirm_configuration(&Scene::tester())
            .unwrap();
        assert_eq!(confirming.carry_out(), Ok(String::new()));
    });
    let written = keys_after(|scene| {
        let writing = scene.driver.write_configuration();
        let said = writing.carry_out().unwrap();
        assert!(said.contains("A change that is not confirmed"), "{said}");
    });
    for kept in confirmed.into_iter().chain(written) {
        assert!(kept.contains_key("OTHER/ca.pem"));
        assert_ne!(kept["IKEv2-TP/ca.pem"], crashed["IKEv2-TP/ca.pem"]);
        assert_eq!(kept["IKEv2-TP/key.pem"], crashed["IKEv2-TP/key.pem"]);
        assert!(
            kept.keys().all(|name| !name.starts_with('.')),
            "{:?}",
            kept.keys()
        );
    }
}

/// Has keys imported, and something done to the headend before they are put to work. Returns what is said.
fn imports(scene: &mut Scene, meanwhile: impl Fn(&mut Scene)) -> String {
    let id = scene.begin(None);
    let lines = Lines {
        lines: KEYS.lines().map(str::to_owned).collect(),
        more: false,
    };
    let mut answer = scene.driver.configure(Ask::Lines(id, lines)).unwrap();
    while let Answer::Away(mut errand) = answer {
        errand.carry_out();
        meanwhile(scene);
        answer = scene.driver.configure(Ask::Resume(id, errand)).unwrap();
    }
    let Answer::Taken(taken) = answer else {
        panic!("they were not taken")
    };
    scene.end(id);
    taken.said.into_iter().map(|said| said.text).collect()
}

// The machine is asked last; before it the disk is.
#[test]
fn what_the_disk_refuses_leaves_everything_as_it_was() {
    let mut scene = Scene::new();
    assert!(!imports(&mut scene, |_| {}).contains("taken back"));
    let no_room = |scene: &mut Scene| {
        // Somebody has taken what is to be put in its place.
        let staged = scene.folder.path().join("state/trustpoints/.OTHER.new");
        let _ = fs::remove_dir_all(staged);
    };
    let no_journal = |scene: &mut Scene| scene.driver.house.journal.refuse();
    for (words, meanwhile) in [
        (
            "taken back: key store: cannot create ",
            &no_room as &dyn Fn(&mut Scene),
        ),
        ("taken back: journal: ", &no_journal),
    ] {
        let mut scene = Scene::new();
        let (seen, serving) = (scene.seen(), scene.serving());
        let said = imports(&mut scene, meanwhile);
        assert!(said.contains(words), "{said}");
        assert_eq!(scene.seen(), seen, "{words}");
        assert_eq!(scene.serving(), serving, "{words}");
        assert!(
            scene
                .driver
                .house
                .configure
                .store
                .draft_now()
                .unwrap()
                .is_some()
        );
    }
}

#[test]
fn what_cannot_be_taken_back_is_owed_until_it_is() {
    let mut scene = Scene::new();
    let before = scene.seen();
    let id = scene.begin(Some(5));
    scene.types(id, KEYS);
    scene.end(id);
    let changed = scene.seen();
    assert_ne!(changed.keys, before.keys);
    let store = scene.driver.house.configure.store.clone();
    let other = store.draft().unwrap();
    let refused = scene.driver.revert_configuration().unwrap_err();
    assert!(refused.contains("written to by somebody else"), "{refused}");
    assert_eq!(scene.seen(), changed);
    drop(other);
    // The keys wait beside those that replaced them, and are lost by nothing that goes wrong.
    scene.driver.house.journal.refuse();
    let refused = scene.driver.revert_configuration().unwrap_err();
    assert!(refused.contains("journal: "), "{refused}");
    assert_eq!(scene.seen(), changed);
    let state = scene.folder.path().join("state");
    scene.driver.house.journal = Journal::open(&state).unwrap().unwrap();
    scene.driver.revert_configuration().unwrap();
    assert_eq!(scene.seen(), before);
}

/// Lines of which one has to be carried out elsewhere.
const WAITING: &str = "hostname Waiting\ncrypto pki authenticate IKEv2-TP pem bootflash:sub.pem";

/// What is said to whoever waits for them when the timer ends the session.
const UNCONFIRMED: &str =
    "% The configuration session is over: its change was not confirmed in time and is taken back";

#[test]
fn the_timer_ends_a_session_whose_line_does_not_come_back() {
    let mut scene = Scene::new();
    let before = scene.seen();
    // Somebody else writes to the store, and does not end.
    let other = scene.driver.house.configure.store.draft().unwrap();
    let (typing, mut asked, serving) = scene.types_apart(WAITING);
    // It begins, and its lines are taken.
    scene.answers(&mut asked);
    scene.answers(&mut asked);
    scene.time_passes();
    assert_eq!(scene.seen(), before);
    assert!(
        scene
            .driver
            .confirm_configuration(&Scene::tester())
            .is_err()
    );
    // Whoever waits is told, and others may configure.
    let said = typing.join().unwrap().unwrap_err().to_string();
    assert_eq!(said, UNCONFIRMED);
    let id = scene.begin(None);
    scene.types(id, "hostname Another");
    let after = scene.seen();
    assert!(after.running_config.contains("hostname Another\n"));
    // What comes of the line when it can go on is nobody's.
    drop(other);
    drop(serving);
    assert_eq!(scene.seen(), after);
}

// It was carried out, or came upon the end of its session while it was: nothing that the loop has yet to answer keeps the end
// from whoever waits.
#[test]
fn the_timer_ends_a_session_whose_line_is_on_its_way_back() {
    let mut scene = Scene::new();
    let before = scene.seen();
    let (typing, mut asked, _serving) = scene.types_apart(WAITING);
    scene.answers(&mut asked);
    scene.answers(&mut asked);
    let Some(Request::Configure(back, reply)) = asked.blocking_recv() else {
        panic!("it does not come back")
    };
    assert!(matches!(back, Ask::Resume(..)));
    scene.time_passes();
    let said = typing.join().unwrap().unwrap_err().to_string();
    assert_eq!(said, UNCONFIRMED);
    // It is answered too late, and there is nobody any more.
    let over = scene.driver.configure(back);
    assert_eq!(
        over.as_ref().err().map(String::as_str),
        Some("% The configuration session is over")
    );
    assert!(reply.send(over).is_err());
    assert_eq!(scene.seen(), before);
}

#[test]
fn the_timer_takes_back_keys_that_a_line_on_its_way_would_be_stored_with() {
    let mut scene = Scene::new();
    let before = scene.seen();
    let id = scene.begin(Some(1));
    scene.types(id, "crypto pki authenticate IKEv2-TP pem bootflash:sub.pem");
    assert_ne!(scene.seen().keys, before.keys);
    let two = lines(
        "crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem\n\
         crypto pki authenticate IKEv2-TP pem bootflash:sub.pem",
        false,
    );
    let away = scene.driver.configure(Ask::Lines(id, two));
    let Ok(Answer::Away(mut first)) = away else {
        panic!("it was not sent away")
    };
    first.carry_out();
    let away = scene.driver.configure(Ask::Resume(id, first));
    let Ok(Answer::Away(mut second)) = away else {
        panic!("it was not sent away")
    };
    // The turn to write is its own now, and it does not come back.
    let late = scene.driver.clock.now().after(Duration::from_secs(61));
    scene.driver.keep_configuring(late);
    assert_eq!(scene.seen(), before);
    // Or too late.
    second.carry_out();
    let resumed = scene.driver.configure(Ask::Resume(id, second));
    assert_eq!(
        resumed.err().as_deref(),
        Some("% The configuration session is over")
    );
    assert_eq!(scene.seen(), before);
    let id = scene.begin(None);
    scene.types(id, "crypto pki authenticate IKEv2-TP pem bootflash:sub.pem");
    assert_ne!(scene.seen().keys, before.keys);
}

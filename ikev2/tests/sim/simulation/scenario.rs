//! What happens in a run: configuration, weather and commands, drawn from the seed.

use std::time::Duration;

use ironflex_ikev2::{
    config::{FragmentationConfig, Liveness, Pfs, Ppk, Upkeep},
    crash_detection::QcdSecret,
    crypto::{default_provider, suite::Group},
    event::Instant,
    secret::SecretBytes,
};

use super::{
    network::Weather,
    support::{CBC, GCM, Seeded, Setup, pre_shared_key},
};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Headend,
    Client,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Headend, Self::Client];

    pub const fn other(self) -> Self {
        match self {
            Self::Headend => Self::Client,
            Self::Client => Self::Headend,
        }
    }

    fn draw(random: &mut Seeded) -> Self {
        Self::BOTH[usize::from(random.chance(50))]
    }
}

/// How a client proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Eap,
    Certificate,
    PreSharedKey,
}

/// Who logs in, and how.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    pub proof: Proof,
    /// Whether its password or key is the right one.
    pub honest: bool,
}

/// A command about an SA that is up.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Rekey,
    RekeyChild,
    /// A further child SA beside those that there are.
    NewChild,
    DeleteChild,
    Probe,
    Delete,
    /// The end forgets the SA, as one that was started anew has.
    Forget,
}

/// One line of the script.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Connect(Login),
    /// To the end named, about the SA that this number picks among those that are up, and of its child SAs the one that it picks
    /// among those that it sends on.
    Order(Side, Order, u64),
    /// An ESP packet on each child SA that this end sends on.
    Traffic(Side),
    /// The NAT in front of the client forgets its mappings and makes others.
    Rebind,
    /// The client's host has another address from now on, behind a NAT or without one.
    Move {
        nat: bool,
    },
    /// Everything towards these ends is lost for so long.
    Blackout([bool; 2], Duration),
    /// So many first requests of clients that do not exist.
    Flood(u64),
}

/// One run.
pub struct Scenario {
    pub seed: u64,
    /// Nothing is lost and nobody attacks: every login is to succeed.
    pub calm: bool,
    pub setup: Setup,
    /// The client begins behind a NAT.
    pub nat: bool,
    /// Each end asks a silent peer for a sign of life only where it has sent something in vain (`dpd … on-demand`);
    /// the headend, then the client.
    pub on_demand: [bool; 2],
    pub weather: Weather,
    /// The attacker does something about so many of a hundred datagrams.
    pub attack: u64,
    /// The outside takes up to so long for an answer.
    pub slowness: Duration,
    /// The dataplane refuses so many of a hundred child SAs.
    pub refusals: u64,
    pub script: Vec<(Instant, Action)>,
}

/// Some logins have further key exchanges, and some of them when a child SA is rekeyed too. Drawn apart, so
/// that a seed's other events do not depend on whether the provider has ML-KEM.
fn post_quantum(setup: &mut Setup, seed: u64) {
    let mut random = Seeded(seed.wrapping_mul(0x9fb2_1c65_1e98_df25));
    if !random.chance(20) || !default_provider().supports(Group::MlKem768) {
        return;
    }
    let mut further = vec![vec![Group::MlKem768]];
    if random.chance(30) {
        further.push(vec![Group::MlKem512]);
    }
    let policies = &mut setup.server.policies;
    let offered = policies.iter_mut().flat_map(|one| &mut one.proposals);
    for proposal in offered.chain(&mut setup.connect.proposals) {
        proposal.additional = further.clone();
    }
    if random.chance(50) {
        for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
            upkeep.pfs = Pfs::Required(vec![Group::Curve25519]);
            upkeep.pfs_additional = further.clone();
        }
    }
}

/// MOBIKE at both ends, at one, or at none.
fn mobike(setup: &mut Setup, random: &mut Seeded) {
    let both = random.chance(60);
    setup.peer.upkeep.mobike = both || random.chance(20);
    setup.connect.upkeep.mobike = both || random.chance(20);
}

/// `dpd` at this end, or none; whether it is on demand.
fn liveness(upkeep: &mut Upkeep, random: &mut Seeded) -> bool {
    let interval = Duration::from_secs(10 + random.next() % 51);
    let retry = Duration::from_secs(2 + random.next() % 9);
    if random.chance(60) {
        upkeep.liveness = Some(Liveness { interval, retry });
    }
    random.chance(50)
}

/// Some headends and clients have a post-quantum pre-shared key for each other, or only one of them has, and some
/// begin without a child SA.
fn extras(setup: &mut Setup, random: &mut Seeded) {
    let required = random.chance(50);
    let ppk = Some(Ppk {
        id: b"lab".to_vec(),
        key: pre_shared_key(b"a post-quantum key"),
        required,
    });
    match random.next() % 100 {
        0..15 => {
            setup.server.ppk = true;
            setup.peer.ppk = ppk.clone();
            setup.connect.ppk = ppk;
        }
        15..20 if !required => {
            setup.server.ppk = true;
            setup.peer.ppk = ppk;
        }
        20..25 if !required => setup.connect.ppk = ppk,
        _ => {}
    }
    if random.chance(20) {
        setup.server.childless = true;
        setup.connect.childless = random.chance(80);
    }
}

/// Most ends make tokens for quick crash detection. Drawn apart, as the above.
fn crash_detection(setup: &mut Setup, seed: u64) {
    let mut random = Seeded(seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    for end in [&mut setup.server, &mut setup.client] {
        let octet = u8::try_from(random.next() & 0xff).unwrap();
        if random.chance(70) {
            let secret = SecretBytes::copied_from(&[octet; QcdSecret::LEN]);
            end.crash_detection.secret = QcdSecret::new(secret);
        }
    }
}

/// Some ends want a key exchange for each rekeyed child SA from a peer that is not configured for any, sometimes in
/// another group than that of the IKE SA, which is P-521, for ring chooses its keys of the smaller curves itself, and a run would
/// not replay. Drawn apart, so that a seed's other events stay as they are.
fn one_sided_exchange(setup: &mut Setup, seed: u64) {
    let mut random = Seeded(seed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    let ends = [&mut setup.peer.upkeep, &mut setup.connect.upkeep];
    if !random.chance(25) || ends.iter().any(|end| end.pfs != Pfs::default()) {
        return;
    }
    let groups = if random.chance(50) {
        vec![Group::Curve25519, Group::EcpP521]
    } else {
        vec![Group::EcpP521]
    };
    let [headend, client] = ends;
    let end = if random.chance(50) { headend } else { client };
    end.pfs = Pfs::Required(groups);
}

impl Scenario {
    /// What holds for the SAs of this end.
    pub const fn upkeep(&self, side: Side) -> &Upkeep {
        match side {
            Side::Headend => &self.setup.peer.upkeep,
            Side::Client => &self.setup.connect.upkeep,
        }
    }

    pub fn new(seed: u64) -> Self {
        let mut random = Seeded(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let calm = random.chance(12);
        let mut setup = Setup::new(if random.chance(50) { CBC } else { GCM });
        let fragmentation = FragmentationConfig {
            ietf: random.chance(50),
            cisco: random.chance(70),
            mtu: 576,
        };
        setup.server.fragmentation = fragmentation;
        setup.client.fragmentation = fragmentation;
        setup.connect.fragmentation = fragmentation;
        if random.chance(20) {
            let pfs = Pfs::Required(vec![Group::Curve25519]);
            setup.peer.upkeep.pfs = pfs.clone();
            setup.connect.upkeep.pfs = pfs;
        }
        post_quantum(&mut setup, seed);
        crash_detection(&mut setup, seed);
        mobike(&mut setup, &mut random);
        let on_demand = [&mut setup.peer.upkeep, &mut setup.connect.upkeep]
            .map(|upkeep| liveness(upkeep, &mut random));
        extras(&mut setup, &mut random);
        let nat = random.chance(50);
        one_sided_exchange(&mut setup, seed);
        if random.chance(15) {
            setup.peer.upkeep.lifetime = Some(Duration::from_secs(600 + random.next() % 600));
        }
        if random.chance(15) {
            setup.connect.upkeep.lifetime = Some(Duration::from_secs(600 + random.next() % 600));
        }
        // Small tables, so that floods and fragments reach their bounds.
        setup.server.cookie_watermark = 6;
        setup.server.half_open_limit = 24;
        setup.server.negotiating_limit = 48;
        setup.server.source_watermark = 4;
        setup.server.source_limit = 12;
        setup.server.source_negotiating_limit = 24;
        setup.server.fragment_budget = 24 * 1024;
        let weather = Weather {
            loss: random.next() % 31,
            duplication: random.next() % 21,
            reordering: random.next() % 41,
            latency: Duration::from_millis(1 + random.next() % 200),
        };
        let quiet = Weather {
            latency: weather.latency,
            ..Weather::FAIR
        };
        let mut one_in = |percent, most: u64| {
            let drawn = random.next() % most;
            if random.chance(percent) { drawn } else { 0 }
        };
        let attack = one_in(60, 40);
        let slowness = Duration::from_millis(one_in(40, 2_500));
        let refusals = one_in(25, 50);
        let mut script = script(&mut random, calm);
        further_children(&mut script, seed);
        Self {
            seed,
            calm,
            setup,
            nat,
            on_demand,
            weather: if calm { quiet } else { weather },
            attack: if calm { 0 } else { attack },
            slowness,
            refusals: if calm { 0 } else { refusals },
            script,
        }
    }
}

/// In some runs both ends ask for further child SAs, and where there are several, one of them is deleted. Drawn apart, as the above.
fn further_children(script: &mut Vec<(Instant, Action)>, seed: u64) {
    let mut random = Seeded(seed.wrapping_mul(0x94d0_49bb_1331_11eb));
    if !random.chance(40) {
        return;
    }
    for _ in 0..1 + random.next() % 6 {
        let count = u64::try_from(script.len()).unwrap();
        let behind = usize::try_from(random.next() % count).unwrap();
        let at = script[behind]
            .0
            .after(Duration::from_millis(random.next() % 120));
        let order = if random.chance(75) {
            Order::NewChild
        } else {
            Order::DeleteChild
        };
        let action = Action::Order(Side::draw(&mut random), order, random.next());
        let place = script.partition_point(|&(other, _)| other <= at);
        script.insert(place, (at, action));
    }
}

fn script(random: &mut Seeded, calm: bool) -> Vec<(Instant, Action)> {
    let mut at = Instant::new(Duration::from_secs(1));
    let login = |random: &mut Seeded| Login {
        proof: match random.next() % 3 {
            0 => Proof::Eap,
            1 => Proof::Certificate,
            _ => Proof::PreSharedKey,
        },
        honest: !random.chance(10),
    };
    let mut script = vec![(at, Action::Connect(login(random)))];
    for _ in 0..5 + random.next() % 36 {
        // Half of what happens, happens nearly together: that is where exchanges cross.
        let gap = if random.chance(50) {
            random.next() % 120
        } else {
            random.next() % 20_000
        };
        at = at.after(Duration::from_millis(gap));
        let side = Side::draw(random);
        let pick = random.next();
        let action = match random.next() % 100 {
            0..28 => Action::Order(side, Order::RekeyChild, pick),
            28..50 => Action::Order(side, Order::Rekey, pick),
            50..66 => Action::Traffic(side),
            66..72 if !calm => Action::Move {
                nat: random.chance(50),
            },
            66..72 => Action::Traffic(side),
            72..80 => Action::Order(side, Order::Probe, pick),
            80..87 => Action::Connect(login(random)),
            87..89 => Action::Order(side, Order::DeleteChild, pick),
            89..91 => Action::Order(side, Order::Delete, pick),
            _ if calm => Action::Traffic(side),
            91..94 => Action::Rebind,
            94..97 => {
                let towards = [random.chance(70), random.chance(70)];
                let most = if random.chance(80) { 40 } else { 400 };
                let long = Duration::from_secs(1 + random.next() % most);
                // Some last until what is due in them has come to its end.
                let through = random.chance(40);
                script.push((at, Action::Blackout(towards, long)));
                at = if through { at.after(long) } else { at };
                Action::Traffic(side)
            }
            97..99 => Action::Flood(1 + random.next() % 60),
            _ => Action::Order(side, Order::Forget, pick),
        };
        script.push((at, action));
    }
    script
}

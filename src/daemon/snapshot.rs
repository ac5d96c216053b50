//! Fills [`State`] from what the daemon knows at this moment.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use ironflex_ikev2::{
    crypto::{
        Role, SigningKey,
        suite::{AeadAlgorithm, CbcAlgorithm, Group, Integrity, PrfAlgorithm, Protection},
    },
    event::Instant,
    view::{Fragmentation as Agreed, SaView},
    wire::payload::TrafficSelector,
};
use ironflex_profiles::snapshot::IpsecProfile;
use ironflex_xfrm::{Counters, SessionId, Traffic};

use super::{
    compile::LocalCredentials,
    driver::Driver,
    lease::Holder,
    network::configured_addresses,
    session::{Installed, Session},
};
use crate::state::{
    AuthMethod, ChildSa, Cipher, DerivedInterface, DerivedIpv6, Flow, Fragmentation, Hash, IkeSa,
    IkeStatus, IkeSuite, Ipv6Pool, Messages, Nat, Pool, PoolUse, Session as SessionState, SpiPair,
    State,
};

/// The device of the machine's own addresses.
const LOOPBACK: &str = "lo";

/// The MTU of a path of which nothing is known, in octets.
const ETHERNET: u16 = 1500;

/// The state at this moment.
pub fn state(driver: &mut Driver) -> State {
    let now = driver.clock.now();
    let ids: Vec<_> = driver.house.sessions.iter().map(|(sa, _)| sa).collect();
    let outside = Outside::of(driver);
    let through = driver.house.counters();
    let mut ike_sas = Vec::with_capacity(ids.len());
    for sa in ids {
        let (Some(view), Some(session)) =
            (driver.endpoint.view(sa), driver.house.sessions.view(sa))
        else {
            continue;
        };
        let fragment_mtu = driver.house.plan.snapshot.ikev2.fragmentation_mtu;
        ike_sas.push(ike_sa(
            &view,
            session,
            &through,
            fragment_mtu,
            &outside,
            now,
        ));
    }
    ike_sas.sort_by_key(|one| one.tunnel_id);
    State {
        hostname: driver.house.plan.snapshot.hostname.to_string(),
        sessions_begun: driver.house.sessions.begun(),
        ike_sas,
        ..pools(driver)
    }
}

/// The pools at this moment, without the sessions.
pub fn pools(driver: &Driver) -> State {
    State {
        pools: ipv4_pools(driver),
        ipv6_pools: ipv6_pools(driver),
        ..State::default()
    }
}

/// What is known of the places that peers' messages come to.
#[derive(Default)]
struct Outside {
    /// The router interface that has an address: what Linux knows of tied devices, what the configuration says of the others.
    interfaces: BTreeMap<IpAddr, String>,
    /// The MTU of the device that has an address.
    mtus: BTreeMap<IpAddr, u16>,
}

impl Outside {
    fn of(driver: &mut Driver) -> Self {
        let house = &mut driver.house;
        let devices = house.network.devices().unwrap_or_else(|error| {
            house.log.trouble(&error);
            BTreeMap::new()
        });
        let mut outside = Self::default();
        // An address of the machine's own says nothing of the way out.
        for (_, device) in devices.iter().filter(|(name, _)| *name != LOOPBACK) {
            // What carries more than an IP packet can have is no limit.
            let mtu = u16::try_from(device.mtu).unwrap_or(u16::MAX);
            let addresses = device.addresses.iter();
            outside.mtus.extend(addresses.map(|&(one, _)| (one, mtu)));
        }
        for interface in house.plan.snapshot.interfaces.values() {
            let tied = interface.device.as_ref();
            let addresses = match tied.map(|device| devices.get(device.as_str())) {
                Some(device) => device.map_or_else(Vec::new, |device| device.addresses.clone()),
                None => configured_addresses(interface),
            };
            for (address, _) in addresses {
                let name = interface.name.to_string();
                outside.interfaces.insert(address, name);
            }
        }
        outside
    }
}

fn ipv4_pools(driver: &Driver) -> Vec<Pool> {
    let ranges = driver.house.pools.ipv4.ranges();
    ranges
        .map(|range| Pool {
            name: range.pool.to_owned(),
            first: range.first,
            last: range.last,
            in_use: in_use(driver, range.held),
        })
        .collect()
}

fn ipv6_pools(driver: &Driver) -> Vec<Ipv6Pool> {
    let configured = &driver.house.plan.snapshot.ipv6_pools;
    let ranges = driver.house.pools.ipv6.ranges();
    ranges
        .filter_map(|range| {
            let pool = configured.get(range.pool)?.range;
            let size = range.size();
            Some(Ipv6Pool {
                name: range.pool.to_owned(),
                prefix: (pool.prefix().address(), pool.prefix().length()),
                assigned: pool.assigned(),
                size,
                in_use: in_use(driver, range.held),
            })
        })
        .collect()
}

/// Who holds what, and by which interface.
fn in_use<A: Copy>(driver: &Driver, held: Vec<(&A, &Holder)>) -> Vec<PoolUse<A>> {
    let sessions = &driver.house.sessions;
    held.into_iter()
        .map(|(&address, holder)| PoolUse {
            address,
            virtual_access: sessions
                .view(holder.sa)
                .and_then(|session| session.virtual_access)
                .unwrap_or_default(),
            user: Some(holder.user.clone()),
        })
        .collect()
}

fn ike_sa(
    view: &SaView<'_>,
    session: &Session,
    through: &HashMap<SessionId, Counters>,
    fragment_mtu: Option<u16>,
    outside: &Outside,
    now: Instant,
) -> IkeSa {
    let profile = session.profile.as_ref();
    let local = view.path.local.ip().to_canonical();
    let ours = view.initiator_spi.get();
    let theirs = view.responder_spi.get();
    let (local_spi, remote_spi) = match view.role {
        Role::Initiator => (ours, theirs),
        Role::Responder => (theirs, ours),
    };
    let begun = session.up_since.unwrap_or(view.created);
    IkeSa {
        tunnel_id: session.tunnel_id,
        ce_id: session.ce_id,
        session_id: session.session_id,
        local: view.path.local,
        remote: view.path.remote,
        status: if view.closing {
            IkeStatus::Delete
        } else if view.ready {
            IkeStatus::Ready
        } else {
            IkeStatus::InNegotiation
        },
        suite: suite(view),
        auth_sign: profile.map_or(AuthMethod::Rsa, |serving| match &*serving.credentials {
            LocalCredentials::Certificate { signer, .. } => match signer.kind() {
                SigningKey::Rsa => AuthMethod::Rsa,
                SigningKey::Ecdsa(_) => AuthMethod::Ecdsa,
            },
            LocalCredentials::PreShare(_) => AuthMethod::Psk,
        }),
        auth_verify: session.proof.map(AuthMethod::from),
        ppk: view.ppk,
        lifetime: profile.map_or(86_400, |serving| serving.profile.lifetime),
        active: now.since(begun),
        local_spi,
        remote_spi,
        local_id: session.own_identity.as_ref().map(ToString::to_string),
        remote_id: view.identity.map(super::identity::text),
        remote_eap_id: view.eap_user.map(|user| user.to_string()),
        messages: Messages {
            local_request: view.next_request,
            remote_request: view.next_expected,
            local_next: view.next_request,
            remote_next: view.next_expected,
            local_queued: u32::try_from(view.queued).unwrap_or(u32::MAX),
            remote_queued: view.next_expected,
            local_window: view.window,
            remote_window: view.peer_window,
        },
        dpd: profile
            .and_then(|serving| serving.profile.dpd)
            .map_or((0, 0), |dpd| {
                (u32::from(dpd.interval), u32::from(dpd.retry))
            }),
        fragmentation: match (fragment_mtu, view.fragmentation) {
            (None, _) => Fragmentation::NotConfigured,
            (Some(mtu), Some(Agreed::Ietf)) => Fragmentation::Enabled { mtu },
            (Some(_), _) => Fragmentation::Configured,
        },
        nat: match (view.nat_local, view.nat_remote) {
            (_, true) => Nat::Outside,
            (true, false) => Nat::Inside,
            (false, false) => Nat::None,
        },
        assigned: session.leases.addresses().collect(),
        initiator: view.role == Role::Initiator,
        interface: outside.interfaces.get(&local).cloned(),
        path_mtu: outside.mtus.get(&local).map_or(ETHERNET, |&mtu| mtu),
        profile: profile.map(|serving| serving.profile.name.to_string()),
        session: session_state(view, session, through, now),
    }
}

fn session_state(
    view: &SaView<'_>,
    session: &Session,
    through: &HashMap<SessionId, Counters>,
    now: Instant,
) -> Option<SessionState> {
    let serving = session.profile.as_ref()?;
    session.installed.first()?;
    let up_since = session.up_since?;
    let template = &serving.profile.virtual_template;
    let uptime = now.since(up_since);
    let children: Vec<ChildSa> = session
        .installed
        .iter()
        .filter_map(|installed| {
            let counters = through.get(&installed.id).copied().unwrap_or_default();
            let since = (up_since, now);
            child(view, installed, &counters, &template.ipsec, since)
        })
        .collect();
    let device = session.device.as_ref();
    let lines = &template.interface.ipv6;
    Some(SessionState {
        virtual_access: session.virtual_access?,
        uptime,
        derived: DerivedInterface {
            unnumbered: Some(template.unnumbered.to_string()),
            mtu: template.interface.ip_mtu,
            tcp_adjust_mss: template.interface.tcp_adjust_mss,
            nat_inside: template.interface.nat
                == Some(ironflex_profiles::model::nat::NatSide::Inside),
            ipv6: DerivedIpv6 {
                unnumbered: lines.unnumbered.as_ref().map(|used| used.value.to_string()),
                enable: lines.enable,
            },
            tunnel_source: view.path.local.ip().to_canonical(),
            tunnel_destination: view.path.remote.ip().to_canonical(),
            ipsec_profile: template.ipsec.name.to_string(),
        },
        device: device.and_then(|device| device.computer_name.clone()),
        routes: session
            .routes
            .iter()
            .map(|route| route.destination.to_string())
            .collect(),
        children,
    })
}

/// One child SA: that of its name which is sent on, and those beside it.
fn child(
    view: &SaView<'_>,
    installed: &Installed,
    counters: &Counters,
    ipsec: &IpsecProfile,
    (up_since, now): (Instant, Instant),
) -> Option<ChildSa> {
    let mut rekeying = Vec::new();
    let mut used = None;
    for one in view.children().filter(|one| one.id == installed.child) {
        if one.sending {
            used = Some(one);
        } else {
            rekeying.push(SpiPair {
                sa_number: installed.number_of(one.inbound_spi),
                inbound_spi: one.inbound_spi,
                outbound_spi: one.outbound_spi,
            });
        }
    }
    let child = used?;
    // Where the SA in use took over, what had gone through by then was another's.
    let rekeyed = installed.rekeyed.last();
    let (since, before) = rekeyed.map_or((up_since, None), |(_, since, before)| {
        (*since, Some(before))
    });
    let age = now.since(since);
    let pfs = child.exchanges;
    Some(ChildSa {
        flow_id: installed.id.number(),
        sa_number: installed.number_of(child.inbound_spi),
        inbound_spi: child.inbound_spi,
        outbound_spi: child.outbound_spi,
        rekeying,
        cipher: cipher(child.suite.protection),
        integrity: integrity(child.suite.protection),
        esn: child.suite.esn,
        pfs_group: pfs.group.map(Group::number),
        pfs_pqc: pfs.additional.groups().map(|one| one.to_string()).collect(),
        local: ranges(child.local),
        remote: ranges(child.remote),
        udp_encapsulated: installed.path.remote_udp().is_some(),
        replay_window: ipsec.replay_window.map_or(0, u32::from),
        inbound: flow(
            &counters.inbound,
            before.map(|all| &all.inbound),
            ipsec,
            age,
        ),
        outbound: flow(
            &counters.outbound,
            before.map(|all| &all.outbound),
            ipsec,
            age,
        ),
    })
}

/// `before` is what had gone through when the SA in use took over, `age` how long it has been in use.
fn flow(traffic: &Traffic, before: Option<&Traffic>, ipsec: &IpsecProfile, age: Duration) -> Flow {
    let before = before.map_or(0, |before| before.bytes);
    let used = traffic.bytes.saturating_sub(before) / 1024;
    let reasons = traffic.drops.iter();
    Flow {
        packets: traffic.packets,
        bytes: traffic.bytes,
        drops: traffic.drops.total(),
        drop_reasons: reasons
            .map(|(reason, count)| (reason.name(), count))
            .collect(),
        kilobytes_left: ipsec
            .lifetime_kilobytes
            .map(|limit| u64::from(limit).saturating_sub(used)),
        seconds_left: u64::from(ipsec.lifetime_seconds).saturating_sub(age.as_secs()),
    }
}

fn ranges(selectors: &[TrafficSelector]) -> Vec<(IpAddr, IpAddr)> {
    selectors
        .iter()
        .map(|one| (one.addresses.start(), one.addresses.end()))
        .collect()
}

fn suite(view: &SaView<'_>) -> IkeSuite {
    IkeSuite {
        cipher: cipher(view.suite.protection),
        integrity: integrity(view.suite.protection),
        prf: match view.suite.prf {
            PrfAlgorithm::HmacSha1 => Hash::Sha1,
            PrfAlgorithm::HmacSha2_256 => Hash::Sha256,
            PrfAlgorithm::HmacSha2_384 => Hash::Sha384,
            PrfAlgorithm::HmacSha2_512 => Hash::Sha512,
        },
        group: view.suite.group.number(),
        pqc: view
            .suite
            .additional
            .groups()
            .map(|one| one.to_string())
            .collect(),
    }
}

const fn cipher(protection: Protection) -> Cipher {
    match protection {
        Protection::Aead(AeadAlgorithm::AesGcm16_128) => Cipher::AesGcm(128),
        Protection::Aead(AeadAlgorithm::AesGcm16_192) => Cipher::AesGcm(192),
        Protection::Aead(AeadAlgorithm::AesGcm16_256) => Cipher::AesGcm(256),
        Protection::EncryptThenMac(CbcAlgorithm::AesCbc128, _) => Cipher::AesCbc(128),
        Protection::EncryptThenMac(CbcAlgorithm::AesCbc192, _) => Cipher::AesCbc(192),
        Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, _) => Cipher::AesCbc(256),
    }
}

const fn integrity(protection: Protection) -> Option<Hash> {
    match protection {
        Protection::Aead(_) => None,
        Protection::EncryptThenMac(_, integrity) => Some(match integrity {
            Integrity::HmacSha1_96 => Hash::Sha1,
            Integrity::HmacSha2_256_128 => Hash::Sha256,
            Integrity::HmacSha2_384_192 => Hash::Sha384,
            Integrity::HmacSha2_512_256 => Hash::Sha512,
        }),
    }
}

//! What happens to an SA between its install and its end: a rekey, a peer that moves, limits.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ironflex_xfrm::{
    Dataplane, Direction, DropReason, Encapsulation, Error, Event, Limit, Limits, Object, OuterPath,
};

use super::{GCM, Lab, UDP, event, id, mirrored, pair, spec};
use crate::Ignored;
use crate::support::ip;

cases![
    a_rekey_loses_no_packet_and_no_count,
    a_rekey_taken_back_sends_on_the_old_sa_where_it_stopped,
    a_moved_port_is_told_once_and_followed,
    a_move_that_failed_is_told_again,
    a_moved_address_keeps_numbers_windows_and_counts,
    a_move_leaves_packets_without_an_sa_for_a_moment_only,
    a_move_amid_a_rekey_takes_every_sa_along,
    limits_in_packets_are_told_and_the_counts_outlive_the_sa,
    limits_in_octets_are_told_and_the_counts_outlive_the_sa,
];

fn a_rekey_loses_no_packet_and_no_count() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    let (to_headend, to_client) = (spec(0x2000, GCM), spec(0x2001, GCM));
    lab.headend.add_inbound(id(1), &to_headend).unwrap();
    assert_eq!(
        lab.headend.add_inbound(id(1), &to_headend),
        Err(Error::Exists(Object::Inbound(to_headend.spi)))
    );
    lab.client.add_inbound(id(1), &to_client).unwrap();
    lab.client.replace_outbound(id(1), &to_headend).unwrap();
    assert!(lab.ping(100), "the headend still sends on its old SA");
    lab.headend.replace_outbound(id(1), &to_client).unwrap();
    assert!(lab.ping(100));
    let outbound = |listing: &str| {
        listing
            .matches("192.0.2.1 dst 192.0.2.2\n\tproto esp")
            .count()
    };
    assert_eq!(
        outbound(&Lab::listing(&lab.left).0),
        2,
        "a packet that had chosen the old SA can still leave by it"
    );
    lab.headend.remove_inbound(id(1), pair.inbound.spi).unwrap();
    assert_eq!(sas_towards(&lab, "192.0.2.2"), 1);
    assert_eq!(
        lab.headend.remove_inbound(id(1), pair.inbound.spi),
        Err(Error::NoSuchSa {
            id: id(1),
            spi: pair.inbound.spi
        })
    );
    lab.client.remove_inbound(id(1), pair.outbound.spi).unwrap();
    assert!(lab.ping(100));
    let one = lab.headend.counters(id(1)).unwrap();
    assert_eq!(
        lab.headend.all_counters(),
        ([(id(1), one)].into(), None),
        "at one look the same"
    );
    let (headend, client) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (4, 4));
    assert_eq!((client.inbound.packets, client.outbound.packets), (4, 4));
    lab.assert_clean();
    Ok(())
}

fn a_rekey_taken_back_sends_on_the_old_sa_where_it_stopped() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    let (to_headend, to_client) = (spec(0x2000, GCM), spec(0x2001, GCM));
    lab.headend.add_inbound(id(1), &to_headend).unwrap();
    lab.client.add_inbound(id(1), &to_client).unwrap();
    lab.headend.replace_outbound(id(1), &to_client).unwrap();
    assert!(lab.ping(100));

    let former = pair.outbound.spi;
    lab.headend.resume_outbound(id(1), former).unwrap();
    assert_eq!(
        lab.headend.resume_outbound(id(1), former),
        Err(Error::NoSuchSa {
            id: id(1),
            spi: former
        })
    );
    // The client has the old one alone, and would refuse a sequence number that it has had.
    lab.client.remove_inbound(id(1), to_client.spi).unwrap();
    lab.headend.remove_inbound(id(1), to_headend.spi).unwrap();
    assert!(lab.ping(100));
    let (headend, client) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (3, 3));
    assert_eq!((client.inbound.packets, client.outbound.packets), (3, 3));
    lab.assert_clean();
    Ok(())
}

/// How many SAs the headend has towards an address.
fn sas_towards(lab: &Lab, remote: &str) -> usize {
    let states = Lab::listing(&lab.left).0;
    states
        .matches(&format!("192.0.2.1 dst {remote}\n\tproto esp"))
        .count()
}

fn a_moved_port_is_told_once_and_followed() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500", "192.0.2.2:61234"]);
    let pair = pair(1, GCM, UDP);
    lab.install(&pair);
    assert!(lab.ping(100));
    assert_eq!(lab.headend.poll_event(), None);

    // As behind a NAT that forgot: the same client from another port.
    let moved = OuterPath {
        encapsulation: Encapsulation::Udp {
            local_port: 61_234,
            remote_port: 4500,
        },
        ..mirrored(&pair).path
    };
    lab.client.move_peer(id(1), moved).unwrap();
    for _ in 0..3 {
        // The answer still goes to the old port, where the client's SA no longer expects it but takes it all the same.
        lab.ping(100);
    }
    let remote = "192.0.2.2:61234".parse().unwrap();
    assert_eq!(
        event(&mut lab.headend),
        Event::PeerMoved { id: id(1), remote }
    );
    assert_eq!(lab.headend.poll_event(), None, "told once");
    let before = lab.headend.counters(id(1)).unwrap();
    lab.headend
        .move_peer(id(1), pair.path.with_remote_udp(remote))
        .unwrap();
    assert!(lab.ping(100));
    assert_eq!(lab.headend.poll_event(), None, "it is where we think it is");
    let after = lab.headend.counters(id(1)).unwrap();
    assert_eq!(
        after.inbound.packets,
        before.inbound.packets + 1,
        "the SA is the same one"
    );
    let states = Lab::listing(&lab.left).0;
    assert!(
        states.contains("sport 4500 dport 61234") && states.contains("sport 61234 dport 4500"),
        "{states}"
    );
    lab.remove(id(1));
    lab.assert_clean();
    Ok(())
}

fn a_move_that_failed_is_told_again() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500", "192.0.2.2:61234"]);
    let pair = pair(1, GCM, UDP);
    lab.install(&pair);
    assert!(lab.ping(100));
    let moved = OuterPath {
        encapsulation: Encapsulation::Udp {
            local_port: 61_234,
            remote_port: 4500,
        },
        ..mirrored(&pair).path
    };
    lab.client.move_peer(id(1), moved).unwrap();
    let remote = "192.0.2.2:61234".parse().unwrap();
    let told = Event::PeerMoved { id: id(1), remote };
    for _ in 0..3 {
        lab.ping(100);
    }
    assert_eq!(event(&mut lab.headend), told);
    assert_eq!(lab.headend.poll_event(), None, "told once");
    // The kernel names the place again every second or two, as it was asked to, which is no news as long as nobody has tried to
    // go there.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        lab.ping(100);
        assert_eq!(lab.headend.poll_event(), None, "still told once");
        thread::sleep(Duration::from_millis(20));
    }

    let nowhere = OuterPath {
        remote: ip("0.0.0.0"),
        ..pair.path
    };
    assert!(lab.headend.move_peer(id(1), nowhere).is_err());
    let begun = Instant::now();
    let again = loop {
        lab.ping(100);
        if let Some(event) = lab.headend.poll_event() {
            break event;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "not told again");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(again, told);
    assert_eq!(lab.headend.poll_event(), None, "told once more");
    lab.headend
        .move_peer(id(1), pair.path.with_remote_udp(remote))
        .unwrap();
    assert!(lab.ping(100));
    lab.remove(id(1));
    lab.assert_clean();
    Ok(())
}

fn a_moved_address_keeps_numbers_windows_and_counts() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.right.add_address(lab.right.cable, "192.0.2.3/24");
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500", "192.0.2.3:4500"]);
    for (number, esn) in [(1, false), (2, true)] {
        let mut pair = pair(number, GCM, UDP);
        (pair.inbound.esn, pair.outbound.esn) = (esn, esn);
        lab.install(&pair);
        // More than a window, so that sequence numbers that began again would be refused as too old.
        for _ in 0..100 {
            assert!(lab.ping(10));
        }
        let client_path = mirrored(&pair).path;
        let moved = OuterPath {
            local: ip("192.0.2.3"),
            ..client_path
        };
        lab.client.move_peer(id(number), moved).unwrap();
        lab.ping(10);
        let remote = "192.0.2.3:4500".parse().unwrap();
        assert_eq!(
            event(&mut lab.headend),
            Event::PeerMoved {
                id: id(number),
                remote
            }
        );
        lab.headend
            .move_peer(id(number), pair.path.with_remote_udp(remote))
            .unwrap();
        assert!(lab.ping(10));
        let states = Lab::listing(&lab.left).0;
        assert!(!states.contains("192.0.2.2"), "{states}");
        let sent = oseq(&states);
        assert!(
            sent.iter().all(|numbers| *numbers < 200),
            "no number was left out: {sent:?}"
        );
        assert!(
            sent.iter().any(|numbers| *numbers >= 100),
            "nor used again: {sent:?}"
        );
        assert!(
            !Lab::listing(&lab.left).1.contains("192.0.2.2"),
            "the templates follow"
        );

        // And from UDP to bare ESP at its old address.
        let bare = OuterPath {
            encapsulation: Encapsulation::None,
            ..pair.path
        };
        lab.headend.move_peer(id(number), bare).unwrap();
        lab.client
            .move_peer(
                id(number),
                OuterPath {
                    encapsulation: Encapsulation::None,
                    ..client_path
                },
            )
            .unwrap();
        assert!(lab.ping(10));

        let (headend, client) = lab.remove(id(number));
        // The answer to the one ping between the two moves went to an address whose SA was gone.
        assert_eq!(
            (headend.inbound.packets, headend.outbound.packets),
            (103, 103),
            "esn {esn}"
        );
        assert_eq!(
            (client.inbound.packets, client.outbound.packets),
            (102, 103),
            "esn {esn}"
        );
        assert_eq!(headend.inbound.drops.of(DropReason::Replayed), 0);
        assert_eq!(client.inbound.drops.of(DropReason::Replayed), 0);
        lab.assert_clean();
    }
    Ok(())
}

/// Between the removal of the outbound SA and the policies that lead to its successor a packet has none, and only there: packets go
/// out all the time while the peer moves to and fro. Each is counted, by an SA or as one that had none, and of these there are no more
/// than were sent within the moves. One that had chosen the SA when it was taken away is counted so as well, and its sender is told.
fn a_move_leaves_packets_without_an_sa_for_a_moment_only() -> Result<(), Ignored> {
    const MOVES: u32 = 100;
    const PACE: Duration = Duration::from_millis(1);
    let mut lab = Lab::new(&[GCM])?;
    lab.right.add_address(lab.right.cable, "192.0.2.3/24");
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    let without = |lab: &mut Lab| lab.headend.unmatched().unwrap().of(DropReason::NoRoute);
    let carried = |lab: &mut Lab| lab.headend.counters(id(1)).unwrap().outbound.packets;
    let died = |lab: &Lab| lab.left.xfrm_statistic("XfrmOutStateInvalid");
    let before = (without(&mut lab), carried(&mut lab), died(&lab));
    let over = AtomicBool::new(false);
    let socket = lab.left.namespace.run(|| UdpSocket::bind("10.1.0.1:0"));
    let socket = socket.unwrap().unwrap();
    let begun = Instant::now();
    let (sent, refused, took, longest) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let (mut sent, mut refused) = (0_u64, 0_u64);
            while !over.load(Ordering::Relaxed) {
                match socket.send_to(&[0xa5; 64], "10.10.0.5:9") {
                    Ok(_) => sent += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                        refused += 1;
                    }
                }
                thread::sleep(PACE);
            }
            (sent, refused)
        });
        let (mut took, mut longest) = (Duration::ZERO, Duration::ZERO);
        for turn in 0..MOVES {
            let remote = ip(if turn % 2 == 0 {
                "192.0.2.3"
            } else {
                "192.0.2.2"
            });
            let path = OuterPath {
                remote,
                ..pair.path
            };
            let begun = Instant::now();
            lab.headend.move_peer(id(1), path).unwrap();
            took += begun.elapsed();
            longest = longest.max(begun.elapsed());
            thread::sleep(PACE * 3);
        }
        over.store(true, Ordering::Relaxed);
        let (sent, refused) = sender.join().unwrap();
        (sent, refused, took, longest)
    });
    let spacing = begun.elapsed() / u32::try_from(sent + refused).unwrap();
    let lost = without(&mut lab) - before.0;
    let carried = carried(&mut lab) - before.1;
    let gap = spacing * u32::try_from(lost).unwrap();
    println!(
        "{MOVES} moves of {:?}, {longest:?} at the most; {sent} packets, {refused} refused, one every {spacing:?}: {carried} carried, \
         {lost} had no SA, so for {:?} in each",
        took / MOVES,
        gap / MOVES
    );
    assert!(sent + refused > u64::from(MOVES), "{sent} packets");
    assert_eq!(carried + lost, sent + refused);
    assert_eq!(died(&lab) - before.2, refused);
    assert!(gap <= took, "{gap:?} in {took:?}");
    assert!(lab.ping(100));
    lab.remove(id(1));
    lab.assert_clean();
    Ok(())
}

/// The sequence numbers last sent, of every SA in a listing of iproute2.
fn oseq(states: &str) -> Vec<u32> {
    let numbers = states.split("oseq 0x").skip(1);
    numbers
        .map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            u32::from_str_radix(&digits, 16).unwrap()
        })
        .collect()
}

fn a_move_amid_a_rekey_takes_every_sa_along() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.right.add_address(lab.right.cable, "192.0.2.3/24");
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500", "192.0.2.3:4500"]);
    let pair = pair(1, GCM, UDP);
    lab.install(&pair);
    assert!(lab.ping(100));
    let (to_headend, to_client) = (spec(0x2000, GCM), spec(0x2001, GCM));
    lab.headend.add_inbound(id(1), &to_headend).unwrap();
    lab.client.add_inbound(id(1), &to_client).unwrap();
    lab.client.replace_outbound(id(1), &to_headend).unwrap();
    lab.headend.replace_outbound(id(1), &to_client).unwrap();
    assert!(lab.ping(100));

    let moved = OuterPath {
        local: ip("192.0.2.3"),
        ..mirrored(&pair).path
    };
    lab.client.move_peer(id(1), moved).unwrap();
    let remote = "192.0.2.3:4500".parse().unwrap();
    lab.headend
        .move_peer(id(1), pair.path.with_remote_udp(remote))
        .unwrap();
    assert_eq!(sas_towards(&lab, "192.0.2.2"), 0);
    assert_eq!(sas_towards(&lab, "192.0.2.3"), 2);
    // The peer has no inbound SA any more but the new one: what goes through goes by the new one.
    lab.client.remove_inbound(id(1), pair.outbound.spi).unwrap();
    assert!(lab.ping(100));
    lab.headend.remove_inbound(id(1), pair.inbound.spi).unwrap();
    assert_eq!(sas_towards(&lab, "192.0.2.3"), 1);
    assert!(lab.ping(100));
    let (headend, client) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (4, 4));
    assert_eq!((client.inbound.packets, client.outbound.packets), (4, 4));
    lab.assert_clean();
    Ok(())
}

fn limits_in_packets_are_told_and_the_counts_outlive_the_sa() -> Result<(), Ignored> {
    limits_are_told(Limit::Packets, |packets| Limits {
        packets: NonZeroU64::new(packets),
        ..Limits::NONE
    })
}

fn limits_in_octets_are_told_and_the_counts_outlive_the_sa() -> Result<(), Ignored> {
    // The kernel counts what goes into the SA: the shortest ping below has 36 octets with its headers.
    limits_are_told(Limit::Bytes, |packets| Limits {
        bytes: NonZeroU64::new(packets * 36),
        ..Limits::NONE
    })
}

/// A soft limit of three packets, or about as many octets, and a hard one of six.
fn limits_are_told(of: Limit, limit: fn(u64) -> Limits) -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    let mut pair = pair(1, GCM, Encapsulation::None);
    (pair.outbound.soft, pair.outbound.hard) = (limit(3), limit(6));
    lab.headend.install(&pair).unwrap();
    let mut client = mirrored(&pair);
    (client.inbound.soft, client.inbound.hard) = (Limits::NONE, Limits::NONE);
    lab.client.install(&client).unwrap();
    for _ in 0..4 {
        assert!(lab.ping(10));
    }
    let (spi, direction) = (pair.outbound.spi, Direction::Outbound);
    assert_eq!(
        event(&mut lab.headend),
        Event::SoftExpired {
            id: id(1),
            spi,
            direction,
            limit: of,
        }
    );
    assert_eq!(lab.headend.poll_event(), None, "once");
    for _ in 0..3 {
        lab.left.pings_in_vain("10.1.0.1", "10.10.0.5");
    }
    assert_eq!(
        event(&mut lab.headend),
        Event::HardExpired {
            id: id(1),
            spi,
            direction,
            limit: of,
        }
    );
    let counters = lab.headend.remove(id(1)).unwrap();
    assert!((5..=6).contains(&counters.outbound.packets), "{counters:?}");
    lab.client.remove(id(1)).unwrap();
    lab.assert_clean();
    Ok(())
}

//! What is kept of attempts, and what they are told by.

use ironflex_ikev2::{crypto::suite::Group, refusal::PeerIncompatible};
use ironflex_profiles::model::name::Name;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::new(Duration::from_secs(seconds))
}

fn peer(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn begin(attempts: &mut Attempts, number: u64, last: u8) -> SaId {
    let sa = SaId::from_spi(number);
    let port = u16::try_from(number).unwrap();
    attempts.begin(sa, peer(last, port), "key".into(), (at(0), at(0)));
    sa
}

fn spi(number: u64) -> Option<InitiatorSpi> {
    InitiatorSpi::new(number)
}

/// What tells requests apart that are refused for the same.
fn by(number: Option<InitiatorSpi>) -> (Option<InitiatorSpi>, &'static Refusal) {
    (
        number,
        &Refusal::Incompatible(PeerIncompatible::NoProposalChosen),
    )
}

fn other() -> Failure {
    Failure::Other { why: "no".into() }
}

#[test]
fn a_flood_of_refused_requests_pushes_out_no_attempt_and_is_counted() {
    let mut attempts = Attempts::default();
    let real = begin(&mut attempts, 1, 1);
    attempts.closed(at(1), real, &CloseReason::TimedOut, false);
    let mut made = 0;
    for number in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761));
        attempts.refused(at(2), (address, 500).into(), by(None), || {
            made += 1;
            other()
        });
    }
    // Those that are there are young, and nothing was made for the others.
    assert_eq!(made, REFUSED);
    assert_eq!(attempts.refused.len(), REFUSED);
    let facts = attempts.facts();
    assert!(facts.iter().any(|one| one.peer == peer(1, 1)));
    // Later another has its place.
    attempts.refused(at(13), peer(9, 500), by(None), other);
    assert!(attempts.facts().iter().any(|one| one.peer == peer(9, 500)));
    assert_eq!(attempts.room().displaced, 1);
    for number in 1..=5 {
        attempts.refused(at(13), peer(9, 501), by(spi(number)), other);
    }
    let facts = attempts.facts();
    let own = facts.iter().find(|one| one.peer.ip() == peer(9, 500).ip());
    let own = own.unwrap();
    assert_eq!(own.tries, 6);
}

#[test]
fn a_request_that_is_sent_again_is_no_other_try() {
    let mut attempts = Attempts::default();
    for (second, number, other_one) in [(1, 7, true), (2, 7, false), (4, 7, false), (8, 8, true)] {
        let told = attempts.refused(at(second), peer(1, 500), by(spi(number)), other);
        assert_eq!(told, other_one, "{second} s");
    }
    assert_eq!(attempts.facts()[0].tries, 2);
}

// They retransmit in turns, each its own.
#[test]
fn two_clients_behind_one_nat_are_told_once_each() {
    let mut attempts = Attempts::default();
    let mut told = Vec::new();
    for second in [1, 1, 2, 4, 8] {
        for (port, number) in [(500, 7), (501, 8)] {
            if attempts.refused(at(second), peer(1, port), by(spi(number)), other) {
                told.push((second, number));
            }
        }
    }
    assert_eq!(told, [(1, 7), (1, 8)]);
    assert_eq!(attempts.facts()[0].tries, 2);
}

#[test]
fn what_is_refused_for_another_reason_is_another_try() {
    let mut attempts = Attempts::default();
    let [first, second] = [
        PeerIncompatible::NoProposalChosen,
        PeerIncompatible::InvalidKeyExchange(Group::EcpP256),
    ]
    .map(Refusal::Incompatible);
    for (refusal, other_one) in [(&first, true), (&second, true), (&second, false)] {
        let told = attempts.refused(at(5), peer(1, 500), (spi(7), refusal), other);
        assert_eq!(told, other_one, "{refusal}");
    }
}

#[test]
fn one_source_has_its_share_of_failed_attempts() {
    let mut attempts = Attempts::default();
    let first = begin(&mut attempts, 1, 1);
    attempts.closed(at(1), first, &CloseReason::TimedOut, false);
    for number in 2..200 {
        let sa = begin(&mut attempts, number, 2);
        attempts.closed(at(number), sa, &CloseReason::TimedOut, false);
    }
    let facts = attempts.facts();
    assert_eq!(facts.len(), 1 + FAILED_OF_ONE);
    assert_eq!(attempts.room().displaced, 198 - 8);
    assert!(facts.iter().any(|one| one.peer == peer(1, 1)));
    assert!(facts.iter().any(|one| one.peer == peer(2, 199)));
    assert!(attempts.open.is_empty() && attempts.by_peer.is_empty());
}

fn verdict(attempts: &Attempts) -> String {
    attempts.facts()[0].failure.as_ref().unwrap().to_string()
}

/// A datagram of the answer with this message ID.
fn answer(id: u32, octets: usize) -> Vec<u8> {
    let mut datagram = vec![0; octets];
    datagram[..8].copy_from_slice(&1_u64.to_be_bytes());
    datagram[17] = 0x20;
    datagram[18] = 35;
    datagram[19] = 0x20;
    datagram[20..24].copy_from_slice(&id.to_be_bytes());
    datagram[24..28].copy_from_slice(&u32::try_from(octets).unwrap().to_be_bytes());
    datagram
}

#[test]
fn a_long_answer_that_is_asked_for_again_is_told_as_lost() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    attempts.answered(at(1), sa, Operation::Signature, &Ok(Answer::Installed));
    attempts.sent(peer(1, 1), &answer(1, 1_892));
    for second in 2..4 {
        attempts.sent(peer(1, 1), &answer(1, 1_892));
        attempts.repeated(at(second), peer(1, 1));
    }
    attempts.closed(at(30), sa, &CloseReason::TimedOut, false);
    assert_eq!(
        verdict(&attempts),
        "the client asked 2 times again for an answer of 1892 octets, which hardly reaches it as IP fragments: enable \
         'crypto ikev2 fragmentation', or send a shorter certificate chain"
    );
}

// Cisco's fragments are cut by its own rule, and the last of them is short.
#[test]
fn of_an_answer_in_pieces_the_longest_counts() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    for _ in 0..3 {
        for octets in [1_500, 1_500, 90] {
            attempts.sent(peer(1, 1), &answer(1, octets));
        }
    }
    // What the headend asks is no answer.
    let mut request = answer(7, 80);
    request[19] = 0;
    attempts.sent(peer(1, 1), &request);
    attempts.repeated(at(2), peer(1, 1));
    attempts.repeated(at(4), peer(1, 1));
    attempts.closed(at(30), sa, &CloseReason::TimedOut, true);
    let told = verdict(&attempts);
    assert!(
        told.contains("2 times again for an answer of 1500 octets"),
        "{told}"
    );
}

// An answer that has been asked for again and then arrived is not what a later one is lost for.
#[test]
fn repeats_count_for_the_answer_that_they_ask_for() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    attempts.sent(peer(1, 1), &answer(1, 1_892));
    attempts.repeated(at(2), peer(1, 1));
    attempts.repeated(at(4), peer(1, 1));
    attempts.sent(peer(1, 1), &answer(2, 120));
    attempts.repeated(at(6), peer(1, 1));
    attempts.closed(at(30), sa, &CloseReason::TimedOut, false);
    assert!(
        !verdict(&attempts).contains("asked"),
        "{}",
        verdict(&attempts)
    );
}

#[test]
fn an_attempt_that_ends_takes_no_repeat_from_the_next_one_there() {
    let mut attempts = Attempts::default();
    let place = peer(1, 500);
    let [first, second] = [1, 2].map(SaId::from_spi);
    for sa in [first, second] {
        attempts.begin(sa, place, "key".into(), (at(0), at(0)));
    }
    attempts.closed(at(1), first, &CloseReason::TimedOut, false);
    attempts.sent(place, &answer(1, 1_892));
    attempts.repeated(at(2), place);
    attempts.repeated(at(4), place);
    attempts.closed(at(30), second, &CloseReason::TimedOut, false);
    let facts = attempts.facts();
    let told = facts.iter().filter_map(|one| one.failure.as_ref());
    assert!(
        told.map(ToString::to_string)
            .any(|why| why.contains("1892"))
    );
    assert!(attempts.by_peer.is_empty());
}

#[test]
fn repeats_are_one_step_and_the_end_is_always_told() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    attempts.sent(peer(1, 1), &answer(1, 1_892));
    for second in 1..=100 {
        attempts.repeated(at(second), peer(1, 1));
    }
    attempts.authenticated(at(101), sa, "test", true);
    let steps = attempts.facts()[0].steps.clone();
    let kinds: Vec<_> = steps.iter().map(|step| step.what).collect();
    assert_eq!(
        kinds,
        [StepKind::Init, StepKind::Repeated, StepKind::Authenticated]
    );
    assert_eq!(
        (steps[1].after, steps[1].detail.as_deref()),
        (
            Duration::from_secs(100),
            Some("100 times; the answer has 1892 octets")
        )
    );
    for second in 102..200 {
        attempts.logged_in(at(second), sa, None);
    }
    attempts.closed(at(200), sa, &CloseReason::TimedOut, false);
    let steps = &attempts.facts()[0].steps;
    assert_eq!(steps.len(), STEPS);
    assert_eq!(steps.last().unwrap().what, StepKind::Ended);
}

// A site may come from as many networks as it has, and a provider's customer from a whole /24.
#[test]
fn a_network_has_more_than_a_host_and_not_all() {
    let addresses: [&dyn Fn(u16) -> std::net::IpAddr; 2] = [
        &|number| [203, 0, 113, u8::try_from(number % 256).unwrap()].into(),
        &|number| [0x2001, 0xdb8, 1, number << 6, 0, 0, 0, 1].into(),
    ];
    for (address, failed, refused) in [(addresses[0], 64, 8), (addresses[1], 32, 4)] {
        let mut attempts = Attempts::default();
        let first = begin(&mut attempts, 1, 1);
        attempts.closed(at(1), first, &CloseReason::TimedOut, false);
        attempts.refused(at(1), peer(1, 500), by(None), other);
        for number in 0..1_000 {
            let from = SocketAddr::new(address(number), 500);
            let sa = SaId::from_spi(u64::from(number) + 2);
            attempts.begin(sa, from, "key".into(), (at(0), at(0)));
            attempts.closed(at(2), sa, &CloseReason::TimedOut, false);
            attempts.refused(at(2), from, by(None), other);
        }
        assert_eq!(
            (attempts.failed.len(), attempts.refused.len()),
            (1 + failed, 1 + refused)
        );
        // A later one of it takes the place of one of its own.
        attempts.refused(at(20), SocketAddr::new(address(999), 500), by(None), other);
        assert_eq!(attempts.refused.len(), 1 + refused);
        assert!(
            attempts
                .refused
                .iter()
                .any(|one| one.attempt.peer == peer(1, 500))
        );
    }
}

#[test]
fn a_client_that_leaves_at_once_is_told_and_one_that_stays_is_not() {
    use AttemptOutcome::{Left, Up};
    for (downloads, left, outcome, advice) in [
        (true, 3, Left, true),
        (false, 3, Left, false),
        (true, 60, Up, false),
        (false, 60, Up, false),
    ] {
        let mut attempts = Attempts::default();
        let sa = begin(&mut attempts, 1, 1);
        attempts.authenticated(at(1), sa, "test", downloads);
        attempts.up(at(1), sa);
        attempts.closed(at(1 + left), sa, &CloseReason::PeerDeleted, false);
        let facts = attempts.facts();
        assert_eq!((facts.len(), facts[0].outcome), (1, outcome));
        assert_eq!(facts[0].user.as_deref(), Some("test"));
        assert_eq!(facts[0].failure.is_some(), advice);
        assert!(facts[0].steps.iter().all(|step| step.passed));
    }
}

#[test]
fn what_went_wrong_last_is_the_verdict_and_success_has_none() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    let login = |why: &str| Failure::Login {
        user: "test".into(),
        list: "L".into(),
        why: why.into(),
        locked_out: false,
    };
    attempts.logged_in(at(1), sa, Some(login("wrong password")));
    attempts.logged_in(at(2), sa, None);
    attempts.answered(
        at(3),
        sa,
        Operation::Authorization,
        &Err("the pool is exhausted".into()),
    );
    attempts.closed(at(3), sa, &CloseReason::TimedOut, false);
    assert!(verdict(&attempts).contains("the pool is exhausted"));
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 2, 1);
    attempts.logged_in(at(1), sa, Some(login("wrong password")));
    attempts.logged_in(at(2), sa, None);
    attempts.up(at(3), sa);
    assert_eq!(attempts.facts()[0].failure, None);
    assert_eq!(attempts.facts()[0].steps.len(), 4);
}

#[test]
fn the_nearest_rules_share_most_with_the_identity() {
    let rule = |text: &str| IdentityMatch::KeyId(Name::new(text).unwrap());
    let rules = [
        rule("other"),
        rule("*$AnyConnectClient$*"),
        rule("zzz"),
        rule("q"),
    ];
    let found = nearest("*$AnyConnectClient$", rules.iter());
    assert_eq!(found[0], "key-id *$AnyConnectClient$*");
    assert_eq!(found.len(), 3);
}

#[test]
fn what_a_refused_hosts_earlier_tries_ended_for_is_kept_beside_the_last() {
    let mut attempts = Attempts::default();
    let why = |why: &str| Failure::Other { why: why.into() };
    for (second, number, reason) in [(1, 1, "one"), (5, 2, "one"), (9, 3, "two")] {
        attempts.refused(at(second), peer(1, 500), by(spi(number)), || why(reason));
    }
    let told = |attempts: &Attempts| {
        let entry = attempts.facts().remove(0);
        let earlier = entry.earlier.into_iter();
        let earlier: Vec<_> = earlier.map(|one| (one.failure, one.tries)).collect();
        (entry.failure.unwrap(), entry.tries, earlier)
    };
    assert_eq!(told(&attempts), (why("two"), 3, vec![(why("one"), 2)]));
    // In the same second as well, as far as requests are looked at.
    for number in 4..14 {
        let reason = if number % 2 == 0 { "one" } else { "two" };
        attempts.refused(at(20), peer(1, 501), by(spi(number)), || why(reason));
    }
    let (last, tries, earlier) = told(&attempts);
    assert_eq!((last, tries), (why("two"), 13));
    assert_eq!(earlier, [(why("one"), 4)]);
    // Whoever fails in ever new ways does not fill the memory.
    for number in 14..100 {
        attempts.refused(at(number * 2), peer(1, 500), by(spi(number)), || {
            why(&number.to_string())
        });
    }
    let (last, tries, earlier) = told(&attempts);
    assert_eq!((last, tries, earlier.len()), (why("99"), 99, EARLIER));
    assert_eq!(earlier[0], (why("98"), 1));
}

#[test]
fn the_newest_is_told_first() {
    let mut attempts = Attempts::default();
    for number in 1..4 {
        let sa = begin(&mut attempts, number, 1);
        attempts.closed(at(1), sa, &CloseReason::TimedOut, false);
        std::thread::sleep(Duration::from_millis(2));
    }
    let ports: Vec<u16> = attempts.facts().iter().map(|one| one.peer.port()).collect();
    assert_eq!(ports, [3, 2, 1]);
}

#[test]
fn one_that_came_up_and_was_given_up_by_its_client_has_failed() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    attempts.up(at(1), sa);
    attempts.fail(sa, other());
    let facts = attempts.facts();
    assert_eq!(facts[0].outcome, AttemptOutcome::Failed);
    assert_eq!(facts[0].failure, Some(other()));
}

/// Tells of a first request with another group than ours.
fn search(attempts: &mut Attempts, second: u64, peer: SocketAddr, number: u64) {
    const OURS: &Refusal =
        &Refusal::Incompatible(PeerIncompatible::InvalidKeyExchange(Group::EcpP256));
    attempts.searches(at(second), peer, (spi(number), OURS), || Search {
        began: "31".into(),
        wanted: "19".into(),
        could_be_added: true,
    });
}

// Most clients come back at once with the group that they were told; who never does is told of.
#[test]
fn a_client_that_searches_is_on_record_until_it_has_found_and_takes_nobody_s_place() {
    let mut attempts = Attempts::default();
    search(&mut attempts, 1, peer(1, 500), 1);
    search(&mut attempts, 1, peer(2, 500), 2);
    assert_eq!(attempts.facts().len(), 2);
    // From behind a NAT it comes back from another port.
    begin(&mut attempts, 1, 1);
    let found: Vec<_> = attempts.facts().iter().map(|one| one.outcome).collect();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&AttemptOutcome::UnderWay) && found.contains(&AttemptOutcome::Failed));
    for host in 10..=255 {
        let address = std::net::Ipv4Addr::new(10, host, 0, 1);
        attempts.refused(at(20), (address, 500).into(), by(None), other);
    }
    assert_eq!(attempts.refused.len(), REFUSED);
    assert!(attempts.refused.iter().all(|one| one.searches.is_none()));
    search(&mut attempts, 60, peer(3, 500), 3);
    assert!(attempts.refused.iter().all(|one| one.searches.is_none()));
}

#[test]
fn what_is_refused_has_the_place_of_whoever_searches_however_young() {
    let mut attempts = Attempts::default();
    let host = |number| (std::net::Ipv4Addr::new(10, number, 0, 1), 500).into();
    for number in 0..REFUSED {
        let number = u8::try_from(number).unwrap();
        search(&mut attempts, 1, host(number), u64::from(number) + 1);
    }
    // Nor does one that searches take a young one's.
    search(&mut attempts, 1, peer(3, 500), 300);
    assert_eq!(attempts.refused.len(), REFUSED);
    attempts.refused(at(1), peer(2, 500), by(spi(400)), other);
    let is_there = |attempts: &Attempts, one| attempts.facts().iter().any(|fact| fact.peer == one);
    assert_eq!(attempts.refused.len(), REFUSED);
    assert!(is_there(&attempts, peer(2, 500)) && !is_there(&attempts, peer(3, 500)));
    // An older one's it takes, and no refused one's.
    for number in 40..100 {
        search(&mut attempts, 30, host(number), u64::from(number));
    }
    assert!(is_there(&attempts, peer(2, 500)) && is_there(&attempts, host(40)));
}

#[test]
fn who_begins_again_with_another_group_is_counted_and_what_it_sends_again_is_not() {
    let mut attempts = Attempts::default();
    search(&mut attempts, 1, peer(1, 500), 1);
    let first = attempts.facts().remove(0);
    search(&mut attempts, 2, peer(1, 500), 1);
    assert_eq!(attempts.facts().first(), Some(&first));
    attempts.half_open(peer(1, 501));
    let came_back = attempts.facts().remove(0);
    assert!(came_back.steps[0].passed);
    assert_ne!(came_back.failure, first.failure);
    search(&mut attempts, 3, peer(1, 500), 1);
    assert_eq!(attempts.facts(), [came_back]);
    std::thread::sleep(Duration::from_millis(2));
    search(&mut attempts, 9, peer(1, 502), 2);
    let again = attempts.facts().remove(0);
    assert_eq!((again.tries, &again.failure), (2, &first.failure));
    assert!(again.begun > first.begun && !again.steps[0].passed);
    // It is young again.
    assert_eq!(attempts.refused[0].since, at(9));
    // In one second a few are looked at.
    for number in 3..50 {
        search(&mut attempts, 20, peer(1, 500), number);
    }
    assert_eq!(attempts.facts()[0].tries, 49);
    assert_eq!(attempts.refused[0].looks, (at(20), LOOKS));
}

// The network may deliver a copy of what it sent first when it is in already.
#[test]
fn a_client_that_is_in_or_on_its_way_does_not_search() {
    let mut attempts = Attempts::default();
    let sa = begin(&mut attempts, 1, 1);
    search(&mut attempts, 1, peer(1, 500), 7);
    assert_eq!(attempts.facts().len(), 1);
    attempts.up(at(2), sa);
    search(&mut attempts, 3, peer(1, 500), 7);
    assert_eq!(attempts.facts().len(), 1);
    // Another host's, and one that comes much later.
    search(&mut attempts, 3, peer(2, 500), 8);
    search(&mut attempts, 300, peer(1, 500), 9);
    assert_eq!(attempts.facts().len(), 3);
}

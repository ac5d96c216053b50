//! Rekeyings of the IKE SA that meet, with each other, with a child's, and with a Delete. `w` is the one that survives by its
//! nonces, `l` the one that the end which made it deletes again.

use super::*;
use ironflex_ikev2::{config::AWAIT_DELETE, event::CloseReason};

/// Both have asked; both requests are delivered, and no answer yet: the ends, the winner first, its answer and the loser's.
fn both_asked(table: &mut Table, winner: bool) -> ([bool; 2], Letter, Letter) {
    let ends = [winner, !winner];
    let by_winner = table.rekey_ike(winner);
    let by_loser = table.rekey_ike(!winner);
    table.expect_ikes(ends, ["old*", "old*"]);
    let of_loser = table.answer(&by_winner);
    table.name_ike(!winner, "w");
    table.expect_ikes(ends, ["old*", "old* w"]);
    let of_winner = table.answer(&by_loser);
    table.name_ike(winner, "l");
    table.expect_ikes(ends, ["old* l", "old* w"]);
    assert_forced(table);
    (ends, of_winner, of_loser)
}

/// What only answers repeats is forgotten after a while, and nothing else happens.
fn settle(table: &mut Table, ends: [bool; 2], name: &str) {
    table.assert_silence();
    table.wait_in_silence(11);
    table.expect_ikes(ends, [&format!("{name}*"), &format!("{name}*")]);
    // It can be used by both.
    for server in [true, false] {
        let command = Command::Probe(id(&table.pair, server));
        table.command(server, command);
        let probe = table.sent(server);
        assert_eq!(table.ike_of(&probe), name);
        let answer = table.answer(&probe);
        table.finish(&answer);
    }
}

// RFC 7296 §2.8.2#1-2, §2.25.2#1-2: the one whose exchange had the lowest nonce is deleted by who made it, and the other has
// the child SA.
#[test]
fn both_requests_cross_then_both_answers() {
    for answers_swapped in [false, true] {
        for deletes_swapped in [false, true] {
            every_collision(2, |mut table, winner| {
                let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
                let (by_winner, by_loser) = if answers_swapped {
                    let by_loser = table.go_on(&of_winner);
                    table.expect_ikes(ends, ["old* l", "old w* l"]);
                    (table.go_on(&of_loser), by_loser)
                } else {
                    let by_winner = table.go_on(&of_loser);
                    table.expect_ikes(ends, ["old w* l", "old* w"]);
                    let by_loser = table.go_on(&of_winner);
                    (by_winner, by_loser)
                };
                table.expect_ikes(ends, ["old w* l", "old w* l"]);
                table.assert_deletes_ike(&by_winner, "old");
                table.assert_deletes_ike(&by_loser, "l");
                let (of_winner, of_loser) = if deletes_swapped {
                    let of_winner = table.answer(&by_loser);
                    table.expect_ikes(ends, ["old w* l~", "old w* l"]);
                    let of_loser = table.answer(&by_winner);
                    (of_winner, of_loser)
                } else {
                    let of_loser = table.answer(&by_winner);
                    table.expect_ikes(ends, ["old w* l", "old~ w* l"]);
                    let of_winner = table.answer(&by_loser);
                    (of_winner, of_loser)
                };
                table.expect_ikes(ends, ["old w* l~", "old~ w* l"]);
                table.finish(&of_winner);
                table.expect_ikes(ends, ["old w* l~", "old~ w*"]);
                table.finish(&of_loser);
                table.expect_ikes(ends, ["w* l~", "old~ w*"]);
                settle(&mut table, ends, "w");
            });
        }
    }
}

// RFC 7296 §2.8.2, §2.25.2#4: the loser forgets what it had asked for. Nobody deletes `l` but the end that answered for it, in
// the end.
#[test]
fn the_winners_delete_comes_before_the_answer_to_the_loser() {
    every_collision(2, |mut table, winner| {
        let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
        let by_winner = table.go_on(&of_loser);
        table.assert_deletes_ike(&by_winner, "old");
        table.expect_ikes(ends, ["old w* l", "old* w"]);
        let deleted = table.answer(&by_winner);
        table.expect_ikes(ends, ["old w* l", "old~ w*"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["w* l", "old~ w*"]);
        table.finish(&of_winner);
        table.expect_ikes(ends, ["w* l", "old~ w*"]);
        table.pair.run(AWAIT_DELETE.as_secs() - 1);
        table.expect_ikes(ends, ["w* l", "w*"]);
        table.pair.run(200);
        table.expect_ikes(ends, ["w*", "w*"]);
        settle(&mut table, ends, "w");
    });
}

// RFC 7296 §2.8.2: the loser knows how it ends before the winner does.
#[test]
fn the_losers_delete_comes_before_the_answer_to_the_winner() {
    every_collision(2, |mut table, winner| {
        let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
        let by_loser = table.go_on(&of_winner);
        table.assert_deletes_ike(&by_loser, "l");
        table.expect_ikes(ends, ["old* l", "old w* l"]);
        let deleted = table.answer(&by_loser);
        table.expect_ikes(ends, ["old* l~", "old w* l"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["old* l~", "old w*"]);
        let by_winner = table.go_on(&of_loser);
        table.assert_deletes_ike(&by_winner, "old");
        table.expect_ikes(ends, ["old w* l~", "old w*"]);
        let deleted = table.answer(&by_winner);
        table.expect_ikes(ends, ["old w* l~", "old~ w*"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["w* l~", "old~ w*"]);
        settle(&mut table, ends, "w");
    });
}

// RFC 7296 §2.1, §2.8.2: an answer that is lost is given again, and nothing is made twice.
#[test]
fn an_answer_is_lost_and_given_again() {
    for to_winner in [true, false] {
        every_collision(2, |mut table, winner| {
            let ends = [winner, !winner];
            let first = table.rekey_ike(winner);
            let second = table.rekey_ike(!winner);
            let of_loser = table.answer(&first);
            table.name_ike(!winner, "w");
            let of_winner = table.answer(&second);
            table.name_ike(winner, "l");
            let (lost, request, other) = if to_winner {
                (of_loser, &first, of_winner)
            } else {
                (of_winner, &second, of_loser)
            };
            let again = table.repeat(request);
            let again = table.answer(&again);
            assert_eq!(again.octets, lost.octets);
            table.expect_ikes(ends, ["old* l", "old* w"]);
            let told = table.go_on(&again);
            table.expect_ikes(
                ends,
                if to_winner {
                    ["old w* l", "old* w"]
                } else {
                    ["old* l", "old w* l"]
                },
            );
            let told_too = table.go_on(&other);
            table.expect_ikes(ends, ["old w* l", "old w* l"]);
            for (delete, name) in [(told, "old"), (told_too, "l")] {
                let name = if to_winner {
                    name
                } else if name == "l" {
                    "old"
                } else {
                    "l"
                };
                table.assert_deletes_ike(&delete, name);
                let deleted = table.answer(&delete);
                table.finish(&deleted);
            }
            table.expect_ikes(ends, ["w* l~", "old~ w*"]);
            settle(&mut table, ends, "w");
        });
    }
}

// RFC 7296 §2.25.2#4: the first request of one end is lost, and the other end replaces the IKE SA and deletes the old one: what
// was asked for is forgotten, and a copy that comes late changes nothing.
#[test]
fn a_request_is_lost_and_the_old_one_is_gone() {
    every_collision(2, |mut table, late| {
        let ends = [late, !late];
        let lost = table.rekey_ike(late);
        let request = table.rekey_ike(!late);
        let answer = table.answer(&request);
        table.name_ike(late, "new");
        table.expect_ikes(ends, ["old* new", "old*"]);
        let delete = table.go_on(&answer);
        table.assert_deletes_ike(&delete, "old");
        table.expect_ikes(ends, ["old* new", "old new*"]);
        let deleted = table.answer(&delete);
        table.expect_ikes(ends, ["old~ new*", "old new*"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["old~ new*", "new*"]);
        table.deliver(&lost);
        // It is told that nobody knows this SA, and believes no more than that it should look after its peer.
        table.pair.run(1);
        table.expect_ikes(ends, ["old~ new*", "new*"]);
        settle(&mut table, ends, "new");
        table.wait_in_silence(60);
    });
}

// RFC 7296 §2.8.2#3: who is asked to replace an IKE SA that it has replaced says TEMPORARY_FAILURE, and the other sees that its
// peer was faster.
#[test]
fn a_request_is_lost_and_sent_again_while_the_old_one_is_being_deleted() {
    every_collision(2, |mut table, late| {
        let ends = [late, !late];
        let lost = table.rekey_ike(late);
        let request = table.rekey_ike(!late);
        let answer = table.answer(&request);
        table.name_ike(late, "new");
        let delete = table.go_on(&answer);
        table.assert_deletes_ike(&delete, "old");
        let again = table.repeat(&lost);
        let refused = table.answer(&again);
        assert_eq!(table.ike_of(&refused), "old");
        table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
        table.expect_ikes(ends, ["old* new", "old new*"]);
        table.finish(&refused);
        table.expect_ikes(ends, ["old new*", "old new*"]);
        let deleted = table.answer(&delete);
        table.expect_ikes(ends, ["old~ new*", "old new*"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["old~ new*", "new*"]);
        settle(&mut table, ends, "new");
        table.wait_in_silence(60);
    });
}

// RFC 7296 §2.8.2#3: whichever end has made the new one: the one that is deleting the old one, and the one that waits for that.
#[test]
fn a_further_rekeying_of_a_replaced_ike_sa_is_put_off() {
    for replacer in [true, false] {
        for asked_by_replacer in [true, false] {
            let ends = [replacer, !replacer];
            let mut table = Table::new(30);
            let holder = Holder::of(table.end(true));
            let asks = if asked_by_replacer {
                replacer
            } else {
                !replacer
            };
            let end = table.end(asks);
            let next = end.endpoint.view(end.sas[0]).unwrap().next_request;
            let asked = table.rekey_ike(replacer);
            let answer = table.answer(&asked);
            table.name_ike(!replacer, "new");
            let delete = table.go_on(&answer);
            table.assert_deletes_ike(&delete, "old");
            table.expect_ikes(ends, ["old new*", "old new*"]);
            // The client is the initiator of the old one; in the place of the Delete comes another request.
            let number = next + u32::from(asked_by_replacer);
            let header = holder.header(ExchangeType::CREATE_CHILD_SA, !asks, false, number);
            let again = Letter {
                to_server: !asks,
                path: if asked_by_replacer {
                    asked.path
                } else {
                    answer.path
                },
                octets: holder.seal(&header, &table.said(&asked)).into(),
            };
            let refused = table.answer(&again);
            table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
            table.expect_ikes(ends, ["old new*", "old new*"]);
        }
    }
}

// RFC 7296 §2.25.2#3-4: one end replaces the IKE SA, the other deletes it. It is deleted, whichever comes first.
#[test]
fn the_ike_sa_that_is_being_rekeyed_is_deleted() {
    for deleter in [true, false] {
        for delete_first in [true, false] {
            let mut table = Table::new(31);
            let request = table.rekey_ike(!deleter);
            let command = Command::Delete(id(&table.pair, deleter));
            table.command(deleter, command);
            let delete = table.sent(deleter);
            table.assert_deletes_ike(&delete, "old");
            assert!(table.ike_spis(deleter).is_empty());
            assert_eq!(table.end(deleter).sending().count(), 0);
            // What it sends on is not received any more: that is what a Delete is.
            table
                .pair
                .deliver(request.to_server, request.path, &request.octets);
            let refused = table.sent(deleter);
            table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
            if !delete_first {
                table
                    .pair
                    .deliver(refused.to_server, refused.path, &refused.octets);
                table.assert_silence();
                assert_eq!(table.ike_spis(!deleter).len(), 1);
            }
            let deleted = table.answer(&delete);
            assert!(table.said(&deleted).is_empty());
            assert!(table.ike_spis(!deleter).is_empty());
            if delete_first {
                table.finish(&refused);
            }
            table.finish(&deleted);
            table.wait_in_silence(60);
            table.pair.assert_clean();
            assert_eq!(table.end(deleter).closed, [CloseReason::Deleted]);
            assert_eq!(table.end(!deleter).closed, [CloseReason::PeerDeleted]);
        }
    }
}

// RFC 7296 §2.25.1#8, §2.25.2#6: one end replaces the child SA, the other the IKE SA: both are told to wait, and neither changes
// anything. Then both come to pass, one after the other.
#[test]
fn a_child_rekeying_crosses_that_of_the_ike_sa() {
    for of_child in [true, false] {
        let ends = [of_child, !of_child];
        let mut table = Table::new(32);
        let for_child = table.rekey_child(of_child);
        let for_ike = table.rekey_ike(!of_child);
        let of_asker = table.answer(&for_ike);
        table.assert_notify(&of_asker, NotifyType::TEMPORARY_FAILURE);
        let of_other = table.answer(&for_child);
        table.assert_notify(&of_other, NotifyType::TEMPORARY_FAILURE);
        table.expect_ikes(ends, ["old*", "old*"]);
        table.finish(&of_asker);
        table.finish(&of_other);
        table.expect_ikes(ends, ["old*", "old*"]);
        table.wait_in_silence(1);
        table.pair.run(60);
        table.name_child(true, "child");
        table.name_ike(true, "ike");
        table.expect_children(ends, ["child*", "child*"]);
        let found = ends.map(|server| text(&table.ikes, &table.ike_spis(server)));
        assert_eq!(found, ["ike*", "ike*"]);
    }
}

// RFC 7296 §2.25.2#7: a child SA is deleted while the IKE SA is rekeyed: it is answered with the other half, and the rekeying
// waits for it.
#[test]
fn a_child_is_deleted_while_the_ike_sa_is_being_rekeyed() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        let mut table = Table::with_a_further_child(33);
        let for_ike = table.rekey_ike(!deleter);
        let delete = table.delete_child(deleter, "x");
        let refused = table.answer(&for_ike);
        table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "x");
        table.expect_children(ends, ["old*", "old* x*"]);
        table.finish(&deleted);
        table.expect_ikes(ends, ["old*", "old*"]);
        table.finish(&refused);
        table.expect_ikes(ends, ["old*", "old*"]);
        table.wait_in_silence(1);
        table.pair.run(60);
        table.name_ike(true, "new");
        table.expect_ikes(ends, ["new*", "new*"]);
    }
}

// RFC 7296 §2.8, §2.4: the session ends before the Delete of the replaced IKE SA is answered: the peer is told of both, and once
// more of the first.
#[test]
fn the_delete_of_a_replaced_ike_sa_that_was_lost_is_said_again_at_the_end() {
    for ender in [true, false] {
        let mut table = Table::new(53);
        let request = table.rekey_ike(ender);
        let agreed = table.answer(&request);
        table.name_ike(!ender, "new");
        let lost = table.go_on(&agreed);
        table.assert_deletes_ike(&lost, "old");
        // It is not said twice in one breath.
        let second = Duration::from_millis(500);
        let until = table.pair.now.after(second);
        table.lose_all_until(until);
        table.losing = true;
        table.command(ender, Command::Delete(id(&table.pair, ender)));
        let [again, last] = table.sent_at_once();
        assert_eq!(again.octets, lost.octets);
        table.assert_deletes_ike(&last, "new");
        let deleted = table.answer(&again);
        assert_eq!(table.ike_of(&deleted), "old");
        let deleted = table.answer(&last);
        table.deliver(&deleted);
        assert!(table.end(ender).endpoint.views().next().is_none());
        assert_eq!(table.end(!ender).closed, [CloseReason::PeerDeleted]);
    }
}

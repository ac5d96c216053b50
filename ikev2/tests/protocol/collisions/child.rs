//! Rekeyings of a child SA that meet, and Deletes of it. `w` is the one that survives by its nonces, `l` the one that the
//! end which made it deletes again.

use ironflex_ikev2::{
    config::AGAIN_AFTER,
    event::{Ask, CloseReason},
    wire::payload::Notify,
};

use super::*;

/// Both have asked; both requests are delivered, and no answer yet: the ends, the winner first, its answer and the loser's.
pub(super) fn both_asked(table: &mut Table, winner: bool) -> ([bool; 2], Letter, Letter) {
    let ends = [winner, !winner];
    let by_winner = table.rekey_child(winner);
    let by_loser = table.rekey_child(!winner);
    table.expect_children(ends, ["old*", "old*"]);
    let of_loser = table.answer(&by_winner);
    table.name_child(!winner, "w");
    table.expect_children(ends, ["old*", "old* w"]);
    let of_winner = table.answer(&by_loser);
    table.name_child(winner, "l");
    table.expect_children(ends, ["old* l", "old* w"]);
    assert_forced(table);
    (ends, of_winner, of_loser)
}

/// What is received for a while is forgotten after it, and nothing else happens.
fn settle(table: &mut Table, ends: [bool; 2], name: &str) {
    table.assert_silence();
    table.wait_in_silence(6);
    table.expect_children(ends, [&format!("{name}*"), &format!("{name}*")]);
}

// RFC 7296 §2.8.1#2-3, §2.25.1#2-3: each end receives on whatever was agreed; the one whose exchange had the lowest nonce is
// deleted by who made it.
#[test]
fn both_requests_cross_then_both_answers() {
    for answers_swapped in [false, true] {
        for deletes_swapped in [false, true] {
            every_collision(1, |mut table, winner| {
                let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
                let (by_winner, by_loser) = if answers_swapped {
                    let by_loser = table.go_on(&of_winner);
                    table.expect_children(ends, ["old* l", "old* w l"]);
                    let by_winner = table.go_on(&of_loser);
                    (by_winner, by_loser)
                } else {
                    let by_winner = table.go_on(&of_loser);
                    table.expect_children(ends, ["old w* l", "old* w"]);
                    let by_loser = table.go_on(&of_winner);
                    (by_winner, by_loser)
                };
                table.expect_children(ends, ["old w* l", "old* w l"]);
                table.assert_deletes_child(&by_winner, "old");
                table.assert_deletes_child(&by_loser, "l");
                let (of_winner, of_loser) = if deletes_swapped {
                    let of_winner = table.answer(&by_loser);
                    table.expect_children(ends, ["old w* l~", "old* w l"]);
                    let of_loser = table.answer(&by_winner);
                    (of_winner, of_loser)
                } else {
                    let of_loser = table.answer(&by_winner);
                    table.expect_children(ends, ["old w* l", "old~ w* l"]);
                    let of_winner = table.answer(&by_loser);
                    (of_winner, of_loser)
                };
                table.expect_children(ends, ["old w* l~", "old~ w* l"]);
                table.assert_deletes_child(&of_loser, "old");
                table.assert_deletes_child(&of_winner, "l");
                table.finish(&of_winner);
                table.expect_children(ends, ["old w* l~", "old~ w* l~"]);
                table.finish(&of_loser);
                table.expect_children(ends, ["old~ w* l~", "old~ w* l~"]);
                settle(&mut table, ends, "w");
            });
        }
    }
}

// RFC 7296 §2.8.1: the winner knows how it ends before the loser does.
#[test]
fn the_winners_delete_comes_before_the_answer_to_the_loser() {
    every_collision(1, |mut table, winner| {
        let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
        let by_winner = table.go_on(&of_loser);
        table.expect_children(ends, ["old w* l", "old* w"]);
        let deleted = table.answer(&by_winner);
        table.assert_deletes_child(&deleted, "old");
        table.expect_children(ends, ["old w* l", "old~ w*"]);
        table.finish(&deleted);
        table.expect_children(ends, ["old~ w* l", "old~ w*"]);
        let by_loser = table.go_on(&of_winner);
        table.assert_deletes_child(&by_loser, "l");
        table.expect_children(ends, ["old~ w* l", "old~ w* l"]);
        let deleted = table.answer(&by_loser);
        table.assert_deletes_child(&deleted, "l");
        table.expect_children(ends, ["old~ w* l~", "old~ w* l"]);
        table.finish(&deleted);
        table.expect_children(ends, ["old~ w* l~", "old~ w* l~"]);
        settle(&mut table, ends, "w");
    });
}

// RFC 7296 §2.8.1: the loser knows how it ends before the winner does.
#[test]
fn the_losers_delete_comes_before_the_answer_to_the_winner() {
    every_collision(1, |mut table, winner| {
        let (ends, of_winner, of_loser) = both_asked(&mut table, winner);
        let by_loser = table.go_on(&of_winner);
        table.assert_deletes_child(&by_loser, "l");
        table.expect_children(ends, ["old* l", "old* w l"]);
        let deleted = table.answer(&by_loser);
        table.expect_children(ends, ["old* l~", "old* w l"]);
        table.finish(&deleted);
        table.expect_children(ends, ["old* l~", "old* w l~"]);
        let by_winner = table.go_on(&of_loser);
        table.assert_deletes_child(&by_winner, "old");
        table.expect_children(ends, ["old w* l~", "old* w l~"]);
        let deleted = table.answer(&by_winner);
        table.expect_children(ends, ["old w* l~", "old~ w* l~"]);
        table.finish(&deleted);
        settle(&mut table, ends, "w");
    });
}

// RFC 7296 §2.1, §2.8.1: an answer that is lost is given again, and nothing is made twice.
#[test]
fn an_answer_is_lost_and_given_again() {
    for to_winner in [true, false] {
        every_collision(1, |mut table, winner| {
            let ends = [winner, !winner];
            let first = table.rekey_child(winner);
            let second = table.rekey_child(!winner);
            let of_loser = table.answer(&first);
            table.name_child(!winner, "w");
            let of_winner = table.answer(&second);
            table.name_child(winner, "l");
            let (lost, request) = if to_winner {
                (of_loser, &first)
            } else {
                (of_winner, &second)
            };
            let again = table.repeat(request);
            table.expect_children(ends, ["old* l", "old* w"]);
            let again = table.answer(&again);
            assert_eq!(again.octets, lost.octets);
            table.expect_children(ends, ["old* l", "old* w"]);
            let told = table.go_on(&again);
            if to_winner {
                table.assert_deletes_child(&told, "old");
                table.expect_children(ends, ["old w* l", "old* w"]);
            } else {
                table.assert_deletes_child(&told, "l");
                table.expect_children(ends, ["old* l", "old* w l"]);
            }
            let deleted = table.answer(&told);
            table.finish(&deleted);
            // Then the other has its answer too.
            let other = table.repeat(if to_winner { &second } else { &first });
            let other = table.answer(&other);
            let told = table.go_on(&other);
            table.assert_deletes_child(&told, if to_winner { "l" } else { "old" });
            let deleted = table.answer(&told);
            table.finish(&deleted);
            settle(&mut table, ends, "w");
        });
    }
}

// RFC 7296 §2.25#5, §2.25.1#4: the first request of one end is lost, and when it is sent again the other end has replaced the
// child SA and deleted the old one, which it then does not know.
#[test]
fn a_request_is_lost_and_sent_again_when_the_old_one_is_gone() {
    for late in [true, false] {
        let mut table = Table::new(25);
        let ends = [late, !late];
        let lost = table.rekey_child(late);
        let request = table.rekey_child(!late);
        let answer = table.answer(&request);
        table.name_child(late, "new");
        table.expect_children(ends, ["old* new", "old*"]);
        let delete = table.go_on(&answer);
        table.assert_deletes_child(&delete, "old");
        table.expect_children(ends, ["old* new", "old new*"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "old");
        table.expect_children(ends, ["old~ new*", "old new*"]);
        table.finish(&deleted);
        table.expect_children(ends, ["old~ new*", "old~ new*"]);
        let again = table.repeat(&lost);
        let refused = table.answer(&again);
        table.assert_notify(&refused, NotifyType::CHILD_SA_NOT_FOUND);
        table.finish(&refused);
        settle(&mut table, ends, "new");
        // Nor is it wished for any more.
        table.wait_in_silence(60);
        table.expect_children(ends, ["new*", "new*"]);
    }
}

// RFC 7296 §2.25.1#1: the first request of one end comes late: the other end has replaced the child SA meanwhile, and its Delete of
// the old one is not answered yet.
#[test]
fn a_request_comes_late_while_the_old_one_is_being_deleted() {
    for late in [true, false] {
        let mut table = Table::new(25);
        let ends = [late, !late];
        let slow = table.rekey_child(late);
        let request = table.rekey_child(!late);
        let answer = table.answer(&request);
        table.name_child(late, "new");
        let delete = table.go_on(&answer);
        table.assert_deletes_child(&delete, "old");
        let refused = table.answer(&slow);
        table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
        table.expect_children(ends, ["old* new", "old new*"]);
        table.finish(&refused);
        table.expect_children(ends, ["old* new", "old new*"]);
        let deleted = table.answer(&delete);
        table.expect_children(ends, ["old~ new*", "old new*"]);
        table.finish(&deleted);
        settle(&mut table, ends, "new");
        table.wait_in_silence(60);
    }
}

// RFC 7296 §2.25.1#1, §2.25.1#6: one end replaces a child SA, the other deletes it. The Delete is obeyed and answered with
// the other half; nothing takes the place of what was deleted.
#[test]
fn the_child_that_is_being_rekeyed_is_deleted() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        for delete_first in [true, false] {
            let mut table = Table::with_a_further_child(20);
            let request = table.rekey_child(!deleter);
            let delete = table.delete_child(deleter, "old");
            table.assert_deletes_child(&delete, "old");
            let refused = table.answer(&request);
            table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
            table.expect_children(ends, ["old* x*", "old* x*"]);
            if !delete_first {
                table.finish(&refused);
                table.expect_children(ends, ["old* x*", "old* x*"]);
            }
            let deleted = table.answer(&delete);
            table.assert_deletes_child(&deleted, "old");
            table.expect_children(ends, ["x*", "old* x*"]);
            if delete_first {
                table.finish(&refused);
                table.expect_children(ends, ["x*", "old* x*"]);
            }
            table.finish(&deleted);
            table.expect_children(ends, ["x*", "x*"]);
            table.wait_in_silence(60);
            table.expect_children(ends, ["x*", "x*"]);
        }
    }
}

// RFC 7296 §2.25#5, §2.25.1#4, §2.25.1#6: the Delete is through before the request comes.
#[test]
fn the_child_that_is_being_rekeyed_is_deleted_before_the_request_comes() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        let mut table = Table::with_a_further_child(21);
        let lost = table.rekey_child(!deleter);
        let delete = table.delete_child(deleter, "old");
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "old");
        table.expect_children(ends, ["x*", "old* x*"]);
        table.finish(&deleted);
        table.expect_children(ends, ["x*", "x*"]);
        let again = table.repeat(&lost);
        let refused = table.answer(&again);
        table.assert_notify(&refused, NotifyType::CHILD_SA_NOT_FOUND);
        table.finish(&refused);
        table.wait_in_silence(60);
        table.expect_children(ends, ["x*", "x*"]);
    }
}

// RFC 7296 §2.8, §2.25.1: what was agreed before the Delete came is there at both ends, though that Delete overtakes the answer and
// nothing is left that it replaces, not even another child SA. This end does not delete what its peer replaces; others do.
#[test]
fn the_child_that_is_being_rekeyed_is_deleted_after_the_peer_has_agreed() {
    for deleter in [true, false] {
        for beside in ["", " x*"] {
            let ends = [!deleter, deleter];
            let mut table = match beside {
                "" => Table::new(22),
                _ => Table::with_a_further_child(22),
            };
            let request = table.rekey_child(!deleter);
            let agreed = table.answer(&request);
            table.name_child(deleter, "new");
            let both = format!("old*{beside} new");
            table.expect_children(ends, [&format!("old*{beside}"), &both]);
            let delete = table.foreign_delete(deleter, &["old"]);
            let deleted = table.answer(&delete);
            table.assert_deletes_child(&deleted, "old");
            table.expect_children(ends, [beside.trim_start(), &both]);
            table.finish(&agreed);
            let one = format!("{beside} new*");
            table.expect_children(ends, [one.trim_start(), &both]);
        }
    }
}

// RFC 7296 §1.4.1, §2.25.1#7: the Delete of what an end has made for its peer overtakes the answer which says so.
#[test]
fn a_delete_overtakes_the_answer_that_made_a_further_child() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        let mut table = Table::new(30);
        table.losing = true;
        table.command(!deleter, Command::NewChild(id(&table.pair, !deleter)));
        let request = table.sent(!deleter);
        let agreed = table.answer(&request);
        table.name_child(deleter, "y");
        let delete = table.delete_child(deleter, "y");
        table.assert_deletes_child(&delete, "y");
        let deleted = table.answer(&delete);
        assert!(table.said(&deleted).is_empty());
        table.finish(&deleted);
        table.expect_children(ends, ["old*", "old*"]);
        undo_in_vain(&mut table, &agreed, "y");
        table.expect_children(ends, ["old*", "old*"]);
        table.wait_in_silence(60);
        table.expect_children(ends, ["old*", "old*"]);
    }
}

/// What was deleted before its answer came is deleted from this end too: the peer knows nothing of it any more.
fn undo_in_vain(table: &mut Table, agreed: &Letter, name: &str) {
    let undo = table.go_on(agreed);
    table.assert_deletes_child(&undo, name);
    let undone = table.answer(&undo);
    assert!(table.said(&undone).is_empty());
    table.finish(&undone);
}

// RFC 7296 §1.4.1, §2.25.1#7: the same with one that replaces another, which goes on at the end that asked, or goes along. A Delete
// of an earlier one with the same SPI looks the same: then its end still has the new one, and is told.
#[test]
fn a_delete_overtakes_the_answer_that_replaced_a_child() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        for alone in [false, true] {
            let mut table = Table::with_a_further_child(31);
            let request = table.rekey_child(!deleter);
            let agreed = table.answer(&request);
            table.name_child(deleter, "new");
            if alone {
                let delete = table.foreign_delete(deleter, &["new"]);
                let deleted = table.answer(&delete);
                assert!(table.said(&deleted).is_empty());
                let undo = table.go_on(&agreed);
                table.assert_deletes_child(&undo, "new");
                table.expect_children(ends, ["old* x*", "old* x* new"]);
                let undone = table.answer(&undo);
                table.assert_deletes_child(&undone, "new");
                table.finish(&undone);
                table.expect_children(ends, ["old* x*", "old* x* new~"]);
                // It is still to be replaced.
                assert_replaces_again(&mut table, !deleter);
            } else {
                let delete = table.delete_child(deleter, "new");
                table.assert_deletes_children(&delete, &["new", "old"]);
                let deleted = table.answer(&delete);
                table.assert_deletes_child(&deleted, "old");
                table.finish(&deleted);
                undo_in_vain(&mut table, &agreed, "new");
                table.expect_children(ends, ["x*", "x*"]);
                table.wait_in_silence(60);
                table.expect_children(ends, ["x*", "x*"]);
            }
        }
    }
}

// RFC 7296 §1.4.1, §2.25.1#7: the same with the child SA that IKE_AUTH has made.
#[test]
fn a_delete_overtakes_the_answer_that_made_the_first_child() {
    let mut pair = Pair::new(Setup::with_pre_shared_key(GCM), 34);
    pair.connect();
    pair.wait_for(false, ExchangeType::IKE_AUTH);
    let answer = pair.take_flights().remove(0);
    let (server, spi) = (id(&pair, true), inbound(&pair, true));
    pair.command(true, Command::DeleteChild(server, spi));
    for _ in 0..2 {
        let (to_server, path, octets) = pair.take_flights().remove(0);
        pair.deliver(to_server, path, &octets);
    }
    assert_eq!(pair.server.receiving.len(), 0);
    // Of its last one the headend takes leave; that comes later than the answer.
    let leave = pair.take_flights().remove(0);
    pair.deliver(false, answer.1, &answer.2);
    assert_eq!(pair.client.ready(), 1);
    assert_eq!(pair.client.receiving.len(), 0);
    assert_eq!(pair.client.sending().count(), 0);
    pair.deliver(false, leave.1, &leave.2);
    pair.run(30);
    pair.assert_clean();
}

// RFC 7296 §1.4.1#2: the Delete comes while the outside is installing what the answer has made. It is answered with the other
// half, and nothing stays.
#[test]
fn a_further_child_is_deleted_while_it_is_being_installed() {
    for installs in [true, false] {
        let mut table = Table::new(32);
        table.losing = true;
        table.command(true, Command::NewChild(id(&table.pair, true)));
        let request = table.sent(true);
        let agreed = table.answer(&request);
        table.name_child(false, "y");
        table.pair.setup.silent = |ask| matches!(ask, Ask::Install(_));
        table.finish(&agreed);
        let delete = table.delete_child(false, "y");
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "y");
        table.finish(&deleted);
        table.expect_children([true, false], ["old*", "old*"]);
        // Only once: it is not there any more.
        let again = table.foreign_delete(false, &["y"]);
        let answer = table.answer(&again);
        assert!(table.said(&answer).is_empty());
        table.pair.setup.install = installs;
        assert!(table.pair.answer_withheld());
        table.assert_silence();
        table.wait_in_silence(60);
        table.expect_children([true, false], ["old*", "old*"]);
    }
}

// RFC 7296 §1.4.1#2, §2.25.1: the same with one that replaces another.
#[test]
fn what_replaces_a_child_is_deleted_while_it_is_being_installed() {
    for alone in [false, true] {
        for installs in [fn_of(true), fn_of(false)] {
            let mut table = Table::with_a_further_child(33);
            let request = table.rekey_child(true);
            let agreed = table.answer(&request);
            table.name_child(false, "new");
            table.pair.setup.silent = |ask| matches!(ask, Ask::Rekey(_));
            table.finish(&agreed);
            let names: &[&str] = if alone { &["new"] } else { &["new", "old"] };
            let delete = if alone {
                table.foreign_delete(false, names)
            } else {
                table.delete_child(false, "new")
            };
            table.assert_deletes_children(&delete, names);
            let deleted = table.answer(&delete);
            table.assert_deletes_children(&deleted, names);
            table.pair.setup.install_further = installs;
            assert!(table.pair.answer_withheld());
            table.assert_silence();
            if alone {
                // The old one goes on, and is still to be replaced.
                let left = if installs(true) {
                    "old* x* new~"
                } else {
                    "old* x*"
                };
                table.expect_children([true, true], [left, left]);
                assert_replaces_again(&mut table, true);
            } else {
                table.finish(&deleted);
                // The outside has removed it with all of its name.
                let new = table.child_spi(true, "new");
                let server = id(&table.pair, true);
                table.pair.server.receiving.remove(&(server, new));
                table.wait_in_silence(60);
                table.expect_children([true, false], ["x*", "x*"]);
            }
        }
    }
}

// RFC 7296 §1.4.1#2, §2.8: the peer deletes the old one as soon as it has agreed to what replaces it, while the outside is still
// installing that. It goes on, and nothing is left without a child SA.
#[test]
fn the_old_child_is_deleted_while_what_replaces_it_is_being_installed() {
    for installs in [fn_of(true), fn_of(false)] {
        let mut table = Table::new(37);
        let request = table.rekey_child(true);
        let agreed = table.answer(&request);
        table.name_child(false, "new");
        table.pair.setup.silent = |ask| matches!(ask, Ask::Rekey(_));
        table.finish(&agreed);
        let delete = table.foreign_delete(false, &["old"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "old");
        // Only once: it is not there any more.
        let again = table.foreign_delete(false, &["old"]);
        let answer = table.answer(&again);
        assert!(table.said(&answer).is_empty());
        table.pair.setup.install_further = installs;
        assert!(table.pair.answer_withheld());
        if installs(true) {
            table.assert_silence();
            table.expect_children([true, true], ["old~ new*", "old~ new*"]);
            table.wait_in_silence(60);
            table.expect_children([true, true], ["new*", "new*"]);
        } else {
            let undo = table.sent(true);
            table.assert_deletes_child(&undo, "new");
            table.expect_children([true, true], ["", ""]);
        }
    }
}

// RFC 7296 §1.4.1#2: the same with the child SA that IKE_AUTH has made: a second Delete of it finds nothing, and nothing stays,
// whatever the outside says in the end.
#[test]
fn the_first_child_is_deleted_while_it_is_being_installed() {
    for installs in [true, false] {
        let mut setup = Setup::with_pre_shared_key(GCM);
        setup.client_silent = |ask| matches!(ask, Ask::Install(_));
        let mut pair = Pair::new(setup, 36);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.wait_for(false, ExchangeType::IKE_AUTH);
        let (_, path, answer) = pair.take_flights().remove(0);
        pair.deliver(false, path, &answer);
        assert!(pair.take_flights().is_empty());
        let (server, spi) = (id(&pair, true), inbound(&pair, true));
        let half = pair.server.receiving[&(server, spi)].outbound_spi;
        let holder = Holder::of(&pair.server);
        let delete = [Payload::Delete(Delete::esp(&[spi.to_be_bytes()]))];
        let deleted = |pair: &mut Pair, number| {
            let header = holder.header(ExchangeType::INFORMATIONAL, false, false, number);
            pair.deliver(false, path, &holder.seal(&header, &delete));
            let (_, _, deleted) = pair.take_flights().remove(0);
            holder.open(&deleted).1
        };
        let other = Payload::Delete(Delete::esp(&[half.to_be_bytes()]));
        assert_eq!(deleted(&mut pair, 0), [other]);
        assert_eq!(deleted(&mut pair, 1), []);
        pair.setup.install = installs;
        assert!(pair.answer_withheld_by(false));
        assert!(pair.client.installed.is_empty() && pair.client.receiving.is_empty());
        pair.take_flights();
        let until = pair.now.after(Duration::from_secs(300));
        while pair.client.closed.is_empty() {
            assert!(pair.step(until));
            pair.take_flights();
        }
    }
}

// RFC 7296 §1.4.1#3, §2.25.1#5: both rekey, and the outside of the winner is still at work for the loser when the winner deletes
// the old one. It stays deleted: a Delete of the loser's that crosses this one is answered with nothing.
#[test]
fn the_child_that_is_being_deleted_is_replaced_and_deleted_by_the_peer() {
    let mut table = Table::with_a_further_child(35);
    force(&table, true, NONCES[0], 0, 1);
    let by_winner = table.rekey_child(true);
    let by_loser = table.rekey_child(false);
    let of_loser = table.answer(&by_winner);
    table.name_child(false, "w");
    table.pair.setup.silent = |ask| matches!(ask, Ask::Rekey(_));
    table.finish(&by_loser);
    table.finish(&of_loser);
    assert_forced(&table);
    table.pair.server.withheld.rotate_left(1);
    assert!(table.pair.answer_withheld());
    let own = table.sent(true);
    table.assert_deletes_child(&own, "old");
    assert!(table.pair.answer_withheld());
    let of_winner = table.sent(true);
    assert!(of_winner.answers(&by_loser));
    table.name_child(true, "l");
    let delete = table.foreign_delete(false, &["old"]);
    let deleted = table.answer(&delete);
    assert!(table.said(&deleted).is_empty());
    table.expect_children([true, false], ["old~ x* w* l", "old* x* w"]);
}

/// An end that could not replace its child SA asks for it again after a while.
pub(super) fn assert_replaces_again(table: &mut Table, server: bool) {
    let until = table.pair.now.after(2 * AGAIN_AFTER);
    let again = loop {
        assert!(table.pair.step(until), "it does not ask again");
        // The other end may wait for an answer, and say its request again.
        let flights = table.pair.take_flights();
        let own = flights
            .into_iter()
            .find(|(to_server, ..)| *to_server != server);
        if let Some((.., octets)) = own {
            break Header::peek(&octets).unwrap();
        }
    };
    assert!(!again.flags.is_response());
    assert_eq!(again.exchange, ExchangeType::CREATE_CHILD_SA);
}

/// What the outside says to all that it is asked to install.
fn fn_of(installs: bool) -> fn(bool) -> bool {
    if installs { |_| true } else { |_| false }
}

// RFC 7296 §1.4.1, §3.10.1#2: a notify beside a Delete, before it or behind, is noted, and changes nothing.
#[test]
fn a_private_notify_beside_a_delete_is_noted() {
    let private = NotifyType(40_500);
    let notify = Payload::Notify(Notify::new(private, vec![7; 3]));
    for server in [true, false] {
        for before in [true, false] {
            for of_ike in [true, false] {
                let mut table = Table::with_a_further_child(42);
                table.losing = true;
                let delete = if of_ike {
                    Payload::Delete(Delete::ike_sa())
                } else {
                    table.delete_of(server, &["x"])
                };
                let mut payloads = [delete, notify.clone()];
                if before {
                    payloads.reverse();
                }
                let request = table.foreign(server, ExchangeType::INFORMATIONAL, &payloads);
                let answer = table.answer(&request);
                let noted = format!("notified {private}");
                assert!(table.end(!server).log.contains(&noted));
                if of_ike {
                    assert_eq!(table.end(!server).closed, [CloseReason::PeerDeleted]);
                } else {
                    table.assert_deletes_child(&answer, "x");
                }
            }
        }
    }
}

// RFC 7296 §2.25.1#5: both delete the same one.
#[test]
fn both_delete_the_child() {
    for first in [true, false] {
        let ends = [first, !first];
        let mut table = Table::with_a_further_child(23);
        let one = table.delete_child(first, "old");
        let other = table.delete_child(!first, "old");
        let of_other = table.answer(&one);
        assert!(table.said(&of_other).is_empty());
        table.expect_children(ends, ["old* x*", "x*"]);
        let of_one = table.answer(&other);
        assert!(table.said(&of_one).is_empty());
        table.expect_children(ends, ["x*", "x*"]);
        table.finish(&of_one);
        table.finish(&of_other);
        table.wait_in_silence(60);
        table.expect_children(ends, ["x*", "x*"]);
    }
}

// RFC 7296 §1.4.1, §2.8: a further child SA is replaced and deleted beside the first, which stays as it was.
#[test]
fn a_further_child_is_replaced_and_deleted_beside_the_first() {
    for server in [true, false] {
        let ends = [server, !server];
        let mut table = Table::with_a_further_child(24);
        let further = table.children[1].spis;
        let spi = if server { further.0 } else { further.1 };
        let spi = u32::try_from(spi).unwrap();
        let command = Command::RekeyChild(id(&table.pair, server), spi);
        table.command(server, command);
        let request = table.sent(server);
        let agreed = table.answer(&request);
        table.name_child(!server, "y");
        table.expect_children(ends, ["old* x*", "old* x* y"]);
        let delete = table.go_on(&agreed);
        table.assert_deletes_child(&delete, "x");
        table.expect_children(ends, ["old* x y*", "old* x* y"]);
        let deleted = table.answer(&delete);
        table.finish(&deleted);
        table.expect_children(ends, ["old* x~ y*", "old* x~ y*"]);
        table.wait_in_silence(6);
        let delete = table.delete_child(!server, "y");
        let deleted = table.answer(&delete);
        table.finish(&deleted);
        table.expect_children(ends, ["old*", "old*"]);
        table.wait_in_silence(60);
        table.expect_children(ends, ["old*", "old*"]);
    }
}

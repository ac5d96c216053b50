//! Child SAs that are worn, while something else happens to them: what was to replace them is refused, late, or taken back.

use ironflex_ikev2::{
    config::{AGAIN_AFTER, AWAIT_DELETE, Liveness, RETRY_FOR},
    event::{Ask, CloseReason},
    refusal::{PeerIncompatible, Refusal},
    wire::payload::Notify,
};

use super::{
    child::{assert_replaces_again, both_asked},
    *,
};

// RFC 7296 §2.8, §2.25.1: one end replaces a child SA that the other finds worn out, which has agreed to its successor. It is
// deleted by who replaces it: a Delete before that would end the successor too. Meanwhile its end sends on the successor, which
// the peer receives on at the latest when it has the answer: the worn-out one is over in the dataplane.
#[test]
fn the_child_that_the_peer_replaces_is_left_to_the_peer_to_delete() {
    for worn_out in [true, false] {
        for lost in [false, true] {
            let ends = [!worn_out, worn_out];
            let mut table = Table::with_a_further_child(26);
            table.losing = true;
            let request = table.rekey_child(!worn_out);
            let mut agreed = table.answer(&request);
            table.name_child(worn_out, "new");
            table.order_delete(worn_out, "old");
            table.assert_silence();
            if lost {
                let again = table.repeat(&request);
                agreed = table.answer(&again);
            }
            table.expect_children(ends, ["old* x*", "old x* new*"]);
            let delete = table.go_on(&agreed);
            table.assert_deletes_child(&delete, "old");
            table.losing = false;
            table.expect_children(ends, ["old x* new*", "old x* new*"]);
            let deleted = table.answer(&delete);
            table.assert_deletes_child(&deleted, "old");
            table.finish(&deleted);
            table.expect_children(ends, ["old~ x* new*", "old~ x* new*"]);
            table.wait_in_silence(240);
            table.expect_children(ends, ["x* new*", "x* new*"]);
        }
    }
}

/// One end has agreed to a successor of `old`, finds that worn out, and waits for its peer to delete it. With the peer's request.
fn worn_out_and_replaced(seed: u64, worn_out: bool) -> (Table, Letter) {
    let mut table = Table::with_a_further_child(seed);
    let request = table.rekey_child(!worn_out);
    table.answer(&request);
    table.name_child(worn_out, "new");
    table.order_delete(worn_out, "old");
    table.assert_silence();
    (table, request)
}

// RFC 7296 §2.8, §2.25.1: the peer takes its successor back. The worn-out one does not begin anew: nothing is sent on it any more,
// and it is deleted at once.
#[test]
fn the_worn_out_child_whose_successor_is_deleted_is_deleted_at_once() {
    for worn_out in [true, false] {
        let (mut table, _) = worn_out_and_replaced(37, worn_out);
        let delete = table.foreign_delete(!worn_out, &["new"]);
        table.deliver(&delete);
        let [deleted, own] = table.sent_at_once();
        assert!(deleted.answers(&delete));
        table.assert_deletes_child(&deleted, "new");
        assert!(!own.header().flags.is_response());
        table.assert_deletes_child(&own, "old");
        let old = table.child_spi(worn_out, "old");
        let sent_on = table.end(worn_out).sending();
        assert!(sent_on.into_iter().all(|child| child.inbound_spi != old));
    }
}

// RFC 7296 §1.4.1: the peer deletes its only child SA and what has replaced it, before its answer has come here. It may make
// another: the IKE SA does not end at once.
#[test]
fn an_only_child_that_is_deleted_with_its_successor_leaves_the_ike_sa_for_a_while() {
    for deleter in [true, false] {
        let mut table = Table::new(40);
        let request = table.rekey_child(!deleter);
        let agreed = table.answer(&request);
        table.name_child(deleter, "new");
        let delete = table.foreign_delete(deleter, &["new", "old"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "old");
        let undo = table.go_on(&agreed);
        table.assert_deletes_child(&undo, "new");
        let undone = table.answer(&undo);
        table.finish(&undone);
        table.wait_in_silence(9);
        assert_eq!(table.end(!deleter).ready(), 1);
        table.pair.run(200);
        assert_eq!(table.end(!deleter).closed, [CloseReason::TimedOut]);
    }
}

// RFC 7296 §2.8.1, §2.25.1: both replace the old one, and the peer takes its own back. Ours stands, whatever the nonces; and where
// the peer refuses ours the old one is still to be replaced.
#[test]
fn a_rival_that_is_taken_back_decides_nothing() {
    for taken in [true, false] {
        every_collision(1, |mut table, winner| {
            let (ends, of_winner, _) = both_asked(&mut table, winner);
            let delete = table.foreign_delete(winner, &["w"]);
            let deleted = table.answer(&delete);
            table.assert_deletes_child(&deleted, "w");
            table.expect_children(ends, ["old* l", "old* w~"]);
            if taken {
                let own = table.go_on(&of_winner);
                table.assert_deletes_child(&own, "old");
                table.expect_children(ends, ["old* l", "old w~ l*"]);
            } else {
                let full = Notify::plain(NotifyType::NO_ADDITIONAL_SAS);
                let refused = table.instead_of(&of_winner, &[Payload::Notify(full)]);
                table.finish(&refused);
                assert_replaces_again(&mut table, !winner);
            }
        });
    }
}

// RFC 7296 §2.25#2-4: only a peer that says TEMPORARY_FAILURE again after minutes disagrees about the SA. Whatever else has kept
// this end from asking again says nothing of that.
#[test]
fn a_rekeying_that_was_put_off_once_and_could_not_be_tried_since_is_tried_again() {
    for server in [true, false] {
        let mut setup = Setup::with_pre_shared_key(GCM);
        let patient = Some(Liveness {
            interval: RETRY_FOR * 4,
            retry: RETRY_FOR,
        });
        setup.peer.upkeep.liveness = patient;
        setup.connect.upkeep.liveness = patient;
        let mut table = Table::with(setup, 41);
        let request = table.rekey_child(server);
        let agreed = table.answer(&request);
        let busy = Notify::plain(NotifyType::TEMPORARY_FAILURE);
        let put_off = table.instead_of(&agreed, &[Payload::Notify(busy)]);
        table.finish(&put_off);
        // The peer is silent for longer than it may be busy; then it answers.
        table.command(server, Command::Probe(id(&table.pair, server)));
        let probe = table.sent(server);
        let answer = table.answer(&probe);
        let until = table.pair.now.after(RETRY_FOR);
        table.lose_all_until(until);
        let again = table.go_on(&answer);
        assert_eq!(again.header().exchange, ExchangeType::CREATE_CHILD_SA);
    }
}

// RFC 7296 §2.25#1-3: whoever is put off does not ask again at once, but soon, and then less and less often: the peer is busy with
// one exchange as a rule, and an SA of a short lifetime is over before long.
#[test]
fn who_is_put_off_asks_again_soon_and_then_less_often() {
    for server in [true, false] {
        let mut table = Table::new(54);
        let mut request = table.rekey_child(server);
        for [least, most] in [[1, 2], [2, 4], [4, 8], [5, 10], [5, 10]] {
            let agreed = table.answer(&request);
            let busy = Notify::plain(NotifyType::TEMPORARY_FAILURE);
            let put_off = table.instead_of(&agreed, &[Payload::Notify(busy)]);
            table.finish(&put_off);
            let begun = table.pair.now;
            let until = begun.after(Duration::from_secs(20));
            assert!(table.pair.step(until), "it does not ask again");
            request = table.sent(server);
            let waited = table.pair.now.since(begun);
            let bounds = [least, most].map(Duration::from_secs);
            assert!(bounds[0] <= waited && waited <= bounds[1], "{waited:?}");
        }
    }
}

// RFC 7296 §2.8: nothing goes over what has reached its hard limit: it is left at once, whatever is under way on its IKE SA.
#[test]
fn a_worn_out_child_is_left_at_once_whatever_is_under_way() {
    for worn_out in [true, false] {
        let ends = [worn_out, !worn_out];
        let mut table = Table::with_a_further_child(43);
        let request = table.rekey_child(!worn_out);
        table.losing = true;
        table.answer(&request);
        table.name_child(worn_out, "new");
        table.command(worn_out, Command::Probe(id(&table.pair, worn_out)));
        table.sent(worn_out);
        table.expect_children(ends, ["old* x* new", "old* x*"]);
        table.order_delete(worn_out, "old");
        table.assert_silence();
        table.expect_children(ends, ["old x* new*", "old* x*"]);
        // What comes late on it says nothing of where the peer receives.
        table.use_child(worn_out, "old");
        table.expect_children(ends, ["old x* new*", "old* x*"]);
    }
}

// RFC 7296 §2.8: the same where the limit is reached while the outside is still at work for the peer's successor: that is sent on
// as soon as it is there.
#[test]
fn a_worn_out_child_is_left_for_the_successor_that_comes_after_its_limit() {
    for worn_out in [true, false] {
        let ends = [worn_out, !worn_out];
        let mut table = Table::with_a_further_child(47);
        let request = table.rekey_child(!worn_out);
        let at_work: fn(&Ask) -> bool = |ask| matches!(ask, Ask::Rekey(_));
        if worn_out {
            table.pair.setup.silent = at_work;
        } else {
            table.pair.setup.client_silent = at_work;
        }
        table.losing = true;
        table.finish(&request);
        table.order_delete(worn_out, "old");
        table.assert_silence();
        table.expect_children(ends, ["old* x*", "old* x*"]);
        assert!(table.pair.answer_withheld_by(worn_out));
        let agreed = table.sent(worn_out);
        table.name_child(worn_out, "new");
        table.expect_children(ends, ["old x* new*", "old* x*"]);
        let delete = table.go_on(&agreed);
        table.assert_deletes_child(&delete, "old");
        let deleted = table.answer(&delete);
        table.finish(&deleted);
        table.expect_children(ends, ["old~ x* new*", "old~ x* new*"]);
    }
}

// RFC 7296 §1.4.1: the peer deletes what has replaced its only child SA while our Delete of the old one is out. Nothing has
// worn out, and it may make another: the IKE SA does not end at once.
#[test]
fn a_successor_that_is_deleted_while_the_old_one_is_leaves_the_ike_sa_for_a_while() {
    for deleter in [true, false] {
        let mut table = Table::new(48);
        let request = table.rekey_child(!deleter);
        let agreed = table.answer(&request);
        table.name_child(deleter, "new");
        let own = table.go_on(&agreed);
        table.assert_deletes_child(&own, "old");
        let delete = table.foreign_delete(deleter, &["new"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "new");
        let answer = table.answer(&own);
        table.finish(&answer);
        table.wait_in_silence(9);
        assert_eq!(table.end(!deleter).ready(), 1);
        table.pair.run(200);
        assert_eq!(table.end(!deleter).closed, [CloseReason::TimedOut]);
    }
}

// RFC 7296 §2.25#6: the peer does not know what has replaced another, which is still there: that goes on, and nothing is made anew
// beside it.
#[test]
fn what_the_peer_has_lost_is_not_made_anew_beside_the_one_that_it_replaced() {
    for loser in [true, false] {
        let ends = [!loser, loser];
        let mut table = Table::with_a_further_child(49);
        table.losing = true;
        let request = table.rekey_child(loser);
        table.answer(&request);
        table.name_child(!loser, "new");
        let new = table.child_spi(!loser, "new");
        table.command(!loser, Command::RekeyChild(id(&table.pair, !loser), new));
        let asked = table.sent(!loser);
        let answer = table.answer(&asked);
        let lost = Notify::plain(NotifyType::CHILD_SA_NOT_FOUND);
        let lost = table.instead_of(&answer, &[Payload::Notify(lost)]);
        table.finish(&lost);
        table.expect_children(ends, ["old* x* new~", "old* x*"]);
    }
}

// RFC 7296 §2.25.1#1: what is about to be deleted is not replaced, by neither end: our Delete of it waits for the exchange that is
// under way.
#[test]
fn the_worn_out_child_whose_delete_has_to_wait_is_not_replaced_again() {
    for worn_out in [true, false] {
        let (mut table, request) = worn_out_and_replaced(39, worn_out);
        table.command(worn_out, Command::Probe(id(&table.pair, worn_out)));
        let probe = table.sent(worn_out);
        let delete = table.foreign_delete(!worn_out, &["new"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "new");
        // Its peer cannot replace it,
        let asked = table.said(&request);
        let rekey = table.foreign(!worn_out, ExchangeType::CREATE_CHILD_SA, &asked);
        let refused = table.answer(&rekey);
        table.assert_notify(&refused, NotifyType::TEMPORARY_FAILURE);
        let told = format!("request refused: {}", Refusal::from(PeerIncompatible::Busy));
        assert_eq!(table.end(worn_out).log.last(), Some(&told));
        // nor does this end.
        let old = table.child_spi(worn_out, "old");
        table.command(
            worn_out,
            Command::RekeyChild(id(&table.pair, worn_out), old),
        );
        let answer = table.answer(&probe);
        let own = table.go_on(&answer);
        table.assert_deletes_child(&own, "old");
    }
}

// RFC 7296 §2.8: one that its peer has replaced and does not delete.
#[test]
fn the_child_that_the_peer_does_not_delete_in_time_is_deleted_all_the_same() {
    for worn_out in [true, false] {
        let mut table = Table::new(27);
        let request = table.rekey_child(!worn_out);
        table.answer(&request);
        table.name_child(worn_out, "new");
        let begun = table.pair.now;
        table.order_delete(worn_out, "old");
        let until = begun.after(AWAIT_DELETE + 2 * AGAIN_AFTER);
        let delete = loop {
            assert!(table.pair.step(until), "it is not deleted");
            let flights = table.pair.take_flights();
            let own = flights.into_iter().find(|one| one.0 != worn_out);
            if let Some((to_server, path, octets)) = own {
                let own = Letter {
                    to_server,
                    path,
                    octets,
                };
                // The peer's request, which is repeated, may have its answer again.
                if !own.header().flags.is_response() {
                    break own;
                }
            }
        };
        table.assert_deletes_child(&delete, "old");
        assert!(table.pair.now.since(begun) >= AWAIT_DELETE);
    }
}

// RFC 7296 §1.4.1, §2.25.1: one end finds that worn out which has replaced another, whose Delete has not come there yet. Both are
// deleted, and neither end sends on the old one again.
#[test]
fn what_has_replaced_another_is_deleted_with_it() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        let mut table = Table::with_a_further_child(28);
        let request = table.rekey_child(!deleter);
        let agreed = table.answer(&request);
        table.name_child(deleter, "new");
        let lost = table.go_on(&agreed);
        table.assert_deletes_child(&lost, "old");
        table.use_child(deleter, "new");
        table.expect_children(ends, ["old x* new*", "old x* new*"]);
        let delete = table.delete_child(deleter, "new");
        table.assert_deletes_children(&delete, &["new", "old"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "new");
        table.expect_children(ends, ["x*", "old x* new*"]);
        table.finish(&deleted);
        table.expect_children(ends, ["x*", "x*"]);
        let again = table.repeat(&lost);
        let answer = table.answer(&again);
        assert!(table.said(&answer).is_empty());
        table.finish(&answer);
        table.wait_in_silence(60);
        table.expect_children(ends, ["x*", "x*"]);
    }
}

// RFC 7296 §2.8, §2.25.1: what an end is deleting itself does not take the place of what its peer deletes.
#[test]
fn what_is_being_deleted_takes_no_other_ones_place() {
    for deleter in [true, false] {
        let ends = [!deleter, deleter];
        let mut table = Table::with_a_further_child(29);
        let request = table.rekey_child(!deleter);
        let agreed = table.answer(&request);
        table.name_child(deleter, "new");
        let own = table.go_on(&agreed);
        table.assert_deletes_child(&own, "old");
        table.expect_children(ends, ["old x* new*", "old* x* new"]);
        let delete = table.foreign_delete(deleter, &["new"]);
        let deleted = table.answer(&delete);
        table.assert_deletes_child(&deleted, "new");
        table.expect_children(ends, ["x*", "old* x* new"]);
        let answer = table.answer(&own);
        table.finish(&answer);
        table.expect_children([!deleter, !deleter], ["x*", "x*"]);
    }
}

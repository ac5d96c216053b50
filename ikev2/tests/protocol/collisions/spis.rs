//! A peer that receives on two child SAs under one SPI: what either end then says of that SPI could be about either (RFC 7296 §3.3.1,
//! §2.25.1).

use ironflex_ikev2::{
    config::{AGAIN_AFTER, RETIRE_AFTER},
    event::Ask,
    refusal::{PeerIncompatible, Refusal},
    wire::payload::SaPayload,
};

use super::{child::assert_replaces_again, *};

/// The same payloads, with this SPI in the proposals.
fn with_spi(mut payloads: Vec<Payload>, spi: u32) -> Vec<Payload> {
    for payload in &mut payloads {
        if let Payload::Sa(SaPayload { proposals, .. }) = payload {
            for proposal in proposals {
                proposal.spi = spi.to_be_bytes().to_vec();
            }
        }
    }
    payloads
}

fn told(what: &str) -> String {
    format!("{what}: {}", Refusal::from(PeerIncompatible::SpiInUse))
}

/// The peer asks for a child SA of an SPI that another has: refused, and everything goes on.
#[test]
fn a_request_with_an_spi_that_another_child_has_is_refused() {
    for asker in [true, false] {
        for further in [false, true] {
            let ends = [!asker, asker];
            let mut table = Table::with_a_further_child(50);
            let request = if further {
                table.command(asker, Command::NewChild(id(&table.pair, asker)));
                table.sent(asker)
            } else {
                table.rekey_child(asker)
            };
            let taken = table.child_spi(asker, "x");
            let asked = with_spi(table.said(&request), taken);
            let request = table.instead_of(&request, &asked);
            let refused = table.answer(&request);
            table.assert_notify(&refused, NotifyType::NO_PROPOSAL_CHOSEN);
            let log = &table.end(!asker).log;
            assert_eq!(log.last(), Some(&told("request refused")));
            table.expect_children(ends, ["old* x*", "old* x*"]);
            // What that SPI is used for goes on.
            let delete = table.foreign_delete(asker, &["x"]);
            let deleted = table.answer(&delete);
            table.assert_deletes_child(&deleted, "x");
            table.expect_children(ends, ["old*", "old* x*"]);
        }
    }
}

/// The peer agrees to a child SA under such an SPI: it is deleted again, and the old one is still to be replaced.
#[test]
fn an_answer_with_an_spi_that_another_child_has_is_undone() {
    for asker in [true, false] {
        let ends = [asker, !asker];
        let mut table = Table::with_a_further_child(51);
        let request = table.rekey_child(asker);
        let agreed = table.answer(&request);
        table.name_child(!asker, "new");
        let taken = table.child_spi(!asker, "x");
        let said = with_spi(table.said(&agreed), taken);
        let agreed = table.instead_of(&agreed, &said);
        let undo = table.go_on(&agreed);
        table.assert_deletes_child(&undo, "new");
        let log = &table.end(asker).log;
        assert_eq!(log.last(), Some(&told("rekey refused")));
        table.expect_children(ends, ["old* x*", "old* x* new"]);
        let undone = table.answer(&undo);
        table.assert_deletes_child(&undone, "new");
        table.finish(&undone);
        table.expect_children(ends, ["old* x*", "old* x* new~"]);
        assert_replaces_again(&mut table, asker);
    }
}

/// Both exchanges of two that meet: the outside is at work for the one, and is not asked about the other.
#[test]
fn an_spi_of_what_is_being_installed_is_taken_too() {
    for installs in [true, false] {
        let mut table = Table::with_a_further_child(52);
        let at_work: fn(&Ask) -> bool = |ask| matches!(ask, Ask::Rekey(_));
        if installs {
            // Ours is being installed when the peer asks.
            let request = table.rekey_child(true);
            let agreed = table.answer(&request);
            table.name_child(false, "new");
            let taken = table.child_spi(false, "new");
            table.pair.setup.silent = at_work;
            table.finish(&agreed);
            table.losing = true;
            let x = table.child_spi(false, "x");
            table.command(false, Command::RekeyChild(id(&table.pair, false), x));
            let request = table.sent(false);
            let asked = with_spi(table.said(&request), taken);
            let request = table.instead_of(&request, &asked);
            let refused = table.answer(&request);
            table.assert_notify(&refused, NotifyType::NO_PROPOSAL_CHOSEN);
        } else {
            // The peer's is being installed when it answers.
            let request = table.rekey_child(true);
            let x = table.child_spi(false, "x");
            table.command(false, Command::RekeyChild(id(&table.pair, false), x));
            let of_peer = table.sent(false);
            let agreed = table.answer(&request);
            table.name_child(false, "new");
            table.pair.setup.silent = at_work;
            let taken = table.child_spi(false, "new");
            let asked = with_spi(table.said(&of_peer), taken);
            let of_peer = table.instead_of(&of_peer, &asked);
            table.losing = true;
            table.finish(&of_peer);
            let undo = table.go_on(&agreed);
            table.assert_deletes_child(&undo, "new");
        }
        let until = table.pair.now.after(AGAIN_AFTER);
        table.lose_all_until(until);
        assert_eq!(table.end(true).ready(), 1);
    }
}

/// One end has had "old" replaced by "new" and deleted, which still receives at both.
fn replaced(seed: u64, asker: bool) -> Table {
    let mut table = Table::new(seed);
    let request = table.rekey_child(asker);
    let agreed = table.answer(&request);
    table.name_child(!asker, "new");
    let delete = table.go_on(&agreed);
    let deleted = table.answer(&delete);
    table.finish(&deleted);
    table.expect_children([true, false], ["old~ new*", "old~ new*"]);
    table
}

/// What one end asks for to replace "new".
fn replace_new(table: &mut Table, asker: bool) -> Letter {
    let new = table.child_spi(asker, "new");
    table.command(asker, Command::RekeyChild(id(&table.pair, asker), new));
    table.sent(asker)
}

/// The outside has the SA of a child that is gone for as long as it receives on that: its SPI is not free before.
#[test]
fn an_spi_of_what_still_receives_is_taken_too() {
    for asker in [true, false] {
        for waited in [false, true] {
            let mut table = replaced(55, asker);
            if waited {
                let until = table.pair.now.after(RETIRE_AFTER);
                table.lose_all_until(until);
            }
            let request = replace_new(&mut table, asker);
            let asked = with_spi(table.said(&request), table.child_spi(asker, "old"));
            let request = table.instead_of(&request, &asked);
            let answer = table.answer(&request);
            if waited {
                assert!(matches!(table.said(&answer)[..], [Payload::Sa(_), ..]));
            } else {
                table.assert_notify(&answer, NotifyType::NO_PROPOSAL_CHOSEN);
                let log = &table.end(!asker).log;
                assert_eq!(log.last(), Some(&told("request refused")));
            }
        }
        let mut table = replaced(56, asker);
        let request = replace_new(&mut table, asker);
        let agreed = table.answer(&request);
        table.name_child(!asker, "late");
        let said = with_spi(table.said(&agreed), table.child_spi(!asker, "old"));
        let agreed = table.instead_of(&agreed, &said);
        let undo = table.go_on(&agreed);
        table.assert_deletes_child(&undo, "late");
        let log = &table.end(asker).log;
        assert_eq!(log.last(), Some(&told("rekey refused")));
    }
}

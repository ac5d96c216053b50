//! Rekeyings that cross with a peer whose nonces have other lengths than ours (RFC 7296 §2.8, §2.10): octet by octet, and the
//! one that is the beginning of the other is the lower.

use super::*;
use ironflex_ikev2::{
    crypto::Role,
    wire::{
        payload::{KePayload, Nonce, Notify, SaPayload},
        registry::PayloadType,
    },
};

const OWN: [u8; 32] = [0x55; 32];

fn higher(length: usize) -> Vec<u8> {
    vec![0x99; length]
}

/// The client's own nonce, the one in its answer, and whether the server's exchange is the one with the lowest. The server's
/// own nonce is [`OWN`], that in its answer is higher.
fn cases() -> Vec<(Vec<u8>, Vec<u8>, bool)> {
    let longer = [&OWN[..], &[0]].concat();
    let mut less = longer.clone();
    less[31] = 0x54;
    vec![
        (OWN[..16].to_vec(), higher(32), false),
        (OWN[..31].to_vec(), higher(256), false),
        (longer.clone(), higher(16), true),
        (less, higher(16), false),
        (vec![0x55; 256], higher(16), true),
        (higher(16), OWN[..16].to_vec(), true),
        (OWN[..16].to_vec(), OWN[..17].to_vec(), false),
        (OWN[..17].to_vec(), OWN[..16].to_vec(), true),
        (vec![0x56; 16], higher(256), true),
    ]
}

/// The payloads of a request as those of the answer that agrees, with other SPIs and nonces.
fn with(payloads: Vec<Payload>, spi: &[u8], nonce: &[u8]) -> Vec<Payload> {
    let payloads = payloads
        .into_iter()
        .filter(|one| !matches!(one, Payload::Notify(_)));
    payloads
        .map(|payload| match payload {
            Payload::Sa(SaPayload { mut proposals }) => {
                proposals[0].spi = spi.to_vec();
                Payload::Sa(SaPayload { proposals })
            }
            Payload::Nonce(_) => Payload::Nonce(Nonce::new(nonce.to_vec()).unwrap()),
            // Any point of the curve.
            Payload::Ke(ke) => Payload::Ke(KePayload {
                data: [&[9][..], &[0; 31]].concat(),
                ..ke
            }),
            other => other,
        })
        .collect()
}

/// The server's request and the client's cross; the server has answered, and now has its answer. What it asks next.
fn cross(table: &mut Table, ike: bool, own: &[u8], answer: &[u8]) -> Letter {
    let draws = if ike { 2 } else { 1 };
    let leads = [vec![OWN.to_vec(); draws], vec![higher(32); draws]].concat();
    table.end(true).leads.lock().unwrap().extend(leads);
    let holder = Holder::of(table.end(true));
    let view = table.end(true).endpoint.views().next().unwrap();
    let (expected, path) = (view.next_expected, view.path);
    let by_server = if ike {
        table.rekey_ike(true)
    } else {
        table.rekey_child(true)
    };
    let asked = table.said(&by_server);
    // The client's request is the server's own with what is different.
    let (first, second): (&[u8], &[u8]) = if ike {
        (&[0xc1; 8], &[0xc2; 8])
    } else {
        (&[0xc1; 4], &[0xc2; 4])
    };
    let mut request = with(asked.clone(), first, own);
    if !ike {
        let old = u32::try_from(table.children[0].spis.1).unwrap();
        request.insert(
            0,
            Payload::Notify(Notify {
                protocol: ProtocolId::ESP,
                spi: old.to_be_bytes().to_vec(),
                kind: NotifyType::REKEY_SA,
                data: Vec::new(),
            }),
        );
        // Its selectors are the other way round.
        for payload in &mut request {
            *payload = match payload.clone() {
                Payload::TsI(one) => Payload::TsR(one),
                Payload::TsR(one) => Payload::TsI(one),
                other => other,
            };
        }
    }
    let create = ExchangeType::CREATE_CHILD_SA;
    let header = holder.header(create, true, false, expected);
    let sealed = holder.seal(&header, &request);
    table.pair.inject(path, &sealed);
    let answered = table.sent(true);
    let kinds: Vec<_> = table.said(&answered).iter().map(Payload::kind).collect();
    assert!(kinds.contains(&PayloadType::SA), "{kinds:?}");
    let number = by_server.header().message_id.0;
    let header = holder.header(create, true, true, number);
    let sealed = holder.seal(&header, &with(asked, second, answer));
    table.pair.inject(path, &sealed);
    assert_forced(table);
    table.sent(true)
}

#[test]
fn child_rekeyings_that_cross_are_decided_by_nonces_of_any_length() {
    for (own, answer, server_loses) in cases() {
        let mut table = Table::new(40);
        let delete = cross(&mut table, false, &own, &answer);
        // What the server made has the SPI of the client's answer; what the client made, that of its request.
        let view = table.end(true).endpoint.views().next().unwrap();
        let made = view.children().find(|one| one.outbound_spi == 0xc2c2_c2c2);
        let made = made.unwrap();
        assert!(view.children().any(|one| one.outbound_spi == 0xc1c1_c1c1));
        let said = table.said(&delete);
        let [Payload::Delete(deleted)] = &said[..] else {
            panic!("{} payloads", said.len())
        };
        let old = u32::try_from(table.children[0].spis.0).unwrap();
        let expected = if server_loses { made.inbound_spi } else { old };
        assert_eq!(deleted.spis, [expected.to_be_bytes()]);
        assert_eq!(made.sending, !server_loses);
    }
}

#[test]
fn ike_rekeyings_that_cross_are_decided_by_nonces_of_any_length() {
    for (own, answer, server_loses) in cases() {
        let mut table = Table::new(41);
        let delete = cross(&mut table, true, &own, &answer);
        let view = table.end(true).endpoint.views().next().unwrap();
        let peer = if server_loses {
            (view.role, view.initiator_spi.get())
        } else {
            (view.role, view.responder_spi.get())
        };
        let (role, spi) = if server_loses {
            (Role::Responder, [0xc1; 8])
        } else {
            (Role::Initiator, [0xc2; 8])
        };
        assert_eq!(peer, (role, u64::from_be_bytes(spi)));
        let header = delete.header();
        assert_eq!(header.exchange, ExchangeType::INFORMATIONAL);
        // The redundant one is deleted by who made it, the old one by whose is in use.
        if server_loses {
            assert_eq!(
                header.responder_spi.unwrap().get(),
                u64::from_be_bytes([0xc2; 8])
            );
        } else {
            assert_eq!(table.ike_of(&delete), "old");
        }
    }
}

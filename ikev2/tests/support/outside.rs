//! The outside of an end: it answers questions, and keeps what a dataplane would have.

use super::*;

/// What the outside of an end answers.
pub fn outside(setup: &Setup, server: bool, end: &mut End, id: SaId, ask: Ask) -> Answer {
    match ask {
        Ask::Peer(question) => {
            let known = question.identity.data == ANYCONNECT_ID || !question.wants_eap;
            if known && setup.known {
                Answer::Peer(Arc::new(setup.peer.clone()))
            } else {
                Answer::Refused(Arc::from("no profile matches"))
            }
        }
        Ask::Chain { certificates, .. } => {
            if certificates == [certificate()] {
                let theirs = if server {
                    setup.client_key
                } else {
                    setup.server_key
                };
                Answer::Chain {
                    spki: setup.spki.unwrap_or(theirs.spki).to_vec(),
                }
            } else {
                Answer::Refused(Arc::from("unknown issuer"))
            }
        }
        Ask::Sign { scheme, octets } => {
            end.signed.push(scheme);
            let ours = if server {
                setup.server_key
            } else {
                setup.client_key
            };
            let signature = match setup.sign {
                Some(sign) => sign(scheme, &octets),
                None => ours.sign(scheme, &octets),
            };
            (setup.forge)(server, signature)
        }
        Ask::Eap(input) if server => {
            let round = end.eap_rounds.entry(id).or_insert(0);
            *round += 1;
            Answer::Eap(eap_authenticator(
                *round,
                setup.eap_rounds,
                setup.password,
                input,
            ))
        }
        Ask::Eap(EapInput::Begin(_, packet) | EapInput::Packet(packet)) => {
            eap_peer(&packet, b"cisco123")
        }
        Ask::Eap(EapInput::Start(_)) => panic!("the client was asked to start EAP"),
        Ask::Lease(_) if !setup.lease => Answer::Refused(Arc::from("pool exhausted")),
        Ask::Lease(_) => {
            end.next_spi += 1;
            let kind = ConfigAttributeType::INTERNAL_IP4_ADDRESS;
            let address = [ConfigAttribute::from_ipv4(kind, ASSIGNED)];
            Answer::Lease(Box::new(Lease {
                reply: address.into_iter().chain(setup.assigned.clone()).collect(),
                remote: vec![TrafficSelector::addresses(AddressRange::host(
                    ASSIGNED.into(),
                ))],
                local: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
                spi: end.next_spi,
                session_lifetime: setup.session_lifetime,
            }))
        }
        Ask::Install(_) if !setup.install => Answer::Refused(Arc::from("no such algorithm")),
        Ask::Install(child) => {
            end.receiving
                .insert((id, child.inbound_spi), copy_of(&child));
            end.send_on(id, *child);
            Answer::Installed
        }
        Ask::Rekey(_) if !(setup.install_further)(server) => {
            Answer::Refused(Arc::from("no memory"))
        }
        Ask::Rekey(child) => {
            end.receiving.insert((id, child.inbound_spi), *child);
            Answer::Installed
        }
    }
}

/// Notes what the endpoint tells: what a dataplane would have, and a line of the log.
pub fn note(end: &mut End, id: SaId, event: Event) {
    let text = match event {
        Event::Initiated => "initiated".into(),
        Event::HalfOpen => "half-open".into(),
        Event::Authenticated(who) => {
            end.proofs.push(who.proof);
            format!("authenticated {}", who.peer)
        }
        Event::Established { child } => {
            end.sas.push(id);
            format!("established child={child}")
        }
        Event::ChildRefused { why, .. } => {
            end.forget(id, None);
            format!("child refused: {why}")
        }
        Event::ChildDeleted { child, .. } => {
            end.forget(id, Some(child));
            "child deleted".into()
        }
        Event::ChildSwitched { inbound_spi, .. } => {
            let to = copy_of(&end.receiving[&(id, inbound_spi)]);
            end.send_on(id, to);
            "child switched".into()
        }
        Event::ChildRetired { inbound_spi, .. } => {
            let retired = end.receiving.remove(&(id, inbound_spi));
            assert!(retired.is_some(), "{inbound_spi:08X} is not there");
            "child retired".into()
        }
        Event::Quiet => "quiet".into(),
        Event::Rekeyed { .. } => "rekeyed".into(),
        Event::RekeyRefused(why) => format!("rekey refused: {why}"),
        Event::RequestRefused(why) => format!("request refused: {why}"),
        Event::PeerMoved {
            path,
            udp_encapsulation,
        } => {
            for child in end.installed.values_mut().chain(end.beside.values_mut()) {
                (child.path, child.udp_encapsulation) = (path, udp_encapsulation);
            }
            format!("moved to {}", path.remote)
        }
        Event::Notified(kind) => format!("notified {kind}"),
        Event::Closed(reason) => {
            end.forget(id, None);
            end.closed.push(reason.clone());
            format!("closed {reason:?}")
        }
        Event::Trace(_) => return,
        Event::KeyLog(log) => {
            end.key_log += match *log {
                KeyLog::Ike { .. } => 1,
                KeyLog::Esp { .. } => 100,
            };
            if matches!(*log, KeyLog::Ike { .. }) {
                end.ike_keys.push(*log);
            }
            return;
        }
    };
    end.log.push(text);
}

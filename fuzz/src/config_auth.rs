//! AnyConnect's XML documents: what is read is written and read as the same, and what is written is read.

use ironflex_eap::{
    Secret,
    anyconnect::config_auth::{
        Ack, AuthReply, Complete, DeviceInfo, Document, Init, MAX_PASSWORD, MAX_USERNAME, Opaque,
    },
};

use super::input::Input;

/// The longest session token that a client reads; the headend's own has 63 octets.
const MAX_TOKEN: usize = 512;

/// The first octet chooses: a document from the wire, or one of ours with the fuzzer's texts in it.
pub fn config_auth(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0..=2 => from_the_wire(input.rest()),
        _ => of_our_own(&mut input),
    }
}

fn from_the_wire(octets: &[u8]) {
    let Ok(document) = Document::parse(octets) else {
        return;
    };
    if let Document::AuthReply(reply) = &document {
        let name = reply.username.as_ref().map_or(0, String::len);
        assert!(name <= MAX_USERNAME, "a username of {name} octets");
        let password = reply.password.as_ref().map_or(0, |one| one.expose().len());
        assert!(password <= MAX_PASSWORD, "a password of {password} octets");
    }
    let written = document.to_xml();
    // A character takes six octets at most when it is escaped, and each kind of document has its fixed words.
    assert!(
        written.len() <= 6 * octets.len() + 2048,
        "{} octets out of {}",
        written.len(),
        octets.len()
    );
    let again = Document::parse(written.as_bytes());
    let again =
        again.unwrap_or_else(|error| panic!("what was written is refused: {error}\n{}", *written));
    assert!(
        again == document,
        "the document reads back otherwise:\n{}",
        *written
    );
    assert!(
        *again.to_xml() == *written,
        "written otherwise the second time"
    );
}

/// A text as the fuzzer has it, without what XML cannot say.
fn text(input: &mut Input<'_>, most: usize) -> String {
    let octets = input.chunk();
    let said = |one: &char| matches!(one, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{1_0000}'..);
    let mut text = String::new();
    for one in String::from_utf8_lossy(octets).chars().filter(said) {
        if text.len() + one.len_utf8() > most {
            break;
        }
        text.push(one);
    }
    text
}

/// A name as documents carry it: without blanks at its ends, and not empty.
fn name(input: &mut Input<'_>) -> Option<String> {
    let text = text(input, MAX_USERNAME);
    let one_line = |one: char| if one.is_control() { '-' } else { one };
    let text: String = text.chars().map(one_line).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn of_our_own(input: &mut Input<'_>) {
    let choice = input.u8();
    let device = DeviceInfo {
        client_version: name(input),
        computer_name: name(input),
        ..DeviceInfo::default()
    };
    let label = name(input).unwrap_or_default();
    let opaque = Opaque::for_gateway([("tunnel-group", label.as_str())]);
    let document = match choice % 4 {
        0 => Document::Init(Init {
            device,
            group_select: name(input),
            opaque: Some(opaque),
            ..Init::default()
        }),
        1 => Document::AuthReply(AuthReply {
            device,
            opaque: Some(opaque),
            username: name(input),
            password: Some(Secret::new(text(input, MAX_PASSWORD))),
            group_select: name(input),
            ..AuthReply::default()
        }),
        2 => Document::Complete(Complete {
            version: name(input),
            session_token: Some(Secret::new(text(input, MAX_TOKEN))),
            ..Complete::default()
        }),
        _ => Document::Ack(Ack { device }),
    };
    let written = document.to_xml();
    let read = Document::parse(written.as_bytes());
    let read =
        read.unwrap_or_else(|error| panic!("what was written is refused: {error}\n{}", *written));
    assert!(
        read == document,
        "our document reads otherwise:\n{}",
        *written
    );
}

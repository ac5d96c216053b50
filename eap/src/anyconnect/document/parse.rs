//! From a tree to the types of [`crate::anyconnect::config_auth`].

use alloc::{boxed::Box, string::String, vec::Vec};

use roxmltree::Node;

use super::{
    DocumentError, Opaque, bounds,
    tree::{
        attribute, child, child_field, child_text, children, entries, exact_text, field,
        parse as tree, text,
    },
};
use crate::{
    Secret,
    anyconnect::config_auth::{
        Ack, Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, DocumentKind, Form,
        FormId, GroupOption, Hello, HostScan, Init, Input, InputKind, MAX_PASSWORD, MAX_USERNAME,
        MacAddress, Message, ProfileFile,
    },
};

/// Reads a whole document.
pub(crate) fn parse(octets: &[u8]) -> Result<Document, DocumentError> {
    let source = bounds::check(octets)?;
    let tree = tree(source)?;
    let root = tree.root_element();
    if root.tag_name().name() != "config-auth" {
        return Err(DocumentError::WrongRoot);
    }
    let kind = root
        .attribute("type")
        .ok_or(DocumentError::MissingAttribute {
            element: "config-auth",
            attribute: "type",
        })?;
    let kind = DocumentKind::from_type(kind)
        .ok_or_else(|| DocumentError::UnknownType { shown: shown(kind) })?;
    Ok(match kind {
        DocumentKind::Hello => Document::Hello(Hello {
            version: child_field(root, "version")?,
        }),
        DocumentKind::Init => Document::Init(init(source, root)?),
        DocumentKind::AuthRequest => Document::AuthRequest(auth_request(source, root)?),
        DocumentKind::AuthReply => Document::AuthReply(auth_reply(source, root)?),
        DocumentKind::Complete => Document::Complete(complete(source, root)?),
        DocumentKind::Ack => Document::Ack(Ack {
            device: device(root)?,
        }),
    })
}

/// The start of a peer's text, for an error message.
fn shown(text: &str) -> String {
    text.chars()
        .take(32)
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}

fn init(source: &str, root: Node<'_, '_>) -> Result<Init, DocumentError> {
    let mut capabilities = Vec::new();
    if let Some(list) = child(root, "capabilities") {
        for method in entries(list, "auth-method")? {
            capabilities.push(field(method, "auth-method")?);
        }
    }
    Ok(Init {
        device: device(root)?,
        group_access: child_field(root, "group-access")?,
        group_select: child_field(root, "group-select")?,
        capabilities,
        opaque: opaque(source, root, "sg"),
        client_cert_fail: child(root, "client-cert-fail").is_some(),
    })
}

fn auth_request(source: &str, root: Node<'_, '_>) -> Result<AuthRequest, DocumentError> {
    let host_scan = match child(root, "host-scan") {
        Some(scan) => Some(HostScan {
            ticket: child_field(scan, "host-scan-ticket")?,
            token: child_field(scan, "host-scan-token")?,
        }),
        None => None,
    };
    let asks = if child(root, "client-cert-request").is_some() {
        Asks::Certificate
    } else {
        let auth = child(root, "auth").ok_or(DocumentError::MissingElement {
            element: "auth",
            within: "auth-request",
        })?;
        if child(auth, "authentication-complete").is_some() {
            Asks::Nothing
        } else {
            Asks::Form(Box::new(form(auth)?))
        }
    };
    Ok(AuthRequest {
        version: child_field(root, "version")?,
        opaque: opaque(source, root, "sg"),
        csport: csport(root)?,
        host_scan,
        asks,
    })
}

fn form(auth: Node<'_, '_>) -> Result<Form, DocumentError> {
    let form = child(auth, "form").ok_or(DocumentError::MissingElement {
        element: "form",
        within: "auth",
    })?;
    let id = match attribute(auth, "id")? {
        Some(id) if id == "main" => FormId::Main,
        Some(id) if id == "challenge" => FormId::Challenge,
        Some(id) => FormId::Other(id),
        None => {
            return Err(DocumentError::MissingAttribute {
                element: "auth",
                attribute: "id",
            });
        }
    };
    let mut inputs = Vec::new();
    for input in entries(form, "input")? {
        inputs.push(Input {
            kind: match attribute(input, "type")? {
                Some(kind) if kind == "text" => InputKind::Text,
                Some(kind) if kind == "password" => InputKind::Password,
                // An input without a type is one of text, as in HTML.
                None => InputKind::Text,
                Some(kind) => InputKind::Other(kind),
            },
            name: attribute(input, "name")?.ok_or(DocumentError::MissingAttribute {
                element: "input",
                attribute: "name",
            })?,
            label: attribute(input, "label")?,
        });
    }
    let mut groups = Vec::new();
    let group_list =
        children(form, "select").find(|select| select.attribute("name") == Some("group_list"));
    if let Some(list) = group_list {
        for option in entries(list, "option")? {
            let label = field(option, "option")?;
            groups.push(GroupOption {
                name: attribute(option, "value")?.unwrap_or_else(|| label.clone()),
                label,
                selected: option.attribute("selected") == Some("true"),
            });
        }
    }
    Ok(Form {
        id,
        title: child_text(auth, "title")?,
        message: message(auth, "message")?,
        banner: child_text(auth, "banner")?,
        error: message(auth, "error")?,
        inputs,
        groups,
    })
}

/// An element with a text and its parameters; one with neither reads as absent.
fn message(auth: Node<'_, '_>, name: &'static str) -> Result<Option<Message>, DocumentError> {
    let Some(node) = child(auth, name) else {
        return Ok(None);
    };
    let message = Message {
        id: node.attribute("id").and_then(|id| id.parse().ok()),
        param1: attribute(node, "param1")?.unwrap_or_default(),
        param2: attribute(node, "param2")?.unwrap_or_default(),
        text: text(node, name, super::MAX_TEXT)?,
    };
    Ok((message != Message::default()).then_some(message))
}

fn auth_reply(source: &str, root: Node<'_, '_>) -> Result<AuthReply, DocumentError> {
    let auth = child(root, "auth").ok_or(DocumentError::MissingElement {
        element: "auth",
        within: "auth-reply",
    })?;
    let username = match child(auth, "username") {
        Some(node) => Some(username(node)?),
        None => None,
    };
    let password = match child(auth, "password") {
        Some(node) => Some(Secret::new(exact_text(node, "password", MAX_PASSWORD)?)),
        None => None,
    };
    Ok(AuthReply {
        device: device(root)?,
        opaque: opaque(source, root, "sg"),
        username,
        password,
        group_select: child_field(root, "group-select")?,
        host_scan_token: child_field(root, "host-scan-token")?,
    })
}

/// A username exactly as it was typed. One with control characters names nobody and would break a
/// log line.
fn username(node: Node<'_, '_>) -> Result<String, DocumentError> {
    let username = exact_text(node, "username", MAX_USERNAME)?;
    if username.chars().any(char::is_control) {
        return Err(DocumentError::InvalidValue {
            element: "username",
            expected: "free of control characters",
        });
    }
    Ok(username)
}

fn complete(source: &str, root: Node<'_, '_>) -> Result<Complete, DocumentError> {
    let mut complete = Complete {
        version: child_field(root, "version")?,
        session_token: match child(root, "session-token") {
            Some(node) => Some(Secret::new(exact_text(
                node,
                "session-token",
                super::MAX_FIELD,
            )?)),
            None => None,
        },
        ..Complete::default()
    };
    if let Some(id) = child_field(root, "session-id")? {
        let expected = "a number below 2^32";
        let id = id.parse().map_err(|_| DocumentError::InvalidValue {
            element: "session-id",
            expected,
        })?;
        complete.session_id = Some(id);
    }
    if let Some(auth) = child(root, "auth") {
        // A `complete` is a success; one that says otherwise is not to be believed.
        if auth.attribute("id").is_some_and(|id| id != "success") {
            return Err(DocumentError::InvalidValue {
                element: "auth id",
                expected: "success",
            });
        }
        complete.banner = child_text(auth, "banner")?;
    }
    if let Some(config) = child(root, "config") {
        complete.csport = csport(config)?;
        complete.client_opaque = opaque(source, config, "vpn-client");
        if let Some(base) = child(config, "vpn-base-config") {
            complete.server_cert_hash =
                child_field(base, "server-cert-hash")?.and_then(|hash| hash.parse().ok());
        }
        let manifest =
            child(config, "vpn-profile-manifest").and_then(|manifest| child(manifest, "vpn"));
        if let Some(manifest) = manifest {
            complete.profiles = profiles(manifest)?;
        }
    }
    Ok(complete)
}

fn profiles(manifest: Node<'_, '_>) -> Result<Vec<ProfileFile>, DocumentError> {
    let mut profiles = Vec::new();
    for file in entries(manifest, "file")?.filter(|file| file.attribute("type") == Some("profile"))
    {
        let sha1 = children(file, "hash").find(|hash| hash.attribute("type") == Some("sha1"));
        let sha1 = match sha1 {
            Some(hash) => field(hash, "hash")?.parse().ok(),
            None => None,
        };
        if let (Some(uri), Some(sha1)) = (child_field(file, "uri")?, sha1) {
            let service_type = attribute(file, "service-type")?.unwrap_or_default();
            profiles.push(ProfileFile {
                uri,
                service_type,
                sha1,
            });
        }
    }
    Ok(profiles)
}

fn device(root: Node<'_, '_>) -> Result<DeviceInfo, DocumentError> {
    let mut device = DeviceInfo {
        client_version: child_field(root, "version")?,
        ..DeviceInfo::default()
    };
    if let Some(node) = child(root, "device-id") {
        device.computer_name = attribute(node, "computer-name")?;
        device.device_type = attribute(node, "device-type")?;
        device.platform_version = attribute(node, "platform-version")?;
        device.unique_id = attribute(node, "unique-id")?;
        device.unique_id_global = attribute(node, "unique-id-global")?;
        device.platform = child_field(root, "device-id")?;
    }
    if let Some(list) = child(root, "mac-address-list") {
        for node in entries(list, "mac-address")? {
            device.mac_addresses.push(MacAddress {
                address: field(node, "mac-address")?,
                public_interface: node.attribute("public-interface") == Some("true"),
            });
        }
    }
    Ok(device)
}

/// The child `opaque` that is for `whom`; one that names nobody is for everybody.
fn opaque(source: &str, node: Node<'_, '_>, whom: &str) -> Option<Opaque> {
    children(node, "opaque")
        .find(|opaque| {
            opaque
                .attribute("is-for")
                .is_none_or(|is_for| is_for == whom)
        })
        .map(|opaque| Opaque::of_node(source, opaque))
}

fn csport(node: Node<'_, '_>) -> Result<Option<u16>, DocumentError> {
    child_field(node, "csport")?
        .map(|port| port.parse())
        .transpose()
        .map_err(|_| DocumentError::InvalidValue {
            element: "csport",
            expected: "a port number",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: &str, contents: &str) -> Result<Document, DocumentError> {
        parse(
            format!("<config-auth client=\"vpn\" type=\"{kind}\">{contents}</config-auth>")
                .as_bytes(),
        )
    }

    fn error(kind: &str, contents: &str) -> Option<DocumentError> {
        document(kind, contents).err()
    }

    #[test]
    fn tolerates_unknown_elements_attributes_and_order() {
        let contents = "<group-select x='y'>G</group-select><later><group-access>no</group-access></later>\
                        <!-- c --><group-access> H\n</group-access><version who='vpn'>1</version>";
        let Ok(Document::Init(init)) = document("init", contents) else {
            panic!("no init")
        };
        let expected = Init {
            device: DeviceInfo {
                client_version: Some("1".into()),
                ..DeviceInfo::default()
            },
            group_access: Some("H".into()),
            group_select: Some("G".into()),
            ..Init::default()
        };
        assert_eq!(init, expected);
    }

    #[test]
    fn names_what_is_missing() {
        let missing = |element, within| Some(DocumentError::MissingElement { element, within });
        assert_eq!(error("auth-request", ""), missing("auth", "auth-request"));
        assert_eq!(
            error("auth-request", "<auth id='main'/>"),
            missing("form", "auth")
        );
        assert_eq!(error("auth-reply", ""), missing("auth", "auth-reply"));
        let missing =
            |element, attribute| Some(DocumentError::MissingAttribute { element, attribute });
        assert_eq!(
            error("auth-request", "<auth><form/></auth>"),
            missing("auth", "id")
        );
        assert_eq!(
            error(
                "auth-request",
                "<auth id='main'><form><input type='text'/></form></auth>"
            ),
            missing("input", "name")
        );
        assert_eq!(
            parse(b"<config-auth/>").err(),
            missing("config-auth", "type")
        );
    }

    #[test]
    fn refuses_other_roots_and_types() {
        assert_eq!(
            parse(b"<html type='init'/>").err(),
            Some(DocumentError::WrongRoot)
        );
        assert_eq!(
            error("logout", ""),
            Some(DocumentError::UnknownType {
                shown: "logout".into()
            })
        );
        let long = "x".repeat(100);
        assert_eq!(
            error(&long, ""),
            Some(DocumentError::UnknownType {
                shown: "x".repeat(32)
            })
        );
    }

    #[test]
    fn credentials_are_read_exactly_and_bounded() {
        let reply = |username: &str, password: &str| {
            document(
                "auth-reply",
                &format!(
                    "<auth><username>{username}</username><password>{password}</password></auth>"
                ),
            )
        };
        let Ok(Document::AuthReply(exact)) =
            reply(" te<![CDATA[s]]>t ", "a&amp;<!-- no -->b &#10; ")
        else {
            panic!("no auth-reply")
        };
        assert_eq!(exact.username.as_deref(), Some(" test "));
        assert!(
            exact
                .password
                .is_some_and(|password| password.expose() == "a&b \n ")
        );

        assert!(reply(&"u".repeat(MAX_USERNAME), &"p".repeat(MAX_PASSWORD)).is_ok());
        assert_eq!(
            reply(&"u".repeat(MAX_USERNAME + 1), "").err(),
            Some(DocumentError::ValueTooLong {
                element: "username",
                limit: MAX_USERNAME
            })
        );
        assert_eq!(
            reply("", &"p".repeat(MAX_PASSWORD + 1)).err(),
            Some(DocumentError::ValueTooLong {
                element: "password",
                limit: MAX_PASSWORD
            })
        );
        assert_eq!(
            reply("a&#10;b", "").err(),
            Some(DocumentError::InvalidValue {
                element: "username",
                expected: "free of control characters"
            })
        );
    }

    #[test]
    fn shown_texts_carry_no_terminal_escapes() {
        let contents = "<device-id computer-name='a&#x9b;31mb'>w\nin</device-id>";
        let Ok(Document::Ack(ack)) = document("ack", contents) else {
            panic!("no ack")
        };
        assert_eq!(ack.device.computer_name.as_deref(), Some("a\u{fffd}31mb"));
        assert_eq!(ack.device.platform.as_deref(), Some("w\u{fffd}in"));
    }

    #[test]
    fn fields_and_lists_are_bounded() {
        let name = "x".repeat(super::super::MAX_FIELD + 1);
        assert_eq!(
            error("init", &format!("<group-select>{name}</group-select>")),
            Some(DocumentError::ValueTooLong {
                element: "group-select",
                limit: super::super::MAX_FIELD
            })
        );
        // U+007F is one octet, and what stands for it three.
        let most = super::super::MAX_FIELD / 3;
        for (times, expected) in [(most, None), (most + 1, Some(super::super::MAX_FIELD))] {
            let name = "\u{7f}".repeat(times);
            assert_eq!(
                error("init", &format!("<group-select>{name}</group-select>")),
                expected.map(|limit| DocumentError::ValueTooLong {
                    element: "group-select",
                    limit
                })
            );
        }
        let addresses = "<mac-address>0</mac-address>".repeat(super::super::MAX_ENTRIES + 1);
        assert_eq!(
            error(
                "ack",
                &format!("<mac-address-list>{addresses}</mac-address-list>")
            ),
            Some(DocumentError::TooManyEntries {
                element: "mac-address"
            })
        );
    }

    #[test]
    fn a_complete_that_is_no_success_is_refused() {
        assert_eq!(
            error("complete", "<auth id='failure'/>"),
            Some(DocumentError::InvalidValue {
                element: "auth id",
                expected: "success"
            })
        );
        assert_eq!(
            error("complete", "<session-id>4294967296</session-id>"),
            Some(DocumentError::InvalidValue {
                element: "session-id",
                expected: "a number below 2^32"
            })
        );
    }

    #[test]
    fn the_opaque_is_taken_with_every_octet() {
        let opaque = "<opaque is-for=\"sg\" >\n <a  b='c'/><!-- d --><![CDATA[<e>]]></opaque >";
        let contents = format!("<opaque is-for='other'/>{opaque}<auth/>");
        let Ok(Document::AuthReply(reply)) = document("auth-reply", &contents) else {
            panic!("no auth-reply")
        };
        assert_eq!(reply.opaque.as_ref().map(Opaque::as_xml), Some(opaque));
    }

    #[test]
    fn group_options_are_named_by_value_or_text() {
        let contents = "<auth id='x'><form><select name='group_list'><option value='v'>V</option>\
                        <option selected='true'>W</option></select></form></auth>";
        let Ok(Document::AuthRequest(AuthRequest {
            asks: Asks::Form(form),
            ..
        })) = document("auth-request", contents)
        else {
            panic!("no form")
        };
        assert_eq!(form.id, FormId::Other("x".into()));
        assert_eq!(
            form.groups,
            [
                GroupOption {
                    name: "v".into(),
                    label: "V".into(),
                    selected: false
                },
                GroupOption {
                    name: "W".into(),
                    label: "W".into(),
                    selected: true
                },
            ]
        );
    }

    #[test]
    fn a_port_is_a_port() {
        assert_eq!(
            error(
                "auth-request",
                "<csport>65536</csport><client-cert-request/>"
            ),
            Some(DocumentError::InvalidValue {
                element: "csport",
                expected: "a port number"
            })
        );
    }
}

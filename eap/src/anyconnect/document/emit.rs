//! From the types of [`crate::anyconnect::config_auth`] to XML, elements in the captures' order
//! (docs/anyconnect-eap.md, Documents).

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use zeroize::Zeroizing;

use super::{Opaque, writer::Writer};
use crate::{
    Secret,
    anyconnect::config_auth::{
        Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, Form, HostScan, Init,
        Message, ProfileFile,
    },
};

/// Room for a document around its long and its secret texts, so that no buffer with a secret in it
/// grows. A device block of ordinary length takes a tenth of it.
const ROOM: usize = 8_192;

/// Writes a whole document.
pub(crate) fn emit(document: &Document) -> Zeroizing<String> {
    let mut writer = Writer::with_capacity(capacity(document));
    writer.declaration();
    let root = [
        ("client", "vpn"),
        ("type", document.kind().as_str()),
        ("aggregate-auth-version", "2"),
    ];
    writer.element("config-auth", &root, |writer| match document {
        Document::Hello(hello) => headend_version(writer, hello.version.as_deref()),
        Document::Init(init) => emit_init(writer, init),
        Document::AuthRequest(request) => emit_auth_request(writer, request),
        Document::AuthReply(reply) => emit_auth_reply(writer, reply),
        Document::Complete(complete) => emit_complete(writer, complete),
        Document::Ack(ack) => emit_device(writer, &ack.device),
    });
    writer.verbatim("\n");
    writer.finish()
}

/// Escaping lengthens an octet to six at most.
fn capacity(document: &Document) -> usize {
    let escaped = |text: Option<&str>| text.map_or(0, |text| text.len().saturating_mul(6));
    let markup = |opaque: Option<&Opaque>| opaque.map_or(0, |opaque| opaque.as_xml().len());
    match document {
        Document::AuthReply(reply) => ROOM
            .saturating_add(markup(reply.opaque.as_ref()))
            .saturating_add(escaped(reply.username.as_deref()))
            .saturating_add(escaped(reply.password.as_ref().map(Secret::expose))),
        Document::Complete(complete) => ROOM
            .saturating_add(markup(complete.client_opaque.as_ref()))
            .saturating_add(escaped(complete.banner.as_deref()))
            .saturating_add(escaped(complete.session_token.as_ref().map(Secret::expose))),
        _ => 0,
    }
}

fn headend_version(writer: &mut Writer, version: Option<&str>) {
    if let Some(version) = version {
        writer.element("version", &[("who", "sg")], |writer| {
            writer.escaped(version)
        });
    }
}

fn emit_device(writer: &mut Writer, device: &DeviceInfo) {
    if let Some(version) = &device.client_version {
        writer.element("version", &[("who", "vpn")], |writer| {
            writer.escaped(version)
        });
    }
    let named = [
        ("computer-name", &device.computer_name),
        ("device-type", &device.device_type),
        ("platform-version", &device.platform_version),
        ("unique-id", &device.unique_id),
        ("unique-id-global", &device.unique_id_global),
    ];
    let attributes: Vec<_> = named
        .iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)))
        .collect();
    if device.platform.is_some() || !attributes.is_empty() {
        writer.element("device-id", &attributes, |writer| {
            writer.escaped(device.platform.as_deref().unwrap_or_default());
        });
    }
    if !device.mac_addresses.is_empty() {
        writer.element("mac-address-list", &[], |writer| {
            for mac in &device.mac_addresses {
                let attributes: &[_] = if mac.public_interface {
                    &[("public-interface", "true")]
                } else {
                    &[]
                };
                writer.element("mac-address", attributes, |writer| {
                    writer.escaped(&mac.address)
                });
            }
        });
    }
}

fn emit_init(writer: &mut Writer, init: &Init) {
    emit_device(writer, &init.device);
    writer.optional("group-select", init.group_select.as_deref());
    writer.optional("group-access", init.group_access.as_deref());
    if !init.capabilities.is_empty() {
        writer.element("capabilities", &[], |writer| {
            init.capabilities
                .iter()
                .for_each(|method| writer.text_element("auth-method", method));
        });
    }
    if let Some(opaque) = &init.opaque {
        writer.verbatim(opaque.as_xml());
    }
    if init.client_cert_fail {
        writer.empty("client-cert-fail");
    }
}

fn emit_auth_request(writer: &mut Writer, request: &AuthRequest) {
    headend_version(writer, request.version.as_deref());
    if let Some(opaque) = &request.opaque {
        writer.verbatim(opaque.as_xml());
    }
    writer.optional(
        "csport",
        request.csport.map(|port| port.to_string()).as_deref(),
    );
    match &request.asks {
        Asks::Certificate => writer.empty("client-cert-request"),
        Asks::Nothing => writer.element("auth", &[("id", "main")], |writer| {
            writer.empty("authentication-complete")
        }),
        Asks::Form(form) => emit_form(writer, form),
    }
    if let Some(HostScan { ticket, token }) = &request.host_scan {
        writer.element("host-scan", &[], |writer| {
            writer.optional("host-scan-ticket", ticket.as_deref());
            writer.optional("host-scan-token", token.as_deref());
        });
    }
}

fn emit_form(writer: &mut Writer, form: &Form) {
    writer.element("auth", &[("id", form.id.as_str())], |writer| {
        writer.optional("title", form.title.as_deref());
        emit_message(writer, "message", form.message.as_ref());
        writer.optional("banner", form.banner.as_deref());
        emit_message(writer, "error", form.error.as_ref());
        writer.element("form", &[], |writer| {
            for input in &form.inputs {
                let kind = ("type", input.kind.as_str());
                let name = ("name", input.name.as_str());
                match &input.label {
                    Some(label) => writer.element("input", &[kind, name, ("label", label)], |_| {}),
                    None => writer.element("input", &[kind, name], |_| {}),
                }
            }
            if !form.groups.is_empty() {
                writer.element(
                    "select",
                    &[("name", "group_list"), ("label", "GROUP:")],
                    |writer| {
                        for group in &form.groups {
                            let mut attributes = Vec::new();
                            if group.selected {
                                attributes.push(("selected", "true"));
                            }
                            if group.name != group.label {
                                attributes.push(("value", group.name.as_str()));
                            }
                            writer.element("option", &attributes, |writer| {
                                writer.escaped(&group.label)
                            });
                        }
                    },
                );
            }
        });
    });
}

fn emit_message(writer: &mut Writer, name: &str, message: Option<&Message>) {
    match message {
        None => {}
        // A bare text; one with parameters but without a number would lose them.
        Some(Message {
            id: None,
            param1,
            param2,
            text,
        }) if param1.is_empty() && param2.is_empty() => {
            writer.text_element(name, text);
        }
        Some(Message {
            id,
            param1,
            param2,
            text,
        }) => {
            let id = id.map(|id| id.to_string());
            let mut attributes = Vec::new();
            if let Some(id) = &id {
                attributes.push(("id", id.as_str()));
            }
            attributes.extend([("param1", param1.as_str()), ("param2", param2.as_str())]);
            writer.element(name, &attributes, |writer| writer.escaped(text));
        }
    }
}

fn emit_auth_reply(writer: &mut Writer, reply: &AuthReply) {
    emit_device(writer, &reply.device);
    // The session is not known yet; the captured clients send both elements all the same, empty.
    writer.empty("session-id");
    writer.empty("session-token");
    if let Some(opaque) = &reply.opaque {
        writer.verbatim(opaque.as_xml());
    }
    writer.element("auth", &[], |writer| {
        writer.optional("username", reply.username.as_deref());
        writer.optional("password", reply.password.as_ref().map(Secret::expose));
    });
    writer.optional("group-select", reply.group_select.as_deref());
    writer.optional("host-scan-token", reply.host_scan_token.as_deref());
}

fn emit_complete(writer: &mut Writer, complete: &Complete) {
    headend_version(writer, complete.version.as_deref());
    writer.optional(
        "session-id",
        complete.session_id.map(|id| id.to_string()).as_deref(),
    );
    writer.optional(
        "session-token",
        complete.session_token.as_ref().map(Secret::expose),
    );
    writer.element("auth", &[("id", "success")], |writer| {
        writer.optional("banner", complete.banner.as_deref());
        writer.element(
            "message",
            &[("id", "0"), ("param1", ""), ("param2", "")],
            |_| {},
        );
    });
    writer.element("capabilities", &[], |writer| {
        writer.text_element("crypto-supported", "ssl-dhe")
    });
    writer.element(
        "config",
        &[("client", "vpn"), ("type", "private")],
        |writer| {
            if let Some(hash) = complete.server_cert_hash {
                writer.element("vpn-base-config", &[], |writer| {
                    writer.text_element("server-cert-hash", &hash.to_string());
                });
            }
            writer.optional(
                "csport",
                complete.csport.map(|port| port.to_string()).as_deref(),
            );
            if let Some(opaque) = &complete.client_opaque {
                writer.verbatim(opaque.as_xml());
            }
            if !complete.profiles.is_empty() {
                writer.element("vpn-profile-manifest", &[], |writer| {
                    writer.element("vpn", &[("rev", "1.0")], |writer| {
                        complete
                            .profiles
                            .iter()
                            .for_each(|profile| emit_profile(writer, profile));
                    });
                });
            }
        },
    );
}

fn emit_profile(writer: &mut Writer, profile: &ProfileFile) {
    let attributes = [
        ("type", "profile"),
        ("service-type", profile.service_type.as_str()),
    ];
    writer.element("file", &attributes, |writer| {
        writer.text_element("uri", &profile.uri);
        writer.element("hash", &[("type", "sha1")], |writer| {
            writer.escaped(&profile.sha1.to_string())
        });
    });
}

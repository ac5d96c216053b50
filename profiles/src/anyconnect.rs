//! The client's XML profile (`acvpn.xml`): to which hosts it connects, and how.
//!
//! Only the server list is read; the many settings of the client itself mean nothing to this
//! project. The document is bounded like any that comes from elsewhere: size and number of nodes
//! are limited, and a document type declaration is refused, so that no entity can be defined
//! (docs/anyconnect-eap.md tells what the elements do).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use roxmltree::{Document, Node, ParsingOptions};

/// Largest document that is read, in octets.
pub const DOCUMENT_LIMIT: usize = 256 * 1024;

/// Most elements, attributes and texts that are read.
const NODE_LIMIT: u32 = 20_000;

/// Most elements inside each other.
const DEPTH_LIMIT: usize = 32;

/// A client XML profile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientProfile {
    /// `ServerList/HostEntry`, in order.
    pub hosts: Vec<HostEntry>,
}

/// `HostEntry`: one line of the client's drop-down list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostEntry {
    /// `HostName`: what the list shows.
    pub name: String,
    /// `HostAddress`: a name or an address; absent means that `HostName` is one.
    pub address: Option<String>,
    /// `UserGroup`: towards an ASA, the tail of the group URL.
    pub user_group: Option<String>,
    /// `PrimaryProtocol`; a profile that names none means SSL.
    pub protocol: PrimaryProtocol,
}

/// How the client connects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PrimaryProtocol {
    /// By TLS.
    Ssl,
    /// By IKEv2, to a gateway that is not an ASA.
    Ipsec(IpsecOptions),
}

/// What stands below `PrimaryProtocol` when it is `IPsec`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IpsecOptions {
    /// `StandardAuthenticationOnly`: true for a gateway that is not an ASA.
    pub standard_authentication_only: bool,
    /// `AuthMethodDuringIKENegotiation`; absent means EAP-AnyConnect.
    pub method: Option<IkeMethod>,
    /// `IKEIdentity`: a key-id in place of the client's own.
    pub ike_identity: Option<String>,
}

/// `AuthMethodDuringIKENegotiation`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IkeMethod {
    /// `EAP-AnyConnect`.
    EapAnyConnect,
    /// `EAP-GTC`.
    EapGtc,
    /// `EAP-MD5`.
    EapMd5,
    /// `EAP-MSCHAPv2`.
    EapMschapv2,
    /// `IKE-ECDSA`.
    IkeEcdsa,
    /// `IKE-RSA`.
    IkeRsa,
}

impl IkeMethod {
    /// The method of a spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "EAP-AnyConnect" => Self::EapAnyConnect,
            "EAP-GTC" => Self::EapGtc,
            "EAP-MD5" => Self::EapMd5,
            "EAP-MSCHAPv2" => Self::EapMschapv2,
            "IKE-ECDSA" => Self::IkeEcdsa,
            "IKE-RSA" => Self::IkeRsa,
            _ => return None,
        })
    }
}

/// Why a document is no profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidProfile {
    /// More octets than are read.
    #[error("the profile has {0} octets, more than {DOCUMENT_LIMIT}")]
    Size(usize),
    /// Elements nested too deep.
    #[error("the profile has elements more than {DEPTH_LIMIT} deep")]
    Depth,
    /// Not well-formed, or with a document type declaration, or with too many nodes.
    #[error("the profile is not well-formed XML: {0}")]
    Xml(String),
    /// Another root element.
    #[error("the profile's root element is `{0}`, not `AnyConnectProfile`")]
    Root(String),
    /// An element that must be there and is not.
    #[error("a `{inside}` of the profile has no `{element}`")]
    Missing {
        /// The element.
        element: &'static str,
        /// Where it should be.
        inside: &'static str,
    },
    /// An element with a value that means nothing.
    #[error("`{value}` is no value of `{element}`")]
    Value {
        /// The element.
        element: &'static str,
        /// What stands in it.
        value: String,
    },
}

impl ClientProfile {
    /// Reads a profile. Elements that are not known are passed over, whatever namespace the
    /// document is in.
    ///
    /// # Errors
    /// [`InvalidProfile`]: what is wrong with the document.
    pub fn read(text: &str) -> Result<Self, InvalidProfile> {
        if text.len() > DOCUMENT_LIMIT {
            return Err(InvalidProfile::Size(text.len()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let options = ParsingOptions {
            nodes_limit: NODE_LIMIT,
            allow_dtd: false,
            ..Default::default()
        };
        let document = Document::parse_with_options(text, options)
            .map_err(|error| InvalidProfile::Xml(format!("{error}")))?;
        if document
            .descendants()
            .any(|node| node.ancestors().nth(DEPTH_LIMIT).is_some())
        {
            return Err(InvalidProfile::Depth);
        }
        let root = document.root_element();
        if root.tag_name().name() != "AnyConnectProfile" {
            return Err(InvalidProfile::Root(root.tag_name().name().to_string()));
        }
        let entries = children(root, "ServerList").flat_map(|list| children(list, "HostEntry"));
        Ok(Self {
            hosts: entries.map(host).collect::<Result<_, _>>()?,
        })
    }

    /// The first host with that name or address, without regard to case.
    pub fn host(&self, name: &str) -> Option<&HostEntry> {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        self.hosts
            .iter()
            .find(|host| same(&host.name) || host.address.as_deref().is_some_and(same))
    }
}

fn host(entry: Node<'_, '_>) -> Result<HostEntry, InvalidProfile> {
    let missing = InvalidProfile::Missing {
        element: "HostName",
        inside: "HostEntry",
    };
    Ok(HostEntry {
        name: value(entry, "HostName").ok_or(missing)?,
        address: value(entry, "HostAddress"),
        user_group: value(entry, "UserGroup"),
        protocol: match children(entry, "PrimaryProtocol").next() {
            Some(node) => protocol(node)?,
            None => PrimaryProtocol::Ssl,
        },
    })
}

fn protocol(node: Node<'_, '_>) -> Result<PrimaryProtocol, InvalidProfile> {
    let name = own_text(node);
    if name.eq_ignore_ascii_case("SSL") || name.is_empty() {
        return Ok(PrimaryProtocol::Ssl);
    }
    if !name.eq_ignore_ascii_case("IPsec") {
        return Err(InvalidProfile::Value {
            element: "PrimaryProtocol",
            value: name,
        });
    }
    let Some(standard) = children(node, "StandardAuthenticationOnly").next() else {
        return Ok(PrimaryProtocol::Ipsec(IpsecOptions::default()));
    };
    let text = own_text(standard);
    let standard_authentication_only = match &*text {
        "true" => true,
        "false" | "" => false,
        _ => {
            let element = "StandardAuthenticationOnly";
            return Err(InvalidProfile::Value {
                element,
                value: text,
            });
        }
    };
    let method = match value(standard, "AuthMethodDuringIKENegotiation") {
        None => None,
        Some(name) => match IkeMethod::from_name(&name) {
            Some(method) => Some(method),
            None => {
                let element = "AuthMethodDuringIKENegotiation";
                return Err(InvalidProfile::Value {
                    element,
                    value: name,
                });
            }
        },
    };
    // The client's own editor writes the identity below the method's parent; older ones wrote it
    // one element higher.
    let ike_identity = value(standard, "IKEIdentity").or_else(|| value(node, "IKEIdentity"));
    Ok(PrimaryProtocol::Ipsec(IpsecOptions {
        standard_authentication_only,
        method,
        ike_identity,
    }))
}

fn children<'a, 'd>(node: Node<'a, 'd>, name: &'static str) -> impl Iterator<Item = Node<'a, 'd>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The trimmed text of a child; `None` where it is missing or empty.
fn value(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    let text = own_text(children(node, name).next()?);
    (!text.is_empty()).then_some(text)
}

/// The text of an element before its first child element.
fn own_text(node: Node<'_, '_>) -> String {
    let pieces = node.children().take_while(|child| !child.is_element());
    let text: String = pieces
        .filter_map(|child| child.is_text().then(|| child.text())?)
        .collect();
    text.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<AnyConnectProfile xmlns="http://schemas.xmlsoap/encoding/">
  <ClientInitialization><AutoReconnect UserControllable="false">true
      <AutoReconnectBehavior>ReconnectAfterResume</AutoReconnectBehavior></AutoReconnect>
  </ClientInitialization>
  <ServerList>
    <HostEntry>
      <HostName>VPN IOS-XE</HostName>
      <HostAddress>vpn.example.com</HostAddress>
      <PrimaryProtocol>IPsec
        <StandardAuthenticationOnly>true
          <AuthMethodDuringIKENegotiation>EAP-AnyConnect</AuthMethodDuringIKENegotiation>
          <IKEIdentity>lab</IKEIdentity>
        </StandardAuthenticationOnly>
      </PrimaryProtocol>
    </HostEntry>
    <HostEntry><HostName>asa</HostName><UserGroup>ra</UserGroup></HostEntry>
  </ServerList>
</AnyConnectProfile>"#;

    #[test]
    fn reads_the_server_list() {
        let profile = ClientProfile::read(SEED).unwrap();
        assert_eq!(
            profile.hosts,
            [
                HostEntry {
                    name: "VPN IOS-XE".to_string(),
                    address: Some("vpn.example.com".to_string()),
                    user_group: None,
                    protocol: PrimaryProtocol::Ipsec(IpsecOptions {
                        standard_authentication_only: true,
                        method: Some(IkeMethod::EapAnyConnect),
                        ike_identity: Some("lab".to_string()),
                    }),
                },
                HostEntry {
                    name: "asa".to_string(),
                    address: None,
                    user_group: Some("ra".to_string()),
                    protocol: PrimaryProtocol::Ssl,
                },
            ]
        );
        assert_eq!(profile.host("VPN.example.com"), profile.hosts.first());
        assert_eq!(profile.host("other"), None);
    }

    #[test]
    fn refuses_documents_that_are_no_profile() {
        assert_eq!(
            ClientProfile::read("<a/>"),
            Err(InvalidProfile::Root("a".to_string()))
        );
        let nameless =
            "<AnyConnectProfile><ServerList><HostEntry/></ServerList></AnyConnectProfile>";
        assert_eq!(
            ClientProfile::read(nameless),
            Err(InvalidProfile::Missing {
                element: "HostName",
                inside: "HostEntry"
            })
        );
        let odd = SEED.replace("EAP-AnyConnect", "EAP-TLS");
        assert_eq!(
            ClientProfile::read(&odd),
            Err(InvalidProfile::Value {
                element: "AuthMethodDuringIKENegotiation",
                value: "EAP-TLS".to_string()
            })
        );
        for cut in 0..SEED.len() {
            assert!(ClientProfile::read(&SEED[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn bounds_size_depth_nodes_and_entities() {
        let big = " ".repeat(DOCUMENT_LIMIT + 1);
        assert_eq!(
            ClientProfile::read(&big),
            Err(InvalidProfile::Size(DOCUMENT_LIMIT + 1))
        );
        let deep = format!(
            "<AnyConnectProfile>{}{}</AnyConnectProfile>",
            "<a>".repeat(100),
            "</a>".repeat(100)
        );
        assert_eq!(ClientProfile::read(&deep), Err(InvalidProfile::Depth));
        let many = format!(
            "<AnyConnectProfile>{}</AnyConnectProfile>",
            "<a/>".repeat(30_000)
        );
        assert!(matches!(
            ClientProfile::read(&many),
            Err(InvalidProfile::Xml(_))
        ));
        let bomb = "<!DOCTYPE b [<!ENTITY x \"y\">]><AnyConnectProfile>&x;</AnyConnectProfile>";
        assert!(matches!(
            ClientProfile::read(bomb),
            Err(InvalidProfile::Xml(_))
        ));
    }
}

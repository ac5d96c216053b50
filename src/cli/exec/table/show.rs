//! Commands that show what the headend keeps beside sessions, and whose steps `debug` tells.

use super::{
    super::{
        super::show::{DiagnoseFilter, IpsecSaFilter, IpsecSaQuery, MethodLists},
        Condition, ExecCommand, KeyKind, Show,
    },
    Kind, Node, Token, Values, any_interface, interfaces, neighbors, number_of_session, refused,
    show, virtual_access,
};

pub(super) const AAA: Node = Node::word("aaa", "Show AAA values").then(&[
    Node::word("local", "Show AAA local method options").then(&[Node::word(
        "user",
        "Show AAA local user options",
    )
    .then(&[
        Node::word("lockout", "Show the users that are locked out").run(|_| show(Show::AaaLockout))
    ])]),
    Node::word("method-lists", "Show method lists").then(&[
        Node::word("accounting", "Show accounting method lists")
            .run(|_| show(Show::AaaMethodLists(MethodLists::Accounting))),
        Node::word("all", "Show all method lists")
            .run(|_| show(Show::AaaMethodLists(MethodLists::All))),
        Node::word("authentication", "Show authentication method lists")
            .run(|_| show(Show::AaaMethodLists(MethodLists::Authentication))),
        Node::word("authorization", "Show authorization method lists")
            .run(|_| show(Show::AaaMethodLists(MethodLists::Authorization))),
    ]),
    Node::word("sessions", "Show AAA sessions").run(|_| show(Show::AaaSessions)),
]);

pub(super) const CALL: Node =
    Node::word("call", "Show crypto call admission info").then(&[Node::word(
        "admission",
        "Show crypto call admission info",
    )
    .then(&[
        Node::word("statistics", "Show crypto call admission statistics")
            .run(|_| show(Show::CallAdmission)),
    ])]);

pub(super) const DEBUG_CONDITION: Node =
    Node::word("debug-condition", "Show the conditions of crypto debugging")
        .run(|_| show(Show::DebugCondition));

const PKI_NAME: &str = "Trustpoint name";
const PKI_VERBOSE: &str = "Show certificates in detail";
const PKI_STATUS: &str = "Show the state of trustpoints";

/// A trustpoint's name may stand before or behind the word for details: releases differ.
pub(super) const PKI: Node =
    Node::word("pki", "Show PKI").then(&[
        Node::word("certificates", "Show certificates")
            .run(|_| certificates(false, None))
            .then(&[
                Node::word("verbose", PKI_VERBOSE)
                    .run(|_| certificates(true, None))
                    .then(&[Node::value(Token::Name, PKI_NAME)
                        .run(|values| certificates(true, values.text))]),
                Node::value(Token::Name, PKI_NAME)
                    .run(|values| certificates(false, values.text))
                    .then(&[Node::word("verbose", PKI_VERBOSE)
                        .run(|values| certificates(true, values.text))]),
            ]),
        refused::PKI_COUNTERS,
        refused::PKI_CRLS,
        refused::PKI_SERVER,
        refused::PKI_TIMERS,
        Node::word("trustpoints", "Show trustpoints")
            .run(|_| trustpoints(false, None))
            .then(&[
                Node::word("status", PKI_STATUS)
                    .run(|_| trustpoints(true, None))
                    .then(&[Node::value(Token::Name, PKI_NAME)
                        .run(|values| trustpoints(true, values.text))]),
                Node::value(Token::Name, PKI_NAME)
                    .run(|values| trustpoints(false, values.text))
                    .then(&[Node::word("status", PKI_STATUS)
                        .run(|values| trustpoints(true, values.text))]),
            ]),
    ]);

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
fn certificates(verbose: bool, name: Option<String>) -> Option<ExecCommand> {
    Some(ExecCommand::Show(Show::PkiCertificates { verbose, name }))
}

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
fn trustpoints(status: bool, name: Option<String>) -> Option<ExecCommand> {
    Some(ExecCommand::Show(Show::PkiTrustpoints { status, name }))
}

pub(super) const KEY: Node = Node::word("key", "Show long term public keys").then(&[Node::word(
    "mypubkey",
    "Show public keys associated with this router",
)
.then(&[
    Node::word("ec", "Show EC public keys").run(|_| show(Show::MyPublicKeys(KeyKind::Ec))),
    Node::word("rsa", "Show RSA public keys").run(|_| show(Show::MyPublicKeys(KeyKind::Rsa))),
])]);

pub(super) const DIAGNOSE: Node = Node::word(
    "diagnose",
    "Shows the last attempts of clients, and why they failed",
)
.run(|_| show(Show::Ikev2Diagnose(None)))
.then(&[
    Node::word("error", "Why attempts failed, and how many did")
        .run(|_| show(Show::Ikev2DiagnoseError)),
    Node::word("peer", "Attempts from an address").then(&[Node::value(
        Token::Address,
        "Peer address",
    )
    .run(|values| {
        show(Show::Ikev2Diagnose(Some(DiagnoseFilter::Peer(
            values.address?,
        ))))
    })]),
    Node::word("username", "Attempts of a user").then(&[Node::value(Token::Name, "Username").run(
        |values| {
            show(Show::Ikev2Diagnose(Some(DiagnoseFilter::Username(
                values.text?,
            ))))
        },
    )]),
]);

const INTERFACE_DESCRIPTION: Node = Node::word("description", "Show interface description")
    .run(|values| show(Show::InterfaceDescription(values.interface)));

pub(super) const INTERFACES: Node = Node::word("interfaces", "Interface status and configuration")
    .run(interface)
    .then(any_interface!(
        interface,
        then & [
            Node::word("configuration", "Show the lines of the interface")
                .run(|values| show(Show::InterfaceLines(values.interface?))),
            INTERFACE_DESCRIPTION,
        ],
        beside[INTERFACE_DESCRIPTION]
    ));

fn interface(values: Values) -> Option<ExecCommand> {
    show(Show::Interfaces(values.interface))
}

/// Of both families.
pub(super) const ALL_ACCESS_LISTS: Node = Node::word("access-lists", "List access lists")
    .run(|values| show(Show::AccessLists { name: values.text }))
    .then(&[Node::value(Token::Name, "Access list name or number")
        .run(|values| show(Show::AccessLists { name: values.text }))]);

const IP_BRIEF: &str = "Brief summary of IP status and configuration";

/// The word for the summary may stand before or behind the interface: releases differ.
pub(super) const IP_INTERFACE: Node =
    Node::word("interface", "IP interface status and configuration")
        .run(ip_interface)
        .then(any_interface!(
            ip_interface,
            then & [Node::word("brief", IP_BRIEF).run(ip_brief)],
            beside[Node::word("brief", IP_BRIEF)
                .run(ip_brief)
                .then(any_interface!(ip_brief, then &[], beside []))]
        ));

fn ip_interface(values: Values) -> Option<ExecCommand> {
    show(Show::IpInterface(values.interface))
}

fn ip_brief(values: Values) -> Option<ExecCommand> {
    show(Show::InterfaceBrief(values.interface))
}

/// There are no SAs of IKEv1, and a router without any says so by its headings.
pub(super) const ISAKMP: Node = Node::word("isakmp", "Show ISAKMP").then(&[Node::word(
    "sa",
    "Show ISAKMP Security Associations",
)
.run(|_| show(Show::IsakmpSa))]);

/// There are none, and who looks for one looks for what is in its place.
pub(super) const CRYPTO_MAP: Node = Node::word("map", "Crypto maps (not here: IPsec profiles)").run(|_| {
    Some(ExecCommand::Instead(
        "show crypto map",
        "an IPsec profile protects each Virtual-Template: 'show crypto ipsec profile', and for sessions 'show crypto ipsec sa'",
    ))
});

pub(super) const RUNNING_CONFIG_INTERFACE: Node =
    Node::word("interface", "Show interface configuration").then(any_interface!(
        running_config_interface,
        then &[],
        beside []
    ));

fn running_config_interface(values: Values) -> Option<ExecCommand> {
    show(Show::RunningConfigInterface(values.interface?))
}

pub(super) const ACCESS_LISTS: Node = Node::word("access-lists", "List IP access lists")
    .run(|values| show(Show::IpAccessLists { name: values.text }))
    .then(&[Node::value(Token::Name, "Access list name or number")
        .run(|values| show(Show::IpAccessLists { name: values.text }))]);

pub(super) const NAT: Node = Node::word("nat", "IP NAT information").then(&[
    Node::word("statistics", "Translation statistics").run(|_| show(Show::IpNatStatistics)),
    Node::word("translations", "Translation entries")
        .run(|_| Some(ExecCommand::ShowNatTranslations)),
]);

/// `debug crypto condition …`
pub(super) const CONDITION: Node = Node::word("condition", "Define the conditions of debugging")
    .then(&[
        Node::word("peer", "IKE peer").then(&[
            Node::word("ipv4", "IPv4 address of the peer").then(&[Node::value(
                Token::AddressV4,
                "Peer address",
            )
            .run(|values| condition(Condition::Peer(values.address?), values.off))]),
            Node::word("ipv6", "IPv6 address of the peer").then(&[Node::value(
                Token::AddressV6,
                "Peer address",
            )
            .run(|values| condition(Condition::Peer(values.address?), values.off))]),
        ]),
        Node::word("reset", "Delete all conditions")
            .run(|_| Some(ExecCommand::DebugConditionReset)),
        Node::word("username", "User of a session").then(&[Node::value(Token::Name, "Username")
            .run(|values| condition(Condition::Username(values.text?), values.off))]),
    ]);

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
const fn condition(condition: Condition, off: bool) -> Option<ExecCommand> {
    Some(ExecCommand::DebugCondition(condition, !off))
}

const IPSEC_DETAIL: &str = "Show counters detail";
const IPSEC_INTERFACE: &str = "Show all SAs created for an interface";
const IPSEC_PEER: &str = "Show all SAs created with a peer";

/// The word for details may stand before or behind the rest: releases differ.
pub(super) const IPSEC_SA: Node = Node::word("sa", "IPSEC SA table")
    .run(|_| ipsec_sa(false, None))
    .then(&[
        Node::word("count", "IPSEC SA count").run(|_| show(Show::IpsecSaCount)),
        Node::word("detail", IPSEC_DETAIL)
            .run(|_| ipsec_sa(true, None))
            .then(&[
                Node::word("interface", IPSEC_INTERFACE).then(virtual_access!(|values| {
                    ipsec_sa_of_interface(true, &values)
                })),
                Node::word("peer", IPSEC_PEER).then(&[Node::value(Token::Address, "Peer address")
                    .run(|values| ipsec_sa(true, Some(IpsecSaFilter::Peer(values.address?))))]),
            ]),
        Node::word("interface", IPSEC_INTERFACE).then(virtual_access!(
            |values| ipsec_sa_of_interface(false, &values),
            then & [Node::word("detail", IPSEC_DETAIL)
                .run(|values| ipsec_sa_of_interface(true, &values))]
        )),
        Node::word("peer", IPSEC_PEER).then(&[Node::value(Token::Address, "Peer address")
            .run(|values| ipsec_sa(false, Some(IpsecSaFilter::Peer(values.address?))))
            .then(&[Node::word("detail", IPSEC_DETAIL)
                .run(|values| ipsec_sa(true, Some(IpsecSaFilter::Peer(values.address?))))])]),
    ]);

const fn ipsec_sa(detail: bool, filter: Option<IpsecSaFilter>) -> Option<ExecCommand> {
    show(Show::IpsecSa(IpsecSaQuery { detail, filter }))
}

fn ipsec_sa_of_interface(detail: bool, values: &Values) -> Option<ExecCommand> {
    let interface = number_of_session(values)?;
    ipsec_sa(detail, Some(IpsecSaFilter::Interface(interface)))
}

pub(super) const IP_ROUTE: Node = Node::word("route", "IP routing table")
    .run(|_| show(Show::IpRoute(None)))
    .then(&[Node::value(
        Token::AddressV4,
        "Network to display information about from the routing table",
    )
    .run(|values| show(Show::IpRoute(Some(values.address?))))]);

pub(super) const IPV6: Node = Node::word("ipv6", "IPv6 information").then(&[
    Node::word("access-list", "Summary of access lists")
        .run(|values| show(Show::Ipv6AccessLists { name: values.text }))
        .then(&[Node::value(Token::Name, "Access list name")
            .run(|values| show(Show::Ipv6AccessLists { name: values.text }))]),
    Node::word("interface", "IPv6 interface status and configuration").then(&[Node::word(
        "brief",
        "Brief summary of IPv6 status and configuration",
    )
    .run(|_| show(Show::Ipv6InterfaceBrief))]),
    Node::word("local", "IPv6 local options").then(&[Node::word(
        "pool",
        "Local IPv6 prefix pools",
    )
    .run(|values| show(Show::Ipv6LocalPool { name: values.text }))
    .then(&[Node::value(Token::Name, "Name of the pool")
        .run(|values| show(Show::Ipv6LocalPool { name: values.text }))])]),
    Node::word("neighbors", "Show IPv6 neighbor cache entries").run(|_| neighbors(true, None)),
    Node::word("route", "Show IPv6 route table entries")
        .run(|_| show(Show::Ipv6Route(None)))
        .then(&[Node::value(Token::AddressV6, "IPv6 address")
            .run(|values| show(Show::Ipv6Route(Some(values.address?))))]),
]);

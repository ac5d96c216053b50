//! `ipv6 access-list`.

use alloc::{boxed::Box, string::String};

use super::{
    Args, Edit,
    acl::{ANY, Form, HOST, PORTS, REMARK_HELP, insert},
};
use crate::{
    error::Diagnostic,
    model::{
        Located,
        acl::{Decision, LAST_SEQUENCE},
        acl6::{Ipv6AccessEntry, Ipv6AccessList},
        net::Ipv6Net,
    },
    tree::{ModeKind, Node, Token},
};

pub(super) const OPEN: Node = Node::word("access-list", "Configure access lists").then(&[
    Node::refused("log-update", "logging by access list"),
    Node::refused("role-based", "role-based access lists"),
    Node::name("User selected string identifying this access list")
        .opens(&[ModeKind::Ipv6AccessList])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::Ipv6AccessList,
                &name,
                |candidate| &mut candidate.ipv6_access_lists,
                Ipv6AccessList::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            let lists = &mut edit.candidate.ipv6_access_lists;
            lists.remove(name.value.as_str());
            Ok(())
        }),
]);

pub(super) const ENTRIES: &[Node] = &[
    Node::word("sequence", "Sequence number for this entry").then(&[Node::number(
        1,
        LAST_SEQUENCE,
        "Sequence number for this entry",
    )
    .then(&[REMARK, RULE])
    .unset(remove_entry)]),
    REMARK,
    RULE,
];

const REMARK: Node = Node::word("remark", REMARK_HELP).then(&[Node::value(
    Token::Line,
    "Comment up to 100 characters",
)
.set(add_entry)
.unset(remove_entry)]);

const RULE: Node = Node::choice(Decision::KEYWORDS).then(&[
    Node::word("ipv6", "Any IPv6").then(&[
        Node::choice(ANY).then(LAST_ADDRESS),
        Node::choice(HOST).then(&[Node::value(Token::Ipv6, "Source address").then(LAST_ADDRESS)]),
        Node::value(Token::Ipv6Net, "Source prefix").then(LAST_ADDRESS),
    ]),
    Node::refused("ahp", PORTS),
    Node::refused("esp", PORTS),
    Node::refused("hbh", PORTS),
    Node::refused("icmp", PORTS),
    Node::refused("object-group", "object groups"),
    Node::refused("sctp", PORTS),
    Node::refused("tcp", PORTS),
    Node::refused("udp", PORTS),
]);

const LAST_ADDRESS: &[Node] = &[
    Node::choice(ANY)
        .set(add_entry)
        .unset(remove_entry)
        .then(AFTER),
    Node::choice(HOST).then(&[Node::value(Token::Ipv6, "Destination address")
        .set(add_entry)
        .unset(remove_entry)
        .then(AFTER)]),
    Node::value(Token::Ipv6Net, "Destination prefix")
        .set(add_entry)
        .unset(remove_entry)
        .then(AFTER),
];

const AFTER: &[Node] = &[
    // Where a router of before IOS-XE 16 prints the number.
    Node::word("sequence", "Sequence number for this entry").then(&[Node::number(
        1,
        LAST_SEQUENCE,
        "Sequence number for this entry",
    )
    .set(add_entry)
    .unset(remove_entry)]),
    Node::refused("log", "logging by access list"),
    Node::refused("log-input", "logging by access list"),
    Node::refused("time-range", "time ranges"),
    Node::refused("fragments", PORTS),
    Node::refused("dest-option", PORTS),
    Node::refused("dscp", PORTS),
    Node::refused("flow-label", PORTS),
    Node::refused("mobility", PORTS),
    Node::refused("routing", PORTS),
];

fn add_entry(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (number, entry) = entry(args)?;
    let at = edit.at.clone();
    insert(&mut edit.ipv6_access_list()?.entries, number, entry, at)
}

fn remove_entry(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let list = edit.ipv6_access_list()?;
    if let Some(number) = args.maybe_number::<u32>() {
        list.entries.remove(&number.value);
        return Ok(());
    }
    let (_, entry) = entry(args)?;
    list.entries.retain(|_, known| known.value != entry);
    Ok(())
}

fn entry(args: &mut Args<'_>) -> Result<(Option<Located<u32>>, Ipv6AccessEntry), Box<Diagnostic>> {
    let first = args.maybe_number::<u32>();
    if args.has("remark") {
        return Ok((first, Ipv6AccessEntry::Remark(String::from(args.rest()))));
    }
    let decision = args.keyword(Decision::from_keyword)?.value;
    let source = address(args)?;
    let destination = address(args)?;
    let number = first.or_else(|| args.maybe_number());
    let rule = Ipv6AccessEntry::Rule {
        decision,
        source,
        destination,
    };
    Ok((number, rule))
}

fn address(args: &mut Args<'_>) -> Result<Ipv6Net, Box<Diagnostic>> {
    let form = args.maybe_keyword(Form::from_keyword);
    match form.map(|form| form.value) {
        Some(Form::Any) => Ok(Ipv6Net::ANY),
        Some(Form::Host) => Ok(Ipv6Net::host(args.ipv6()?.value)),
        None => args.ipv6_net(),
    }
}

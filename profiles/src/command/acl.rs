//! `ip access-list` and `access-list`.

use alloc::{boxed::Box, collections::BTreeMap, format, string::String};

use super::{Args, Edit, Mode, objection};
use crate::{
    error::{Diagnostic, Fault, Span},
    model::{
        Keyword, Located, Standing,
        acl::{
            AccessEntry, AccessList, AccessListKind, AddressMatch, Decision, LAST_SEQUENCE,
            next_sequence,
        },
        name::Name,
    },
    tree::{ModeKind, Node, Token},
};

pub(super) const LINES: &[Node] =
    &[
        Node::choice(AccessListKind::KEYWORDS).then(&[Node::name("Access-list name or number")
            .opens(&[ModeKind::StandardAccessList, ModeKind::ExtendedAccessList])
            .set(|edit, args| {
                let kind = args.keyword(AccessListKind::from_keyword)?.value;
                let name = args.name()?;
                open(edit, kind, &name)
            })
            .unset(|edit, args| {
                let _ = args.keyword(AccessListKind::from_keyword)?;
                let name = args.name()?;
                edit.candidate.access_lists.remove(name.value.as_str());
                Ok(())
            })]),
    ];

/// The older form: every entry names its list by number.
pub(super) const NUMBERED: &[Node] =
    &[
        Node::word("access-list", "Add an access list entry").then(&[
            Node::number(1, 99, "IP standard access list")
                .then(STANDARD_RULES)
                .unset(remove_numbered),
            Node::number(1300, 1999, "IP standard access list (expanded range)")
                .then(STANDARD_RULES)
                .unset(remove_numbered),
            Node::number(100, 199, "IP extended access list")
                .then(EXTENDED_RULES)
                .unset(remove_numbered),
            Node::number(2000, 2699, "IP extended access list (expanded range)")
                .then(EXTENDED_RULES)
                .unset(remove_numbered),
        ]),
    ];

pub(super) const STANDARD: &[Node] = &[
    Node::number(1, LAST_SEQUENCE, "Sequence Number")
        .then(STANDARD_RULES)
        .unset(remove_entry),
    REMARK,
    STANDARD_RULE,
];

pub(super) const EXTENDED: &[Node] = &[
    Node::number(1, LAST_SEQUENCE, "Sequence Number")
        .then(EXTENDED_RULES)
        .unset(remove_entry),
    REMARK,
    EXTENDED_RULE,
];

const STANDARD_RULES: &[Node] = &[REMARK, STANDARD_RULE];
const EXTENDED_RULES: &[Node] = &[REMARK, EXTENDED_RULE];

pub(super) const REMARK_HELP: &str = "Access list entry comment";

const REMARK: Node = Node::word("remark", REMARK_HELP).then(&[Node::value(
    Token::Line,
    "Comment up to 100 characters",
)
.set(add_entry)
.unset(remove_entry)]);

const STANDARD_RULE: Node = Node::choice(Decision::KEYWORDS).then(LAST_ADDRESS);

const EXTENDED_RULE: Node = Node::choice(Decision::KEYWORDS).then(&[
    Node::word("ip", "Any Internet Protocol").then(&[
        Node::choice(ANY).then(LAST_ADDRESS),
        Node::choice(HOST).then(&[Node::value(Token::Ipv4, "Source address").then(LAST_ADDRESS)]),
        Node::value(Token::Ipv4, "Source address").then(&[Node::value(
            Token::Wildcard,
            "Source wildcard bits",
        )
        .then(LAST_ADDRESS)]),
        Node::refused("object-group", "object groups"),
    ]),
    Node::refused("ahp", PORTS),
    Node::refused("eigrp", PORTS),
    Node::refused("esp", PORTS),
    Node::refused("gre", PORTS),
    Node::refused("icmp", PORTS),
    Node::refused("igmp", PORTS),
    Node::refused("ipinip", PORTS),
    Node::refused("object-group", "object groups"),
    Node::refused("ospf", PORTS),
    Node::refused("pim", PORTS),
    Node::refused("sctp", PORTS),
    Node::refused("tcp", PORTS),
    Node::refused("udp", PORTS),
]);

pub(super) const PORTS: &str = "access lists by protocol and port (here they name networks)";

/// The last address of an entry. An address without a wildcard, which standard lists allow, is a
/// host; extended lists refuse it in their action.
const LAST_ADDRESS: &[Node] = &[
    Node::choice(ANY)
        .set(add_entry)
        .unset(remove_entry)
        .then(AFTER),
    Node::choice(HOST).then(&[Node::value(Token::Ipv4, "Host address")
        .set(add_entry)
        .unset(remove_entry)
        .then(AFTER)]),
    Node::value(Token::Ipv4, "Address to match")
        .set(add_entry)
        .unset(remove_entry)
        .then(&[
            Node::value(Token::Wildcard, "Wildcard bits")
                .set(add_entry)
                .unset(remove_entry)
                .then(AFTER),
            Node::refused("log", "logging by access list"),
        ]),
    Node::refused("object-group", "object groups"),
];

pub(super) const AFTER: &[Node] = &[
    Node::refused("log", "logging by access list"),
    Node::refused("log-input", "logging by access list"),
    Node::refused("time-range", "time ranges"),
    Node::refused("fragments", PORTS),
    Node::refused("option", PORTS),
    Node::refused("dscp", PORTS),
    Node::refused("tos", PORTS),
    Node::refused("ttl", PORTS),
    Node::refused("precedence", PORTS),
];

pub(super) const ANY: &[Keyword] = &[Keyword {
    word: "any",
    help: "Any host",
    standing: Standing::Served,
}];
pub(super) const HOST: &[Keyword] = &[Keyword {
    word: "host",
    help: "A single host address",
    standing: Standing::Served,
}];

/// The words in front of an address.
pub(super) enum Form {
    Any,
    Host,
}

impl Form {
    pub(super) fn from_keyword(word: &str) -> Option<Self> {
        match word {
            "any" => Some(Self::Any),
            "host" => Some(Self::Host),
            _ => None,
        }
    }
}

fn open(
    edit: &mut Edit<'_>,
    kind: AccessListKind,
    name: &Located<Name>,
) -> Result<(), Box<Diagnostic>> {
    if let Some(known) = edit.candidate.access_lists.entry(name.value.as_str())
        && known.value.kind != kind
    {
        let why = format!("the access list is {}", known.value.kind);
        let note = "it was made here";
        let fault = objection(Fault::Conflict, name.at.clone(), why);
        return Err(fault.beside(known.at.clone(), note).into());
    }
    // A number says of which kind a list is.
    let number = name.value.as_str().parse::<u32>().ok();
    let fits = number.is_none_or(|number| match kind {
        AccessListKind::Standard => matches!(number, 1..=99 | 1300..=1999),
        AccessListKind::Extended => matches!(number, 100..=199 | 2000..=2699),
    });
    if !fits {
        let ranges = match kind {
            AccessListKind::Standard => ["<1-99>", "<1300-1999>", "WORD"],
            AccessListKind::Extended => ["<100-199>", "<2000-2699>", "WORD"],
        };
        let why = format!("not the number of a list that is {kind}");
        let fault = objection(Fault::Value, name.at.clone(), why);
        return Err(fault.expecting(ranges.map(String::from)).into());
    }
    let mode = match kind {
        AccessListKind::Standard => ModeKind::StandardAccessList,
        AccessListKind::Extended => ModeKind::ExtendedAccessList,
    };
    edit.open(
        mode,
        name,
        |c| &mut c.access_lists,
        || AccessList::new(kind),
    );
    Ok(())
}

fn add_entry(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let before = edit.mode.clone();
    let lists = edit.candidate.access_lists.len();
    let added = add_to_list(edit, args);
    // `access-list 10 permit …` does not lead into the list.
    let entered = core::mem::replace(edit.mode, before);
    // A line that is refused makes no list.
    if added.is_err()
        && edit.candidate.access_lists.len() > lists
        && let Mode::Object(_, name) = entered
    {
        edit.candidate.access_lists.remove(name.as_str());
    }
    added
}

fn add_to_list(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (number, entry) = numbered_entry(edit, args)?;
    let at = edit.at.clone();
    insert(&mut edit.access_list()?.entries, number, entry, at)
}

/// Puts an entry into a list of either family, under its number or behind the last one.
pub(super) fn insert<E: PartialEq>(
    entries: &mut BTreeMap<u32, Located<E>>,
    number: Option<Located<u32>>,
    entry: E,
    at: Span,
) -> Result<(), Box<Diagnostic>> {
    let sequence = match number {
        Some(number) => match entries.get(&number.value) {
            Some(known) if known.value == entry => return Ok(()),
            Some(known) => {
                let why = "another entry has this sequence number";
                let fault = objection(Fault::Conflict, number.at, why);
                return Err(fault.beside(known.at.clone(), "that entry").into());
            }
            None => number.value,
        },
        // A line pasted twice is one entry.
        None if entries.values().any(|known| known.value == entry) => return Ok(()),
        None => next_sequence(entries)
            .ok_or_else(|| objection(Fault::Limit, at.clone(), "no sequence number is left"))?,
    };
    entries.insert(sequence, Located::new(entry, at));
    Ok(())
}

fn remove_entry(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    if let Mode::Global = edit.mode {
        // A router takes the whole list away, whatever entry stands in the line.
        return remove_numbered(edit, args);
    }
    if let Some(number) = args.maybe_number::<u32>() {
        edit.access_list()?.entries.remove(&number.value);
        return Ok(());
    }
    let (_, entry) = numbered_entry(edit, args)?;
    edit.access_list()?
        .entries
        .retain(|_, known| known.value != entry);
    Ok(())
}

fn remove_numbered(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let number: u32 = args.number()?;
    edit.candidate.access_lists.remove(&format!("{number}"));
    Ok(())
}

/// Reads an entry. Outside a list, its first number names the list, which is entered for this
/// line; inside one, it is the sequence number.
fn numbered_entry(
    edit: &mut Edit<'_>,
    args: &mut Args<'_>,
) -> Result<(Option<Located<u32>>, AccessEntry), Box<Diagnostic>> {
    let mut number = args.maybe_number::<u32>();
    if let Mode::Global = edit.mode
        && let Some(list) = number.take()
    {
        let name = Name::new(&format!("{}", list.value))
            .map_err(|why| objection(Fault::Internal, list.at.clone(), format!("{why}")))?;
        let standard = matches!(list.value, 1..=99 | 1300..=1999);
        let kind = if standard {
            AccessListKind::Standard
        } else {
            AccessListKind::Extended
        };
        open(edit, kind, &Located::new(name, list.at))?;
    }
    if args.has("remark") {
        return Ok((number, AccessEntry::Remark(String::from(args.rest()))));
    }
    let decision = args.keyword(Decision::from_keyword)?.value;
    let extended = edit.access_list()?.kind == AccessListKind::Extended;
    let source = address(edit, args)?;
    let destination = if extended {
        address(edit, args)?
    } else {
        AddressMatch::ANY
    };
    Ok((
        number,
        AccessEntry::Rule {
            decision,
            source,
            destination,
        },
    ))
}

fn address(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<AddressMatch, Box<Diagnostic>> {
    match args
        .maybe_keyword(Form::from_keyword)
        .map(|form| form.value)
    {
        Some(Form::Any) => return Ok(AddressMatch::ANY),
        Some(Form::Host) => return Ok(AddressMatch::host(args.ipv4()?.value)),
        None => {}
    }
    let address = args.ipv4()?.value;
    match args.maybe_wildcard() {
        Some(wildcard) => Ok(AddressMatch::new(address, wildcard)),
        // Extended lists have no short form for a host.
        None if edit.access_list()?.kind == AccessListKind::Extended => {
            Err(edit.incomplete("A.B.C.D (wildcard mask)"))
        }
        None => Ok(AddressMatch::host(address)),
    }
}

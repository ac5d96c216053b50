//! `config-auth` as XML: bounds, reading, writing. The types stand in [`super::config_auth`].
//!
//! Octets become a tree in this order, each step cheaper than the next: length, UTF-8, a scan for
//! what is refused outright ([`bounds`]), and only then the XML library. It sees no document type
//! declaration and no entity of the peer's, so there is nothing to expand and nothing to fetch.

mod bounds;
mod emit;
mod opaque;
mod parse;
mod tree;
mod writer;

use alloc::string::String;

pub(crate) use emit::emit;
pub use opaque::Opaque;
pub(crate) use parse::parse;
pub(crate) use writer::is_xml;

/// Octets of a document. A TLV's length field ends one octet below it.
pub(crate) const MAX_DOCUMENT: usize = 65_536;

/// Elements within one another. The captures' deepest document has eight.
pub(crate) const MAX_DEPTH: usize = 32;

/// Nodes: elements, texts, comments and processing instructions.
pub(crate) const MAX_NODES: u32 = 4_096;

/// Attributes of one element: an XML reader compares each with each.
pub(crate) const MAX_ATTRIBUTES: usize = 64;

/// Namespace declarations of a document, which needs none. An XML reader may copy the list of those
/// in force for each element that adds one: a document of 64 KiB that does so took 18 s without
/// this bound.
pub(crate) const MAX_NAMESPACES: usize = 8;

/// Octets of a name, an identifier, a path.
pub(crate) const MAX_FIELD: usize = 512;

/// Octets of a title, a banner, a message.
pub(crate) const MAX_TEXT: usize = 4_096;

/// Entries of a list: groups, inputs, MAC addresses, capabilities.
pub(crate) const MAX_ENTRIES: usize = 256;

/// Why octets are not the document they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// More than 65,536 octets.
    #[error("document of {octets} octets, at most {MAX_DOCUMENT} are read")]
    TooLong {
        /// The document's length.
        octets: usize,
    },
    /// Not UTF-8.
    #[error("document is not UTF-8 after its first {valid} octets")]
    NotUtf8 {
        /// Octets before the first wrong one.
        valid: usize,
    },
    /// A document type declaration, which could define entities or name files to fetch.
    #[error("document type declaration at octet {offset} refused")]
    DoctypeRefused {
        /// Where it starts.
        offset: usize,
    },
    /// A reference to an entity other than `lt`, `gt`, `amp`, `apos`, `quot` and characters by
    /// number.
    #[error("entity reference at octet {offset} refused: only the five predefined ones are known")]
    EntityRefused {
        /// Where it starts.
        offset: usize,
    },
    /// Elements nested more than 32 deep.
    #[error("element at octet {offset} is nested more than {MAX_DEPTH} deep")]
    TooDeep {
        /// Where the element starts.
        offset: usize,
    },
    /// More than 64 attributes in one element.
    #[error("element at octet {offset} has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes {
        /// Where the element starts.
        offset: usize,
    },
    /// More than 8 namespace declarations.
    #[error("element at octet {offset} declares a namespace beyond the {MAX_NAMESPACES}th")]
    TooManyNamespaces {
        /// Where the element starts.
        offset: usize,
    },
    /// More than 4,096 nodes.
    #[error("document has more than {MAX_NODES} nodes")]
    TooManyNodes,
    /// Not well-formed XML.
    #[error("document is not well-formed XML at line {line}, column {column}")]
    NotWellFormed {
        /// From 1.
        line: u32,
        /// In characters, from 1.
        column: u32,
    },
    /// The root element is another.
    #[error("root element is not config-auth")]
    WrongRoot,
    /// The root's `type` is none of the six.
    #[error("config-auth type {shown:?} is unknown")]
    UnknownType {
        /// The attribute, cut and without control characters.
        shown: String,
    },
    /// An attribute that the document cannot do without.
    #[error("attribute {attribute} of {element} is missing")]
    MissingAttribute {
        /// Its element.
        element: &'static str,
        /// Its name.
        attribute: &'static str,
    },
    /// An element that the document cannot do without.
    #[error("element {element} is missing in {within}")]
    MissingElement {
        /// Its name.
        element: &'static str,
        /// Where it belongs.
        within: &'static str,
    },
    /// A text longer than its field takes.
    #[error("{element} is longer than {limit} octets")]
    ValueTooLong {
        /// The element or attribute.
        element: &'static str,
        /// Octets that are read.
        limit: usize,
    },
    /// A list with more entries than are read.
    #[error("more than {MAX_ENTRIES} {element} elements")]
    TooManyEntries {
        /// The repeated element.
        element: &'static str,
    },
    /// A text that is not what the field takes.
    #[error("{element} is not {expected}")]
    InvalidValue {
        /// The element or attribute.
        element: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
}

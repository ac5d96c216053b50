//! The element that travels out and comes back untouched.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};

use roxmltree::Node;

use super::{bounds, tree, writer::Writer};

/// An `opaque` element, whole, as it stood in the document: the client sends it back verbatim, the
/// headend checks what comes (docs/anyconnect-eap.md, The opaque).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    markup: String,
}

impl Opaque {
    /// An opaque for the headend (`is-for="sg"`) with one child element for each name and text.
    ///
    /// Names must be XML names; texts are escaped.
    pub fn for_gateway<'a>(children: impl IntoIterator<Item = (&'static str, &'a str)>) -> Self {
        let mut writer = Writer::with_capacity(0);
        writer.element("opaque", &[("is-for", "sg")], |writer| {
            for (name, text) in children {
                writer.text_element(name, text);
            }
        });
        Self {
            markup: (*writer.finish()).clone(),
        }
    }

    /// An empty opaque for the client itself (`is-for="vpn-client"`): no settings for its modules.
    pub fn empty_for_client() -> Self {
        Self {
            markup: "<opaque is-for=\"vpn-client\"/>".to_owned(),
        }
    }

    /// The element at `node` of the document `text`.
    pub(crate) fn of_node(text: &str, node: Node<'_, '_>) -> Self {
        Self {
            markup: text.get(node.range()).unwrap_or_default().to_owned(),
        }
    }

    /// The markup, from its start tag to its end tag.
    pub fn as_xml(&self) -> &str {
        &self.markup
    }

    /// Whether both say the same: elements, attributes and texts in order. White space between
    /// elements, comments, the order of attributes and the ways to escape a character do not count,
    /// because a client that keeps the opaque as a tree may write those anew.
    pub fn same_content(&self, other: &Self) -> bool {
        if self.markup == other.markup {
            return true;
        }
        let (Some(ours), Some(theirs)) = (content(&self.markup), content(&other.markup)) else {
            return false;
        };
        ours == theirs
    }
}

/// One step of a walk through a tree.
#[derive(PartialEq, Eq)]
enum Piece {
    Open {
        name: String,
        attributes: Vec<(String, String)>,
    },
    Text(String),
    Close,
}

/// What `markup` says, or nothing when it does not stand alone as a document (a namespace prefix
/// declared outside it, for one).
fn content(markup: &str) -> Option<Vec<Piece>> {
    let document = tree::parse(bounds::check(markup.as_bytes()).ok()?).ok()?;
    let mut pieces = Vec::new();
    walk(document.root_element(), &mut pieces);
    Some(pieces)
}

/// Depth is bounded by [`bounds::check`].
fn walk(node: Node<'_, '_>, pieces: &mut Vec<Piece>) {
    if let Some(text) = node.text().filter(|_| node.is_text()) {
        if !text.trim().is_empty() {
            pieces.push(Piece::Text(text.trim().to_owned()));
        }
    } else if node.is_element() {
        let mut attributes: Vec<_> = node
            .attributes()
            .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
            .collect();
        attributes.sort_unstable();
        pieces.push(Piece::Open {
            name: node.tag_name().name().to_owned(),
            attributes,
        });
        node.children().for_each(|child| walk(child, pieces));
        pieces.push(Piece::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opaque(markup: &str) -> Opaque {
        Opaque {
            markup: markup.into(),
        }
    }

    #[test]
    fn is_built_from_escaped_texts() {
        let built = Opaque::for_gateway([("tunnel-group", "A & B"), ("config-hash", "7")]);
        assert_eq!(
            built.as_xml(),
            "<opaque is-for=\"sg\"><tunnel-group>A &amp; B</tunnel-group><config-hash>7</config-hash></opaque>"
        );
    }

    #[test]
    fn says_the_same_however_it_is_written() {
        let original = opaque("<opaque is-for=\"sg\" v=\"1\"><a>x &amp; y</a><b/></opaque>");
        let rewritten = opaque(
            "<opaque v='1' is-for='sg'>\n <a><![CDATA[x & y]]></a><!-- c --> <b></b>\n</opaque>",
        );
        assert!(original.same_content(&rewritten));
    }

    #[test]
    fn says_something_else_when_a_text_attribute_or_element_differs() {
        let original = opaque("<opaque is-for=\"sg\"><a>x</a><b/></opaque>");
        for other in [
            "<opaque is-for=\"sg\"><a>y</a><b/></opaque>",
            "<opaque is-for=\"vpn-client\"><a>x</a><b/></opaque>",
            "<opaque is-for=\"sg\"><a>x</a></opaque>",
            "<opaque is-for=\"sg\"><a>x</a><b/><b/></opaque>",
            "<opaque is-for=\"sg\"><b/><a>x</a></opaque>",
            "<opaque is-for=\"sg\"><a>x<b/></a></opaque>",
            "<opaque is-for=\"sg\"/>",
            "<opaque",
        ] {
            assert!(!original.same_content(&opaque(other)), "{other}");
        }
    }
}

//! Small steps over the XML library's tree: children by name, texts within limits.

use alloc::string::String;

use roxmltree::{Document, Error, Node, ParsingOptions};

use super::{DocumentError, MAX_ENTRIES, MAX_FIELD, MAX_NODES, MAX_TEXT};

/// The tree of a text that [`super::bounds::check`] let pass.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, DocumentError> {
    // The scan has refused document types already; the library is told again, so that neither
    // relies on the other.
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| match error {
        Error::NodesLimitReached => DocumentError::TooManyNodes,
        other => {
            let position = other.pos();
            DocumentError::NotWellFormed {
                line: position.row,
                column: position.col,
            }
        }
    })
}

/// The first child element of that name, whatever its namespace.
pub(crate) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

/// The child elements of that name, whatever their namespace.
pub(crate) fn children<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The child elements of that name, when they are not too many.
pub(crate) fn entries<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> Result<impl Iterator<Item = Node<'a, 'input>>, DocumentError> {
    if children(node, name).nth(MAX_ENTRIES).is_some() {
        return Err(DocumentError::TooManyEntries { element: name });
    }
    Ok(children(node, name))
}

/// An element's own text, CDATA sections included, exactly.
pub(crate) fn exact_text(
    node: Node<'_, '_>,
    element: &'static str,
    limit: usize,
) -> Result<String, DocumentError> {
    let parts = || {
        node.children()
            .filter(Node::is_text)
            .filter_map(|part| part.text())
    };
    let length = parts().fold(0_usize, |length, part| length.saturating_add(part.len()));
    if length > limit {
        return Err(DocumentError::ValueTooLong { element, limit });
    }
    // Sized at once: a buffer that grew would leave copies of a password behind.
    let mut text = String::with_capacity(length);
    parts().for_each(|part| text.push_str(part));
    Ok(text)
}

/// A text to be shown: trimmed, line breaks and tabs kept, other control characters replaced by
/// U+FFFD.
///
/// Control characters are where terminal escapes begin (U+009B is legal XML), and these texts reach
/// terminals.
pub(crate) fn text(
    node: Node<'_, '_>,
    element: &'static str,
    limit: usize,
) -> Result<String, DocumentError> {
    let text = exact_text(node, element, limit)?;
    without_controls(text.trim(), &['\n', '\r', '\t'], element, limit)
}

/// The text of a child element, to be shown; absent when the child is, or has none.
pub(crate) fn child_text(
    node: Node<'_, '_>,
    name: &'static str,
) -> Result<Option<String>, DocumentError> {
    let Some(child) = child(node, name) else {
        return Ok(None);
    };
    let text = text(child, name, MAX_TEXT)?;
    Ok((!text.is_empty()).then_some(text))
}

/// A name, number or path: the element's text on one line.
pub(crate) fn field(node: Node<'_, '_>, element: &'static str) -> Result<String, DocumentError> {
    let text = exact_text(node, element, MAX_FIELD)?;
    without_controls(text.trim(), &[], element, MAX_FIELD)
}

/// The field in a child element; absent when the child is, or has none.
pub(crate) fn child_field(
    node: Node<'_, '_>,
    name: &'static str,
) -> Result<Option<String>, DocumentError> {
    let Some(child) = child(node, name) else {
        return Ok(None);
    };
    let text = field(child, name)?;
    Ok((!text.is_empty()).then_some(text))
}

/// An attribute's value as a field; absent when it is empty.
pub(crate) fn attribute(
    node: Node<'_, '_>,
    name: &'static str,
) -> Result<Option<String>, DocumentError> {
    match node.attribute(name) {
        Some(value) if value.len() > MAX_FIELD => Err(DocumentError::ValueTooLong {
            element: name,
            limit: MAX_FIELD,
        }),
        Some(value) => {
            let value = without_controls(value.trim(), &[], name, MAX_FIELD)?;
            Ok((!value.is_empty()).then_some(value))
        }
        None => Ok(None),
    }
}

/// A text with U+FFFD for each control character but those that are kept. It may be longer than before, for U+FFFD takes three octets: what is
/// held keeps to the limit too.
fn without_controls(
    text: &str,
    kept: &[char],
    element: &'static str,
    limit: usize,
) -> Result<String, DocumentError> {
    let clean = |character: char| {
        if character.is_control() && !kept.contains(&character) {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    let text: String = text.chars().map(clean).collect();
    if text.len() > limit {
        return Err(DocumentError::ValueTooLong { element, limit });
    }
    Ok(text)
}

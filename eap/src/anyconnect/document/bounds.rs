//! What is refused before the XML library sees a document.
//!
//! One pass over the octets, without memory: it knows where tags, comments, CDATA sections and
//! references are, and leaves everything else about well-formedness to the library. Where a
//! document is broken the pass simply ends, because the library will say so.

use super::{DocumentError, MAX_ATTRIBUTES, MAX_DEPTH, MAX_DOCUMENT, MAX_NAMESPACES};

const PREDEFINED_ENTITIES: [&[u8]; 5] = [b"lt;", b"gt;", b"amp;", b"apos;", b"quot;"];

/// The document as text, when it keeps the bounds of length, depth, attributes and namespaces and
/// holds no document type and no entity of its own.
pub(crate) fn check(octets: &[u8]) -> Result<&str, DocumentError> {
    if octets.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLong {
            octets: octets.len(),
        });
    }
    let text = core::str::from_utf8(octets).map_err(|error| DocumentError::NotUtf8 {
        valid: error.valid_up_to(),
    })?;
    let mut scanner = Scanner {
        octets,
        at: 0,
        namespaces: 0,
    };
    let mut depth = 0_usize;
    while let Some(markup) = scanner.next_markup()? {
        match markup {
            Markup::Open => depth = depth.saturating_add(1),
            Markup::Close => depth = depth.saturating_sub(1),
            Markup::Other => {}
        }
        if depth > MAX_DEPTH {
            return Err(DocumentError::TooDeep { offset: scanner.at });
        }
    }
    Ok(text)
}

enum Markup {
    /// A start tag that an end tag must follow.
    Open,
    /// An end tag.
    Close,
    /// A comment, CDATA section, processing instruction or empty element.
    Other,
}

struct Scanner<'a> {
    octets: &'a [u8],
    at: usize,
    /// Namespace declarations so far.
    namespaces: usize,
}

impl Scanner<'_> {
    /// Goes past the next markup; `None` at the end or where the document is broken.
    fn next_markup(&mut self) -> Result<Option<Markup>, DocumentError> {
        while let Some(&octet) = self.rest().first() {
            match octet {
                b'<' => return self.markup(),
                b'&' => self.reference()?,
                _ => self.skip(1),
            }
        }
        Ok(None)
    }

    fn markup(&mut self) -> Result<Option<Markup>, DocumentError> {
        let rest = self.rest();
        if rest.starts_with(b"<!--") {
            Ok(self.skip_past(b"-->", 4).then_some(Markup::Other))
        } else if rest.starts_with(b"<![CDATA[") {
            Ok(self.skip_past(b"]]>", 9).then_some(Markup::Other))
        } else if rest.starts_with(b"<!") {
            Err(DocumentError::DoctypeRefused { offset: self.at })
        } else if rest.starts_with(b"<?") {
            Ok(self.skip_past(b"?>", 2).then_some(Markup::Other))
        } else if rest.starts_with(b"</") {
            Ok(self.skip_past(b">", 2).then_some(Markup::Close))
        } else {
            self.start_tag()
        }
    }

    fn start_tag(&mut self) -> Result<Option<Markup>, DocumentError> {
        let offset = self.at;
        self.skip(1);
        let mut quote = None;
        let mut attributes = 0_usize;
        let mut slash = false;
        while let Some(&octet) = self.rest().first() {
            match (quote, octet) {
                (Some(open), octet) if octet == open => quote = None,
                (_, b'&') => {
                    self.reference()?;
                    continue;
                }
                (Some(_), _) => {}
                (None, b'"' | b'\'') => {
                    quote = Some(octet);
                    attributes = attributes.saturating_add(1);
                    if attributes > MAX_ATTRIBUTES {
                        return Err(DocumentError::TooManyAttributes { offset });
                    }
                }
                (None, b'>') => {
                    self.skip(1);
                    return Ok(Some(if slash { Markup::Other } else { Markup::Open }));
                }
                (None, b'x') if self.rest().starts_with(b"xmlns") => {
                    self.namespaces = self.namespaces.saturating_add(1);
                    if self.namespaces > MAX_NAMESPACES {
                        return Err(DocumentError::TooManyNamespaces { offset });
                    }
                }
                (None, _) => {}
            }
            slash = quote.is_none() && octet == b'/';
            self.skip(1);
        }
        Ok(None)
    }

    /// Goes past the ampersand of a reference that is allowed.
    fn reference(&mut self) -> Result<(), DocumentError> {
        let offset = self.at;
        self.skip(1);
        let rest = self.rest();
        if rest.starts_with(b"#")
            || PREDEFINED_ENTITIES
                .iter()
                .any(|name| rest.starts_with(name))
        {
            Ok(())
        } else {
            Err(DocumentError::EntityRefused { offset })
        }
    }

    fn rest(&self) -> &[u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    const fn skip(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets);
    }

    /// Goes past the next `end` that starts at least `opening` octets from here; false when there
    /// is none.
    fn skip_past(&mut self, end: &[u8], opening: usize) -> bool {
        let body = self.rest().get(opening..).unwrap_or_default();
        let found = body.windows(end.len()).position(|window| window == end);
        self.skip(
            found
                .unwrap_or(body.len())
                .saturating_add(opening)
                .saturating_add(end.len()),
        );
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> Option<DocumentError> {
        check(document.as_bytes()).err()
    }

    #[test]
    fn lets_ordinary_documents_pass() {
        let document = "<?xml version=\"1.0\"?>\n<a b='x > y' c=\"&lt;/&#38;\"><!-- <!x &no; --><![CDATA[<!y &no;]]>\
                        <d/>&amp;&gt;&apos;&quot;&#x41;</a>\n";
        assert_eq!(check(document.as_bytes()), Ok(document));
    }

    #[test]
    fn refuses_document_types() {
        assert_eq!(
            refused("<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"),
            Some(DocumentError::DoctypeRefused { offset: 21 })
        );
        assert_eq!(
            refused("<!ENTITY a 'b'>"),
            Some(DocumentError::DoctypeRefused { offset: 0 })
        );
    }

    #[test]
    fn refuses_entities_in_text_and_in_attributes() {
        assert_eq!(
            refused("<a>&lol;</a>"),
            Some(DocumentError::EntityRefused { offset: 3 })
        );
        assert_eq!(
            refused("<a b='&lol;'/>"),
            Some(DocumentError::EntityRefused { offset: 6 })
        );
        assert_eq!(
            refused("<a>&"),
            Some(DocumentError::EntityRefused { offset: 3 })
        );
    }

    #[test]
    fn refuses_depth_beyond_the_limit_only() {
        let nested = |depth: usize| ["<a>".repeat(depth), "</a>".repeat(depth)].concat();
        assert_eq!(refused(&nested(MAX_DEPTH)), None);
        assert_eq!(
            refused(&nested(MAX_DEPTH + 1)),
            Some(DocumentError::TooDeep { offset: 99 })
        );
        // Siblings and empty elements are not depth.
        assert_eq!(
            refused(&["<a>", &"<b></b><c x='/'></c><d/>".repeat(100), "</a>"].concat()),
            None
        );
    }

    #[test]
    fn refuses_attributes_beyond_the_limit_only() {
        let element = |count: usize| {
            let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
            format!("<a{attributes}/>")
        };
        assert_eq!(refused(&element(MAX_ATTRIBUTES)), None);
        assert_eq!(
            refused(&element(MAX_ATTRIBUTES + 1)),
            Some(DocumentError::TooManyAttributes { offset: 0 })
        );
    }

    #[test]
    fn refuses_namespaces_beyond_the_limit_only() {
        let elements = |count: usize| {
            let elements: String = (0..count)
                .map(|number| format!("<b xmlns:n{number}='u'/>"))
                .collect();
            format!("<a c='xmlns xmlns xmlns'>xmlns{elements}</a>")
        };
        assert_eq!(refused(&elements(MAX_NAMESPACES)), None);
        assert!(matches!(
            refused(&elements(MAX_NAMESPACES + 1)),
            Some(DocumentError::TooManyNamespaces { .. })
        ));
    }

    #[test]
    fn refuses_length_before_it_looks_at_an_octet() {
        assert_eq!(
            check(&[0xff; MAX_DOCUMENT + 1]),
            Err(DocumentError::TooLong {
                octets: MAX_DOCUMENT + 1
            })
        );
        assert_eq!(
            check(&[0xff; MAX_DOCUMENT]),
            Err(DocumentError::NotUtf8 { valid: 0 })
        );
        assert_eq!(
            check(b"<a>\xc3\x28</a>"),
            Err(DocumentError::NotUtf8 { valid: 3 })
        );
    }

    #[test]
    fn ends_where_a_document_is_broken() {
        for broken in [
            "<",
            "<a",
            "<a b='",
            "<!-- ",
            "<![CDATA[",
            "<?",
            "</",
            "<!-->",
        ] {
            assert_eq!(check(broken.as_bytes()), Ok(broken));
        }
    }
}

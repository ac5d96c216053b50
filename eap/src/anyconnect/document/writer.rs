//! Writes XML: elements that always close, and every text escaped.

use alloc::string::String;

use zeroize::Zeroizing;

/// A document under construction, wiped on drop.
pub(crate) struct Writer {
    out: Zeroizing<String>,
}

impl Writer {
    /// An empty document; `capacity` octets are enough for it if no copy of a secret may stay
    /// behind in a buffer that grew.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Zeroizing::new(String::with_capacity(capacity)),
        }
    }

    /// The XML declaration on a line of its own.
    pub(crate) fn declaration(&mut self) {
        self.out
            .push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    }

    /// An element around what `contents` writes; one without contents closes itself.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        contents: impl FnOnce(&mut Self),
    ) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.escaped(value);
            self.out.push('"');
        }
        let open_end = self.out.len();
        self.out.push('>');
        let before = self.out.len();
        contents(self);
        if self.out.len() == before {
            self.out.truncate(open_end);
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    /// An element without attributes around a text.
    pub(crate) fn text_element(&mut self, name: &str, text: &str) {
        self.element(name, &[], |writer| writer.escaped(text));
    }

    /// [`Self::text_element`] if there is a text.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text_element(name, text);
        }
    }

    /// An element without attributes and contents.
    pub(crate) fn empty(&mut self, name: &str) {
        self.element(name, &[], |_| {});
    }

    /// Text or an attribute's value. Quotes and white space other than the blank go by number,
    /// which both contexts take and which no reader normalises; what XML 1.0 has no way to say
    /// becomes U+FFFD.
    pub(crate) fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#9;"),
                '\n' => self.out.push_str("&#10;"),
                '\r' => self.out.push_str("&#13;"),
                character if is_xml(character) => self.out.push(character),
                _ => self.out.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    /// Markup as it is.
    pub(crate) fn verbatim(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// The document.
    pub(crate) fn finish(self) -> Zeroizing<String> {
        self.out
    }
}

/// Whether XML 1.0 (§2.2, Char) can express a character.
pub(crate) const fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_markup_is_made_of() {
        let mut writer = Writer::with_capacity(0);
        writer.element("a", &[("b", "\"<&>\t")], |writer| {
            writer.escaped("]]>\r\n'\u{1}\u{ffff}é")
        });
        assert_eq!(
            *writer.finish(),
            "<a b=\"&quot;&lt;&amp;&gt;&#9;\">]]&gt;&#13;&#10;'\u{fffd}\u{fffd}é</a>"
        );
    }

    #[test]
    fn closes_empty_elements_themselves() {
        let mut writer = Writer::with_capacity(0);
        writer.element("a", &[], |writer| {
            writer.empty("b");
            writer.text_element("c", "");
            writer.optional("d", None);
        });
        assert_eq!(*writer.finish(), "<a><b/><c/></a>");
    }
}

//! Enumerations whose spelling is the command language's.

/// One word of a set of alternatives, with its line of help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keyword {
    /// The word, in lower case.
    pub word: &'static str,
    /// What `?` says of it.
    pub help: &'static str,
    /// Whether this headend serves it.
    pub standing: Standing,
}

/// Whether a word of IOS-XE means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It does.
    Served,
    /// It is known and refused by name; the text says what it would need.
    Refused(&'static str),
}

/// Makes an enumeration from its spellings: the one place where a word, its help and its value
/// meet. Words of IOS-XE that this headend does not serve follow under `refused`.
macro_rules! keywords {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal, $help:literal;)+
        }
        refused { $($other:literal, $why:literal;)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spellings, with those that are refused by name.
            pub const KEYWORDS: &'static [$crate::model::Keyword] = &[
                $($crate::model::Keyword {
                    word: $word, help: $help, standing: $crate::model::Standing::Served,
                },)+
                $($crate::model::Keyword {
                    word: $other, help: $why, standing: $crate::model::Standing::Refused($why),
                },)*
            ];

            /// The word that stands for this value in a configuration.
            pub const fn keyword(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word spelled in full.
            pub fn from_keyword(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.keyword() == word)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.keyword())
            }
        }
    };
}

pub(crate) use keywords;

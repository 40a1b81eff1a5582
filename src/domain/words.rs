//! Enums that are one word each in tables, settings and messages.

/// Gives an enum its words, once: the list of all, the word of each, and the way back.
macro_rules! words {
    ($type:ident { $($variant:ident = $text:literal,)* }) => {
        impl $type {
            /// All there are, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word used in tables and messages.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
            /// Reads the word back.
            pub fn parse(text: &str) -> Option<Self> { match text { $($text => Some(Self::$variant),)* _ => None } }
        }
    };
}

pub(crate) use words;

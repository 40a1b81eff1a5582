//! Lists of short codes, and what people write for one of them.

/// Codes with blanks between them, and what is written for another one with the one that is meant.
pub(crate) struct CodeList {
    pub codes: &'static str,
    pub meant: &'static [(&'static str, &'static str)],
}

impl CodeList {
    /// Whether a text is one of the codes, in any case.
    pub fn has(&self, text: &str) -> bool {
        self.codes.split(' ').any(|code| code.eq_ignore_ascii_case(text))
    }

    /// The code that somebody means who writes one that is none.
    pub fn meant(&self, text: &str) -> Option<&'static str> {
        self.meant.iter().find(|(written, _)| written.eq_ignore_ascii_case(text)).map(|(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use crate::{country, language};

    #[test]
    fn codes_are_two_letters_in_order_and_what_is_meant_is_one_of_them() {
        for (list, count) in [(country::LIST, 250), (language::LIST, 184)] {
            let codes: Vec<&str> = list.codes.split(' ').collect();
            assert_eq!(codes.len(), count);
            assert!(codes.is_sorted() && codes.iter().all(|code| code.len() == 2));
            assert!(list.meant.iter().all(|(written, code)| !list.has(written) && list.has(code)));
        }
    }
}

//! Text from outside, made harmless for a format.

/// One line without control characters: every run of white space is one space.
pub fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A payee or note of a journal: `;` would begin a comment and `|` part payee and note.
pub fn journal_text(text: &str) -> String {
    one_line(text).replace(';', ",").replace('|', "/")
}

/// A transaction code between parentheses.
pub fn journal_code(text: &str) -> String {
    journal_text(text).replace('(', "[").replace(')', "]")
}

/// Value of a tag in a journal's comment: a comma would end it.
pub fn journal_tag(text: &str) -> String {
    journal_text(text).replace(',', " ")
}

/// A string of Beancount, with its quotes.
pub fn beancount_string(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A CSV field: quoted where RFC 4180 asks for it.
pub fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Text that people typed, for CSV: a leading `=`, `+`, `-` or `@` gets an apostrophe, so that no spreadsheet runs it.
pub fn csv_free_text(text: &str) -> String {
    let text = one_line(text);
    if text.starts_with(['=', '+', '-', '@']) { csv_field(&format!("'{text}")) } else { csv_field(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_by_people_can_break_out_of_its_field() {
        assert_eq!(one_line(" a\n\u{2028}b\t\u{7}c "), "a b c");
        assert_eq!(journal_text("Smith; Sons | Co\n2026-01-01 x"), "Smith, Sons / Co 2026-01-01 x");
        assert_eq!(journal_code("A) (B;"), "A] [B,");
        assert_eq!(journal_tag("CU,1"), "CU 1");
        assert_eq!(beancount_string("The \"Best\" \\ Co\n"), r#""The \"Best\" \\ Co""#);
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_free_text("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(csv_free_text("Kaffe & Co"), "Kaffe & Co");
    }
}

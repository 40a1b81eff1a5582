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

/// Value of a tag in a journal's comment: a comma would end it, a colon begin another one (`date:` moves a posting), and
/// so does a date in brackets.
pub fn journal_tag(text: &str) -> String {
    journal_text(text).replace(',', " ").replace(':', ".").replace(['[', ']'], "")
}

/// A string of Beancount, with its quotes.
pub fn beancount_string(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A CSV field, quoted where RFC 4180 asks for it. Every text that people typed, also in codes and numbers by pattern.
pub fn csv_text(text: &str) -> String {
    let guarded = no_formula(text);
    if guarded.contains(['"', ',']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

/// One line in which a leading sign of a formula has an apostrophe before it, so that no spreadsheet runs it; quotation marks
/// do not keep one from that.
pub fn no_formula(text: &str) -> String {
    let text = one_line(text);
    if text.starts_with(FORMULA_SIGNS) { format!("'{text}") } else { text }
}

/// What begins a formula in some spreadsheet, in wide letters too.
const FORMULA_SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

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
        assert_eq!(journal_tag("x [2026-01-01] date:2026-01-01"), "x 2026-01-01 date.2026-01-01");
        assert_eq!(csv_text("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_text("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(csv_text("Kaffe & Co"), "Kaffe & Co");
        for sign in FORMULA_SIGNS {
            assert!(csv_text(&format!("\t{sign}1+1")).starts_with('\''), "{sign}");
        }
    }
}

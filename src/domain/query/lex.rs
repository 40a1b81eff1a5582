//! Words of a filter.

use super::parse::Fault;

/// One word, with the byte where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub at: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Names, keywords, numbers, bare GUIDs and dates.
    Word(String),
    /// What stands between quotes, whatever its prefix.
    Quoted(String),
    Open,
    Close,
    Comma,
    Slash,
    Colon,
    End,
}

/// Cuts a text into words.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let begins = at;
        let what = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'(' => What::Open,
            b')' => What::Close,
            b',' => What::Comma,
            b'/' => What::Slash,
            b'\'' => {
                let (quoted, next) = quoted(text, at)?;
                at = next;
                tokens.push(Token { at: begins, what: What::Quoted(quoted) });
                continue;
            }
            b':' => What::Colon,
            _ => {
                let (what, next) = word(text, at)?;
                at = next;
                tokens.push(Token { at: begins, what });
                continue;
            }
        };
        at += 1;
        tokens.push(Token { at: begins, what });
    }
    tokens.push(Token { at: text.len(), what: What::End });
    Ok(tokens)
}

/// From one quote to the next; two of them stand for one.
fn quoted(text: &str, open: usize) -> Result<(String, usize), Fault> {
    let mut out = String::new();
    let mut at = open + 1;
    loop {
        let rest = &text[at..];
        let Some(end) = rest.find('\'') else {
            return Err(Fault::new(open, "a quote is not closed"));
        };
        out.push_str(&rest[..end]);
        at += end + 1;
        if !text[at..].starts_with('\'') {
            return Ok((out, at));
        }
        out.push('\'');
        at += 1;
    }
}

/// A word, or a literal with a prefix: `guid'…'`, `datetime'…'`.
fn word(text: &str, at: usize) -> Result<(What, usize), Fault> {
    const PREFIXES: [&str; 5] = ["guid", "datetime", "datetimeoffset", "time", "decimal"];
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | ':' | '$');
    let rest = &text[at..];
    let mut end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    // The colon of a lambda belongs to no word; that of a time does.
    if !rest.starts_with(|c: char| c.is_ascii_digit())
        && let Some(colon) = rest[..end].find(':')
    {
        end = colon;
    }
    if end == 0 {
        let strange = rest.chars().next().unwrap_or(' ');
        return Err(Fault::new(at, format!("`{}` means nothing here", strange.escape_default())));
    }
    let found = &rest[..end];
    if rest[end..].starts_with('\'') {
        if !PREFIXES.iter().any(|prefix| prefix.eq_ignore_ascii_case(found)) {
            return Err(Fault::new(at, format!("`{found}` is no prefix of a literal"))
                .hint("guid'…', datetime'…' and datetimeoffset'…' are read"));
        }
        let (inner, next) = quoted(text, at + end)?;
        return Ok((What::Quoted(inner), next));
    }
    Ok((What::Word(found.to_owned()), at + end))
}

//! The letters that every bank of the SEPA takes: Latin without marks, digits and a few signs.

/// Whether a text has only such letters, and neither begins nor ends with a slash or has two in a row.
pub fn is_bank_text(text: &str) -> bool {
    let is_slashed = text.starts_with('/') || text.ends_with('/') || text.contains("//");
    !text.is_empty() && !is_slashed && text.chars().all(is_taken)
}

fn is_taken(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c)
}

/// A text in those letters, at most so many: marks are left out, as people would write it; what has no such form is a point.
pub fn bank_letters(text: &str, letters_max: usize) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if is_taken(c) => written.push(c),
            '&' => written.push('+'),
            c => written.push_str(plain(c)),
        }
    }
    let mut single = written.split_whitespace().collect::<Vec<_>>().join(" ");
    while single.contains("//") {
        single = single.replace("//", "/");
    }
    let trimmed: String = single.trim_matches('/').chars().take(letters_max).collect();
    trimmed.trim_end().trim_end_matches('/').to_owned()
}

fn plain(c: char) -> &'static str {
    match c {
        'Æ' => "AE",
        'æ' | 'ä' => "ae",
        'Ä' => "Ae",
        'Ø' | 'Ö' | 'Ő' => "Oe",
        'ø' | 'ö' | 'ő' => "oe",
        'Å' => "Aa",
        'å' => "aa",
        'Ü' | 'Ű' => "Ue",
        'ü' | 'ű' => "ue",
        'ß' => "ss",
        'À' | 'Á' | 'Â' | 'Ã' | 'Ā' | 'Ă' | 'Ą' => "A",
        'à' | 'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => "a",
        'Ç' | 'Ć' | 'Č' | 'Ċ' => "C",
        'ç' | 'ć' | 'č' | 'ċ' => "c",
        'Ď' | 'Đ' | 'Ð' => "D",
        'ď' | 'đ' | 'ð' => "d",
        'È' | 'É' | 'Ê' | 'Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'Ğ' | 'Ģ' | 'Ġ' => "G",
        'ğ' | 'ģ' | 'ġ' => "g",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ī' | 'Į' | 'İ' => "I",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'Ķ' => "K",
        'ķ' => "k",
        'Ł' | 'Ľ' | 'Ļ' | 'Ĺ' => "L",
        'ł' | 'ľ' | 'ļ' | 'ĺ' => "l",
        'Ñ' | 'Ń' | 'Ň' | 'Ņ' => "N",
        'ñ' | 'ń' | 'ň' | 'ņ' => "n",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ō' => "O",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' => "o",
        'Ŕ' | 'Ř' => "R",
        'ŕ' | 'ř' => "r",
        'Ś' | 'Š' | 'Ş' | 'Ș' => "S",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'Ť' | 'Ţ' | 'Ț' => "T",
        'ť' | 'ţ' | 'ț' => "t",
        'Ù' | 'Ú' | 'Û' | 'Ū' | 'Ů' | 'Ų' => "U",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ų' => "u",
        'Ý' => "Y",
        'ý' | 'ÿ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        'Þ' => "Th",
        'þ' => "th",
        '–' | '—' => "-",
        '’' | '‘' => "'",
        _ if c.is_whitespace() => " ",
        _ => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_letters_that_every_bank_takes() {
        for (text, written) in [
            ("Bjørn Åsgård & Søn ApS", "Bjoern Aasgaard + Soen ApS"),
            ("Łódź Żółw — Größe", "Lodz Zolw - Groesse"),
            ("//a//b/", "a/b"),
            ("a///b/////c", "a/b/c"),
            ("東京  Ltd", ".. Ltd"),
        ] {
            assert_eq!(bank_letters(text, 70), written);
            assert!(is_bank_text(written));
        }
        assert_eq!(bank_letters("aaaa bbbb", 5), "aaaa");
        assert!(!is_bank_text("a//b") && !is_bank_text("æ") && !is_bank_text(""));
    }
}

//! "Did you mean …?": the nearest of the names that would have been right.

/// Candidates looked at; a hint is not worth more.
const CANDIDATES_MAX: usize = 2_000;

/// The candidate nearest to `text` if it is near enough: one edit per three letters, at least one.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = text.to_lowercase().chars().collect();
    let allowed = (wanted.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The hint for [`nearest`].
pub(super) fn did_you_mean<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(text, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// Levenshtein distance, with two swapped neighbours as one edit.
fn distance(wanted: &[char], candidate: &str) -> usize {
    let other: Vec<char> = candidate.to_lowercase().chars().collect();
    let width = other.len() + 1;
    let mut before_last: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, &a) in wanted.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, &b) in other.iter().enumerate() {
            let substituted = last[column] + usize::from(a != b);
            let mut best = substituted.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && wanted[row - 1] == b && other[column - 1] == a;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before_last = last;
        last = current;
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant_or_none() {
        let names = ["currencycode", "currencies", "fullname", "sku"];
        for (typed, meant) in [
            ("currencycod", Some("currencycode")),
            ("CurrencyCode", Some("currencycode")),
            ("fulname", Some("fullname")),
            ("suk", Some("sku")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}

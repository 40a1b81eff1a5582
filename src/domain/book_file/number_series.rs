//! Number patterns of different series must not make the same number: two invoices would have one name, and booking
//! would stop in the night in which they meet (rules I5).

use super::fault::{Faults, Place};
use crate::catalogue::{BusinessUnit, Tenant};
use std::collections::{BTreeMap, BTreeSet};

/// One character of what a pattern makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Just(char),
    Digit,
    /// A digit above 0: numbers have no zeros before them but those of the pattern.
    First,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    One(Class),
    /// Any number of digits, none too.
    Digits,
}

/// A pattern in force: whose it is, and which field says so.
struct Series<'a> {
    whose: String,
    field: &'static str,
    /// Where it was written, if it is in these files.
    place: Option<&'a Place>,
    pattern: &'a str,
}

/// The first number of a series that has begun stays what it was.
pub(super) fn check_first(
    name: &str,
    first: [(&'static str, &Option<String>, &Option<String>); 2],
    begun: &BTreeSet<String>,
    place: &Place,
    faults: &mut Faults,
) {
    for ((field, was, is), kind) in first.into_iter().zip(["invoice", "credit_note"]) {
        let series = format!("{name}{kind}");
        let is_of_it = |given: &String| {
            given.strip_prefix(&series).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if was != is && begun.iter().any(is_of_it) {
            let kept = was.as_ref().map_or("leave it out".to_owned(), |was| format!("leave it at {was}"));
            faults.hinted(&place.member(field), "cannot change: the series has given numbers", kept);
        }
    }
}

/// Refuses patterns in these files that can make a number of another series. `places` are those of the business units
/// in the files, `tenant_place` that of the tenant.
pub(super) fn check(
    tenant: &Tenant,
    units: &BTreeMap<String, BusinessUnit>,
    tenant_place: Option<&Place>,
    places: &BTreeMap<String, Place>,
    faults: &mut Faults,
) {
    const FIELDS: [&str; 2] = ["invoicenumberpattern", "creditnotenumberpattern"];
    let mut all: Vec<Series<'_>> = Vec::new();
    for (field, pattern) in
        FIELDS.into_iter().zip([&tenant.invoice_number_pattern, &tenant.credit_note_number_pattern])
    {
        all.push(Series { whose: "the tenant".to_owned(), field, place: tenant_place, pattern });
    }
    for (refkey, unit) in units {
        for (field, pattern) in
            FIELDS.into_iter().zip([&unit.invoice_number_pattern, &unit.credit_note_number_pattern])
        {
            let Some(pattern) = pattern else { continue };
            all.push(Series { whose: format!("unit `{refkey}`"), field, place: places.get(refkey), pattern });
        }
    }
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            let (said, met) = if one.place.is_some() { (one, other) } else { (other, one) };
            let Some(place) = said.place.filter(|_| can_meet(one.pattern, other.pattern)) else { continue };
            faults.hinted(
                &place.member(said.field),
                format!(
                    "`{}` can make a number of `{}`, the {} of {}",
                    said.pattern, met.pattern, met.field, met.whose
                ),
                "give each series letters of its own, for example INV-{seq:07} and CN-{seq:07}; a unit without a pattern uses the tenant's series",
            );
        }
    }
}

/// Whether two patterns can make the same text.
fn can_meet(one: &str, other: &str) -> bool {
    let (one, other) = (forms(one), forms(other));
    one.iter().any(|a| other.iter().any(|b| meet(a, b)))
}

/// What a pattern makes: with a sequence that fills its zeros, and with a longer one.
fn forms(pattern: &str) -> Vec<Vec<Atom>> {
    let mut forms: Vec<Vec<Atom>> = vec![Vec::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        let literal = before.chars().map(|c| Atom::One(Class::Just(c)));
        forms.iter_mut().for_each(|form| form.extend(literal.clone()));
        let width = name.strip_prefix("seq:0").and_then(|width| width.parse::<usize>().ok()).unwrap_or(1);
        if name == "year" {
            forms.iter_mut().for_each(|form| form.extend([Atom::One(Class::Digit); 4]));
        } else {
            let long = |form: &Vec<Atom>| {
                let digits = std::iter::repeat_n(Atom::One(Class::Digit), width - 1);
                form.iter()
                    .copied()
                    .chain([Atom::One(Class::First)])
                    .chain(digits)
                    .chain([Atom::Digits])
                    .collect()
            };
            let padded = |form: &Vec<Atom>| {
                form.iter().copied().chain(std::iter::repeat_n(Atom::One(Class::Digit), width)).collect()
            };
            let padded: Vec<Vec<Atom>> = forms.iter().filter(|_| width > 1).map(padded).collect();
            forms = forms.iter().map(long).chain(padded).collect();
        }
        rest = behind;
    }
    let literal = rest.chars().map(|c| Atom::One(Class::Just(c)));
    forms.iter_mut().for_each(|form| form.extend(literal.clone()));
    forms
}

fn meet(one: &[Atom], other: &[Atom]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([Atom::Digits, more @ ..], [Atom::One(class), rest @ ..]) => {
            meet(more, other) || (overlap(Class::Digit, *class) && meet(one, rest))
        }
        ([Atom::One(_), ..], [Atom::Digits, ..]) => meet(other, one),
        ([Atom::Digits, more @ ..], [Atom::Digits, rest @ ..]) => meet(more, other) || meet(one, rest),
        ([Atom::Digits, more @ ..], []) => meet(more, other),
        ([], [Atom::Digits, rest @ ..]) => meet(one, rest),
        ([Atom::One(a), more @ ..], [Atom::One(b), rest @ ..]) => overlap(*a, *b) && meet(more, rest),
        ([], [Atom::One(_), ..]) | ([Atom::One(_), ..], []) => false,
    }
}

fn overlap(one: Class, other: Class) -> bool {
    match (one, other) {
        (Class::Just(a), Class::Just(b)) => a == b,
        (Class::Just(c), Class::Digit) | (Class::Digit, Class::Just(c)) => c.is_ascii_digit(),
        (Class::Just(c), Class::First) | (Class::First, Class::Just(c)) => ('1'..='9').contains(&c),
        (Class::Digit | Class::First, Class::Digit | Class::First) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_some_numbers_are_one_text() {
        for (one, other) in [
            ("INV-{seq:07}", "INV-{seq:07}"),
            ("INV-{seq:07}", "INV-{seq}"),
            ("{seq}", "{seq:05}"),
            ("{year}{seq:04}", "{seq:08}"),
            ("A{seq}", "A1{seq}"),
            ("{seq}5", "1{seq}"),
        ] {
            assert!(can_meet(one, other) && can_meet(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("INV-{seq:07}", "CN-{seq:07}"),
            ("INV-{seq}", "INV-0{seq}"),
            ("{year}-{seq}", "{year}/{seq}"),
            ("{year}-{seq}", "{seq}"),
            ("{seq}", "{seq}C"),
            ("A{seq}", "B{seq}"),
        ] {
            assert!(!can_meet(one, other), "{one} {other}");
        }
    }
}

//! Statements of account: what a payer was billed and has paid, day by day, and what it came to. Pure.

use chrono::NaiveDate;
use serde::Serialize;

/// What moved a payer's account. A credit that is set against an invoice moves nothing: both stand on it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    Invoice,
    CreditNote,
    Payment,
    Refund,
    WriteOff,
}

/// One movement; above 0 the payer owes more by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub on: NaiveDate,
    pub movement: Movement,
    /// Number of the document.
    pub document: String,
    pub amount_minor: i64,
}

/// An account over some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Before the first day.
    pub opening_minor: i64,
    /// In the order of days, each with what it came to.
    pub lines: Vec<(Moved, i64)>,
    pub closing_minor: i64,
}

/// The account from the first day to the last, both included; without a first day, from its beginning.
pub fn statement(mut all: Vec<Moved>, from: Option<NaiveDate>, to: NaiveDate) -> Statement {
    all.retain(|moved| moved.on <= to);
    all.sort_by(|a, b| (a.on, a.movement, &a.document).cmp(&(b.on, b.movement, &b.document)));
    let is_before = |moved: &Moved| from.is_some_and(|from| moved.on < from);
    let opening_minor = all.iter().filter(|moved| is_before(moved)).map(|moved| moved.amount_minor).sum();
    let mut balance_minor: i64 = opening_minor;
    let mut lines = Vec::new();
    for moved in all.into_iter().filter(|moved| !is_before(moved)) {
        balance_minor += moved.amount_minor;
        lines.push((moved, balance_minor));
    }
    Statement { opening_minor, lines, closing_minor: balance_minor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
    }

    fn moved(on: u32, movement: Movement, amount_minor: i64) -> Moved {
        Moved { on: day(on), movement, document: "INV-1".to_owned(), amount_minor }
    }

    #[test]
    fn what_was_before_is_the_opening_balance_and_what_comes_after_is_left_out() {
        let all = vec![
            moved(20, Movement::Payment, -100),
            moved(1, Movement::Invoice, 100),
            moved(10, Movement::Invoice, 50),
            moved(10, Movement::Payment, -20),
            moved(31, Movement::Payment, -30),
        ];
        let of = statement(all, Some(day(5)), day(25));
        let balances: Vec<i64> = of.lines.iter().map(|(_, balance)| *balance).collect();
        assert_eq!((of.opening_minor, balances, of.closing_minor), (100, vec![150, 130, 30], 30));
        assert_eq!(
            of.lines[0].0.movement,
            Movement::Invoice,
            "what is billed on a day comes before what is paid"
        );
    }

    proptest! {
        #[test]
        fn two_halves_are_the_whole(
            all in prop::collection::vec((1_u32..31, -1_000_i64..1_000), 0..20),
            cut in 1_u32..30,
        ) {
            let all: Vec<Moved> = all.into_iter().map(|(on, amount)| moved(on, Movement::Payment, amount)).collect();
            let whole = statement(all.clone(), None, day(31));
            let first = statement(all.clone(), None, day(cut));
            let second = statement(all, day(cut).succ_opt(), day(31));
            prop_assert_eq!(first.closing_minor, second.opening_minor);
            prop_assert_eq!(second.closing_minor, whole.closing_minor);
            prop_assert_eq!(first.lines.len() + second.lines.len(), whole.lines.len());
        }
    }
}

//! What is paid for each day of a period that is billed, so that nothing is given back that was not paid, and nothing twice
//! (rules M3, S4).

use super::items::BilledPeriod;
use crate::period::Period;
use crate::subscription::ChargeTerms;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// What a period is charged at.
#[derive(Debug, Clone, Copy)]
pub(super) struct PriceLevel<'a> {
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
    /// Switched off: it goes on, but nothing is charged.
    pub off: bool,
    /// What the line that pays it was charged at, if an act that comes to the same money changed the rest.
    pub billed: Option<Billed<'a>>,
}

/// What a line was charged at: what gives it back names the same plan charge (rules M5).
#[derive(Debug, Clone, Copy)]
pub(super) struct Billed<'a> {
    pub terms: ChargeTerms<'a>,
    pub amount: Decimal,
    pub unit_price: Option<Decimal>,
}

impl<'a> PriceLevel<'a> {
    /// What the line that pays it was charged at.
    pub fn billed(&self) -> Billed<'a> {
        let Self { terms, amount, unit_price, .. } = *self;
        self.billed.unwrap_or(Billed { terms, amount, unit_price })
    }
}

/// What is paid for each day of a period.
#[derive(Debug, Clone)]
pub(super) struct Paid<'a> {
    pub piece: Period,
    pub full: Period,
    pub charged_from: NaiveDate,
    /// The level from a day on, ascending, the first day's first; none = nothing is paid, or it is given back.
    pub levels: Vec<(NaiveDate, Option<PriceLevel<'a>>)>,
}

impl<'a> Paid<'a> {
    pub fn of(taken: &BilledPeriod<'a>) -> Self {
        let level = PriceLevel {
            terms: taken.terms,
            amount: taken.amount,
            unit_price: taken.unit_price,
            off: taken.toggled_off,
            billed: None,
        };
        Self {
            piece: taken.slot.piece,
            full: taken.slot.full,
            charged_from: taken.slot.charged_from,
            levels: vec![(taken.slot.piece.start, Some(level))],
        }
    }

    /// Place of the level that a day of the period is paid at.
    pub fn place(&self, day: NaiveDate) -> usize {
        self.levels.iter().rposition(|(from, _)| *from <= day).unwrap_or(0)
    }

    pub fn days_of(&self, place: usize) -> Period {
        let end = self.levels.get(place + 1).map_or(self.piece.end, |(from, _)| *from);
        Period::new(self.levels[place].0, end)
    }

    /// Place of the level that begins on a day, which is parted from what is before it.
    pub fn part_at(&mut self, day: NaiveDate) -> usize {
        let place = self.place(day);
        if self.levels[place].0 >= day {
            return place;
        }
        let level = self.levels[place].1;
        self.levels.insert(place + 1, (day, level));
        place + 1
    }

    /// Takes back what is paid for these days: each stretch with its level.
    pub fn give_back(&mut self, days: Period) -> Vec<(Period, PriceLevel<'a>)> {
        let Some(days) = self.piece.intersect(days) else { return Vec::new() };
        let first = self.part_at(days.start);
        if days.end < self.piece.end {
            self.part_at(days.end);
        }
        let mut given = Vec::new();
        for place in first..self.levels.len() {
            let of = self.days_of(place);
            if of.start >= days.end {
                break;
            }
            given.extend(self.levels[place].1.take().map(|level| (of, level)));
        }
        given
    }
}

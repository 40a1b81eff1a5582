//! What a change gives back and charges for the days that are left, as lines (rules R2, R3, M3, M5).

use super::BilledLine;
use super::changes::version_day;
use super::items::{Item, ItemKind};
use super::rating::{
    LineTax, Parked, Rated, Rating, RatingInput, Value, keep_tax, lift_to_minimum, line_id, rounded,
};
use crate::exact::Exact;
use crate::ids::LineId;
use crate::invoice::{Credit, LineKind};
use crate::measure::Measure;
use crate::money::Money;
use crate::period::Period;
use crate::pricing::{self, Stretch};
use crate::proration::part_minor;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// What a credit gives back a part of.
enum Original<'d> {
    Billed(&'d BilledLine),
    /// Due on the same day: no run has billed it yet.
    Pending(&'d Item<'d>),
}

/// A fixed amount that a period was granted, minor units, and the days it was granted for.
#[derive(Debug, Clone, Copy)]
struct Granted {
    minor: i64,
    piece: Period,
}

impl RatingInput<'_> {
    /// What a change gives back: with the discount, the tax and the price version of what it gives back, and never more
    /// than is left of that (rules M3, M5).
    pub(super) fn credit(&self, item: &Item<'_>) -> Result<Rating, Parked> {
        let original = self.original(item);
        let (fraction, granted, version_on) = match &original {
            Some(Original::Billed(line)) => {
                let is_regular = line.key.kind == LineKind::Regular;
                let granted = self.granted(item).filter(|_| is_regular || line.granted_minor != 0);
                let own = version_day(item.charged_from, item.terms);
                (line.discount, granted, if is_regular { line.period.start } else { own })
            }
            Some(Original::Pending(pending)) => {
                let (fraction, granted) = self.terms_of(pending);
                (fraction, granted, version_day(item.charged_from, item.terms))
            }
            None => {
                let fraction = self.discount(item).and_then(|w| w.fraction()).unwrap_or_default();
                (fraction, None, version_day(item.charged_from, item.terms))
            }
        };
        let (value, minimum) = self.value(item, version_on, granted, Sign::Back)?;
        if !value.priced.charged {
            return Ok(self.silent(item));
        }
        let mut rated = self.line(item, item.key(), &value, fraction)?;
        if let Some(minimum) = minimum {
            lift_to_minimum(&mut rated, item, value.priced.amount, minimum);
        }
        rated.line.description = describe(item, "unused");
        let before = rated.line.subtotal_minor;
        match &original {
            Some(Original::Billed(line)) => keep_tax(&mut rated, line),
            Some(Original::Pending(pending)) if rated.tax == LineTax::ByRule => {
                rated.tax = LineTax::ByRuleOf(pending.tax_date());
            }
            _ => {}
        }
        let lines = original.map(|original| self.lines_of(&original, item)).unwrap_or_default();
        self.count_against(&mut rated, &lines, item);
        let is_nothing = rated.line.subtotal_minor == 0 && (before != 0 || granted.is_some());
        Ok(if is_nothing { self.silent(item) } else { Rating { rated: vec![rated], silent: Vec::new() } })
    }

    /// What a change charges: with the percentage of its own day, or less the fixed amount that its period was granted
    /// (rules R3).
    pub(super) fn charge(&self, item: &Item<'_>) -> Result<Rating, Parked> {
        let (_, granted) = self.terms_of(item);
        let version_on = version_day(item.charged_from, item.terms);
        let (value, minimum) = self.value(item, version_on, granted, Sign::Forward)?;
        if !value.priced.charged {
            return Ok(self.silent(item));
        }
        let mut rated = self.priced_line(item, item.key(), &value)?;
        if let Some(minimum) = minimum {
            lift_to_minimum(&mut rated, item, value.priced.amount, minimum);
        }
        rated.taken.granted_minor = granted.map_or(0, |granted| granted.minor);
        rated.line.description = describe(item, "changed");
        Ok(Rating { rated: vec![rated], silent: Vec::new() })
    }

    /// The percentage and the fixed amount that something not billed yet is charged with.
    fn terms_of(&self, item: &Item<'_>) -> (Decimal, Option<Granted>) {
        match self.discount(item).and_then(|winner| winner.fraction()) {
            Some(fraction) => (fraction, None),
            None => (Decimal::ZERO, self.granted(item)),
        }
    }

    /// Price of the whole period at the level of an item with the share of the days that are left, and the minimum that
    /// goes along with it.
    fn value(
        &self,
        item: &Item<'_>,
        version_on: NaiveDate,
        granted: Option<Granted>,
        sign: Sign,
    ) -> Result<(Value, Option<Exact>), Parked> {
        let currency = item.subscription.currency;
        let measure = Measure { quantity: Exact::of(item.amount), events: 0, each: Vec::new() };
        let stretch = Stretch { on: version_on, measure: &measure };
        let mut priced = pricing::price(item.terms.charge, currency, item.unit_price, &[stretch]);
        let minimum = pricing::minimum(item.terms.charge, currency).filter(|_| item.with_minimum);
        priced.charged |= minimum.is_some_and(|minimum| !minimum.is_zero());
        rounded(item, priced.amount)?;
        let signed = |amount: Exact| if sign == Sign::Back { amount.negated() } else { amount };
        let whole_less = granted.map(|granted| {
            // Of a stub that was granted an amount, the whole period would have been granted as much per day.
            let days = Exact::ratio(i128::from(item.full.days()), i128::from(granted.piece.days().max(1)));
            let of_whole = Exact::of_minor(granted.minor, currency).times(days);
            signed(priced.amount.minus(of_whole).max(Exact::ZERO))
        });
        let whole = signed(priced.amount);
        let part = part_minor(whole, currency, item.charged_from, item.piece, item.full);
        let amount = Exact::of_minor(part, currency);
        Ok((Value { group: None, priced, amount, whole: Some(whole), whole_less }, minimum))
    }

    /// What a credit gives back, each with what is left of it: the line that charged its days and, where the minimum goes
    /// along, the period's lines up to it. None: it is charged on this very day, and all of it is left.
    fn lines_of(&self, original: &Original<'_>, item: &Item<'_>) -> Vec<(LineId, Option<i64>)> {
        let left = |line: &BilledLine| {
            let id = line.line?;
            Some((id, Some(line.priced_minor - self.credited.amount_of(id))))
        };
        let is_true_up = |line: &&BilledLine| {
            item.with_minimum && line.key.kind == LineKind::TrueUp && is_part_of(line, item)
        };
        match original {
            Original::Billed(line) => {
                let true_ups = self.billed(item.reference).filter(is_true_up);
                std::iter::once(*line).chain(true_ups).filter_map(left).collect()
            }
            Original::Pending(pending) if pending.kind == ItemKind::Period => {
                let is_it = |line: &&BilledLine| line.key == pending.key() || is_true_up(line);
                let today = self.today.iter().filter(|line| line.key.charge == item.reference);
                today.filter(is_it).filter_map(left).collect()
            }
            Original::Pending(pending) => vec![(line_id(self.run, &pending.key()), None)],
        }
    }

    /// Counts a credit against the balances of what it gives back, and cuts it to what is left (rules M3).
    fn count_against(&self, rated: &mut Rated, lines: &[(LineId, Option<i64>)], item: &Item<'_>) {
        if lines.is_empty() {
            return;
        }
        let mut wanted = -rated.line.subtotal_minor;
        let mut credits = Vec::with_capacity(lines.len());
        for (line, left) in lines {
            let amount_minor = left.map_or(wanted, |left| wanted.clamp(left.min(0), left.max(0)));
            if amount_minor != 0 {
                credits.push(Credit { line: *line, amount_minor, vat_minor: 0 });
                wanted -= amount_minor;
            }
        }
        rated.line.credits = credits;
        if wanted == 0 {
            return;
        }
        let given = -rated.line.subtotal_minor - wanted;
        let currency = item.subscription.currency;
        let own = &mut rated.line;
        (own.subtotal_minor, own.discount_minor, own.discount_text) = (-given, 0, None);
        own.discount = Decimal::ZERO;
        own.unit_price = Money::new(-given, currency).decimal();
        own.exact = Exact::of_minor(-given, currency);
        own.description.push_str("; the rest was credited before");
        (rated.taken.net_minor, rated.taken.priced_minor) = (-given, -given);
    }

    fn silent(&self, item: &Item<'_>) -> Rating {
        let key = item.key();
        Rating { rated: Vec::new(), silent: vec![self.nothing(item, key.kind, key.ordinal)] }
    }

    /// What charged the days in question last: the period's regular line, or that of an earlier change (rules M5). A
    /// change due on the same day came last; the period itself may be due on the same day, too.
    fn original(&self, item: &Item<'_>) -> Option<Original<'_>> {
        if let Some(pending) = self.pending_change(item) {
            return Some(Original::Pending(pending));
        }
        let charged = self.billed(item.reference).filter(|line| {
            matches!(line.key.kind, LineKind::Regular | LineKind::ProrationCharge)
                && line.line.is_some()
                && line.period.contains(item.piece.start)
                && is_part_of(line, item)
        });
        let last = charged
            .max_by_key(|line| (line.key.kind != LineKind::Regular, line.period.start, line.key.ordinal));
        last.map(Original::Billed).or_else(|| self.pending_period(item).map(Original::Pending))
    }

    /// The change whose charge a credit takes back, if both are due on the same day.
    fn pending_change(&self, item: &Item<'_>) -> Option<&Item<'_>> {
        let ItemKind::ChangeCredit { ordinal: own, .. } = item.kind else { return None };
        let before = |other: &&&Item<'_>| match other.kind {
            ItemKind::ChangeCharge { ordinal, .. } => {
                let is_earlier = (other.piece.start, ordinal) < (item.piece.start, own);
                is_earlier
                    && other.reference == item.reference
                    && other.of == item.of
                    && other.piece.contains(item.piece.start)
            }
            _ => false,
        };
        self.due.iter().filter(before).max_by_key(|other| (other.piece.start, other.key().ordinal)).copied()
    }

    fn pending_period(&self, item: &Item<'_>) -> Option<&Item<'_>> {
        let is_it = |other: &&&Item<'_>| {
            other.kind == ItemKind::Period
                && other.reference == item.reference
                && other.of == item.of
                && other.piece.contains(item.piece.start)
                && !other.as_nothing
        };
        self.due.iter().find(is_it).copied()
    }

    /// What a fixed discount has taken off the period that an item lies in.
    fn granted(&self, item: &Item<'_>) -> Option<Granted> {
        let today = self.today.iter().filter(|line| line.key.charge == item.reference);
        let mut lines = self.billed(item.reference).chain(today);
        let regular = lines.find(|line| {
            line.key.kind == LineKind::Regular
                && line.granted_minor != 0
                && is_part_of(line, item)
                && line.period.contains(item.piece.start)
        })?;
        Some(Granted { minor: regular.granted_minor, piece: regular.period })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Back,
    Forward,
}

/// Whether a line bills days of the period that an item changes.
fn is_part_of(line: &BilledLine, item: &Item<'_>) -> bool {
    item.of.start <= line.period.start && line.period.end <= item.of.end
}

fn describe(item: &Item<'_>, word: &str) -> String {
    let (days, of) = (item.piece.days(), item.full.days());
    format!("{word}: {} for {days} of {of} days", item.amount.normalize())
}

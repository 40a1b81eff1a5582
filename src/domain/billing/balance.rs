//! One balance per billed line (rules M3): whatever is credited of it, by a person or by a run, counts against it,
//! and together it is never more than the line.

use super::BilledLine;
use crate::catalogue::TaxCategory;
use crate::exact::{Exact, allocate};
use crate::ids::{InvoiceId, LineId};
use crate::invoice::{Credit, Draft, Line};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What has been credited of lines so far, by every note, invoice and open draft of a payer. A credit that was taken
/// back itself, as the invoice on which it stands was credited, counts no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credited(BTreeMap<LineId, Sum>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    amount_minor: i64,
    vat_minor: i64,
}

impl Credited {
    /// Adds up credits, each with the line that gives it back.
    pub fn of(credits: &[(LineId, Credit)]) -> Self {
        let mut walk =
            Walk { credits, of_line: BTreeMap::new(), by_line: BTreeMap::new(), done: BTreeMap::new() };
        for (at, (by, credit)) in credits.iter().enumerate() {
            walk.of_line.entry(credit.line).or_default().push(at);
            walk.by_line.entry(*by).or_default().push(at);
        }
        let lines: Vec<LineId> = walk.of_line.keys().copied().collect();
        for line in lines {
            walk.sum_of(line);
        }
        Self(walk.done)
    }

    /// What was credited of a line, in the units and with the sign of [`Line::priced_minor`].
    pub fn amount_of(&self, line: LineId) -> i64 {
        self.0.get(&line).map_or(0, |sum| sum.amount_minor)
    }

    /// The VAT of it.
    pub fn vat_of(&self, line: LineId) -> i64 {
        self.0.get(&line).map_or(0, |sum| sum.vat_minor)
    }

    /// Counts the amount of one more credit.
    pub(super) fn add_amount(&mut self, credit: &Credit) {
        self.0.entry(credit.line).or_default().amount_minor += credit.amount_minor;
    }

    fn add_vat(&mut self, credit: &Credit) {
        self.0.entry(credit.line).or_default().vat_minor += credit.vat_minor;
    }

    /// Counts a credit no more.
    pub(super) fn take_out(&mut self, credit: &Credit) {
        let sum = self.0.entry(credit.line).or_default();
        sum.amount_minor -= credit.amount_minor;
        sum.vat_minor -= credit.vat_minor;
    }
}

/// The credits of some lines, as [`Credited::of`] takes them.
pub fn credits_of<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Vec<(LineId, Credit)> {
    lines.into_iter().flat_map(|line| line.credits.iter().map(|credit| (line.id, *credit))).collect()
}

struct Walk<'c> {
    credits: &'c [(LineId, Credit)],
    of_line: BTreeMap<LineId, Vec<usize>>,
    by_line: BTreeMap<LineId, Vec<usize>>,
    done: BTreeMap<LineId, Sum>,
}

impl Walk<'_> {
    fn sum_of(&mut self, line: LineId) -> Sum {
        if let Some(sum) = self.done.get(&line) {
            return *sum;
        }
        self.done.insert(line, Sum::default()); // a credit is younger than what it credits: nothing comes back here
        let mut sum = Sum::default();
        for at in self.of_line.get(&line).cloned().unwrap_or_default() {
            let counts = self.counting(at);
            sum.amount_minor += counts.amount_minor;
            sum.vat_minor += counts.vat_minor;
        }
        self.done.insert(line, sum);
        sum
    }

    /// What is left of one credit after what was credited of its own line.
    fn counting(&mut self, at: usize) -> Sum {
        let (by, credit) = self.credits[at];
        let whole = Sum { amount_minor: credit.amount_minor, vat_minor: credit.vat_minor };
        let undone_minor = -self.sum_of(by).amount_minor;
        if undone_minor == 0 || credit.amount_minor == 0 {
            return whole;
        }
        let parts = self.by_line.get(&by).cloned().unwrap_or_default();
        let amounts: Vec<i64> = parts.iter().map(|part| self.credits[*part].1.amount_minor).collect();
        let shares = spread(undone_minor, &amounts);
        let own = parts.iter().position(|part| *part == at).map_or(0, |place| shares[place]);
        let vat = Exact::int(i128::from(credit.vat_minor));
        let undone_vat = vat.times(Exact::ratio(i128::from(own), i128::from(credit.amount_minor)));
        Sum {
            amount_minor: credit.amount_minor - own,
            vat_minor: credit.vat_minor - undone_vat.round_half_away(0),
        }
    }
}

/// Splits an amount in the proportion of others, by largest remainder (rules M3).
pub(super) fn spread(amount_minor: i64, like: &[i64]) -> Vec<i64> {
    let weights: Vec<Exact> = like.iter().map(|minor| Exact::int(i128::from(*minor))).collect();
    allocate(amount_minor, &weights)
}

/// Gives each credit its share of its line's VAT. What a line gives beyond its credits, as its own events are below zero,
/// keeps the rest (rules Q2).
pub(super) fn share_vat(lines: &mut [Line]) {
    for line in lines.iter_mut().filter(|line| !line.credits.is_empty()) {
        let mut amounts: Vec<i64> = line.credits.iter().map(|credit| credit.amount_minor).collect();
        amounts.push((-line.priced_minor() - amounts.iter().sum::<i64>()).max(0));
        for (credit, vat_minor) in line.credits.iter_mut().zip(spread(-line.vat_minor, &amounts)) {
            credit.vat_minor = vat_minor;
        }
    }
}

/// A booked line of which something was credited.
#[derive(Debug, Clone, PartialEq)]
pub struct CreditedLine {
    pub line: LineId,
    pub invoice: InvoiceId,
    pub invoice_number: String,
    pub number: u32,
    /// As [`Line::priced_minor`].
    pub priced_minor: i64,
    /// Category and percent.
    pub group: (TaxCategory, Decimal),
    /// VAT of what the invoice charges in that group. None: the line gives something back itself, or the same document gives
    /// it back: how the VAT of a group is allotted to its lines is the document's own matter (rules M2).
    pub group_vat_minor: Option<i64>,
}

/// The first line that was credited beyond itself, or VAT group beyond its VAT, in words (rules M3, L4).
pub fn over_credited(lines: &[CreditedLine], credited: &Credited) -> Option<String> {
    let is_within = |part: i64, whole: i64| part.min(0) >= whole.min(0) && part.max(0) <= whole.max(0);
    let mut vat: BTreeMap<(InvoiceId, TaxCategory, Decimal), i64> = BTreeMap::new();
    for line in lines {
        let amount_minor = credited.amount_of(line.line);
        if !is_within(amount_minor, line.priced_minor) {
            let (number, of, whole) = (&line.invoice_number, line.number, line.priced_minor);
            return Some(format!("{number} line {of}: {amount_minor} credited of {whole}"));
        }
        let Some(whole) = line.group_vat_minor else { continue };
        let of_group = vat.entry((line.invoice, line.group.0, line.group.1)).or_default();
        *of_group += credited.vat_of(line.line);
        if !is_within(*of_group, whole) && is_last_of_group(lines, line) {
            return Some(format!("{}: VAT of {of_group} credited of {whole}", line.invoice_number));
        }
    }
    None
}

fn is_last_of_group(lines: &[CreditedLine], line: &CreditedLine) -> bool {
    let is_of_it = |other: &&CreditedLine| {
        other.group_vat_minor.is_some() && (other.invoice, other.group) == (line.invoice, line.group)
    };
    let last = lines.iter().rev().find(is_of_it);
    last.is_some_and(|last| last.line == line.line)
}

/// What is left of what a billed invoice charges in one VAT group, once a draft is counted.
struct GroupLeft {
    /// After the draft, in the units of the lines.
    amount_minor: i64,
    /// Before the draft.
    vat_minor: i64,
}

/// Lines of a draft and credits in them, as places.
type Places = Vec<(usize, usize)>;

/// VAT that a draft gives back is at most what is left of the VAT group that it credits, and all of it with the last
/// of its net (rules M3). A group of the draft that holds other lines too keeps its VAT (rules M2): there it is
/// only allotted otherwise. `credited` is what was credited before the draft; it is counted then.
pub(super) fn bound_vat(draft: &mut Draft, billed: &[&BilledLine], credited: &mut Credited) {
    share_vat(&mut draft.lines);
    draft.lines.iter().flat_map(|line| &line.credits).for_each(|credit| credited.add_amount(credit));
    let mut groups: BTreeMap<(InvoiceId, TaxCategory, Decimal), Places> = BTreeMap::new();
    for (at, line) in draft.lines.iter().enumerate() {
        for (part, credit) in line.credits.iter().enumerate() {
            let original = billed.iter().find(|billed| billed.line == Some(credit.line));
            if let Some((original, invoice)) = original.and_then(|billed| Some((billed, billed.invoice?))) {
                let key = (invoice, original.tax_category, original.tax_pct.normalize());
                groups.entry(key).or_default().push((at, part));
            }
        }
    }
    for ((invoice, category, rate), places) in groups {
        let is_member = |line: &&&BilledLine| {
            line.invoice == Some(invoice)
                && line.priced_minor > 0 // what gives something back counts against another invoice
                && line.tax_category == category
                && line.tax_pct.normalize() == rate
                && line.line.is_some()
        };
        let mut left = GroupLeft { amount_minor: 0, vat_minor: 0 };
        for (line, id) in billed.iter().filter(is_member).filter_map(|line| Some((line, line.line?))) {
            left.amount_minor += line.priced_minor - credited.amount_of(id);
            left.vat_minor += line.vat_minor - credited.vat_of(id);
        }
        let given: i64 = places.iter().map(|(at, part)| draft.lines[*at].credits[*part].vat_minor).sum();
        let wanted = within(given, &left);
        if let Some(last) = places.last().filter(|_| wanted != given) {
            give_more(draft, *last, wanted - given);
        }
    }
    draft.lines.iter().flat_map(|line| &line.credits).for_each(|credit| credited.add_vat(credit));
}

fn within(given_minor: i64, left: &GroupLeft) -> i64 {
    let (least, most) = (left.vat_minor.min(0), left.vat_minor.max(0));
    if left.amount_minor == 0 { left.vat_minor } else { given_minor.clamp(least, most) }
}

/// Gives back more VAT with one credit. Its line's group pays for it, from another line if there is one.
fn give_more(draft: &mut Draft, (at, part): (usize, usize), more_minor: i64) {
    draft.lines[at].credits[part].vat_minor += more_minor;
    move_vat(&mut draft.lines[at], -more_minor);
    let own = &draft.lines[at];
    let (category, rate, tax_inclusive) = (own.tax_category, own.tax_pct.normalize(), own.tax_inclusive);
    let is_like = |line: &Line| line.tax_category == category && line.tax_pct.normalize() == rate;
    let others = draft.lines.iter_mut().filter(|line| is_like(line) && line.credits.is_empty());
    let other =
        others.filter(|line| line.tax_inclusive == tax_inclusive).max_by_key(|line| line.priced_minor());
    if let Some(other) = other {
        move_vat(other, more_minor);
        return;
    }
    let net_minor = if tax_inclusive { more_minor } else { 0 };
    for group in &mut draft.vat_groups {
        if group.category == category && group.rate_pct.normalize() == rate {
            group.vat_minor -= more_minor;
            group.net_minor += net_minor;
        }
    }
    draft.vat_minor -= more_minor;
    draft.net_minor += net_minor;
}

/// A line's gross stays where its price includes VAT, and its net stays where it does not.
fn move_vat(line: &mut Line, vat_minor: i64) {
    line.vat_minor += vat_minor;
    if line.tax_inclusive {
        line.subtotal_minor -= vat_minor;
    }
}

//! Billing one payer: the charge dates that have come, oldest first, each seeing what the ones before it billed, so
//! that a late run makes the invoices of the on-time runs (rules T5, T6, I1, I8).

use super::balance::{self, Credited};
use super::drafting::{self, Drafted, Group, InvoiceLines};
use super::hash::payer_hash;
use super::items::{Item, ItemKind, due_items};
use super::late::{self, LatePeriod};
use super::rating::{FixedGrant, Parked, Rated, Rating, RatingInput};
use super::{Billed, BilledLine, CarriedDraft, PayerBook, RunContext};
use crate::customer::Customer;
use crate::exact::Exact;
use crate::ids::{ChargeReference, SubscriptionId};
use crate::invoice::{Draft, LineKind};
use crate::measure::Measured;
use crate::period::plus_months;
use crate::subscription::Life;
use chrono::{Datelike, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

/// Months after which a carried draft is invoiced whatever its size (rules I8).
const CARRIED_MONTHS_MAX: i64 = 12;

/// Bills everything that is due on or before the run's as-of. A payer that cannot be billed as it stands is parked
/// with the reason; nothing else is filled in then.
pub fn bill(book: &PayerBook, measured: &Measured, run: RunContext) -> Billed {
    match bill_or_park(book, measured, run) {
        Ok(billed) => billed,
        Err(Parked(reason)) => {
            Billed { parked: Some(reason), carried: book.carried.clone(), ..Billed::default() }
        }
    }
}

fn bill_or_park(book: &PayerBook, measured: &Measured, run: RunContext) -> Result<Billed, Parked> {
    let payer = book.customers.get(&book.payer);
    let payer = payer.ok_or_else(|| Parked(format!("payer {} is not in its own book", book.payer)))?;
    let items = due_items(book, run.as_of).map_err(|missing| Parked(missing.to_string()))?;
    check_catch_up(&items, run)?;
    let late = late::periods(book, &items, run.as_of);
    let mut billing = Billing::open(book, payer, measured, run);
    billing.plan_releases();
    let mut dates: BTreeSet<NaiveDate> = items.iter().map(|item| item.date).collect();
    dates.extend(late.iter().map(|period| period.item.date));
    while let Some(date) = billing.next_date(&mut dates) {
        let due: Vec<&Item<'_>> = items.iter().filter(|item| item.date == date).collect();
        let late: Vec<&LatePeriod<'_>> = late.iter().filter(|period| period.item.date == date).collect();
        billing.bill_date(date, &due, &late)?;
    }
    let hash = if billing.drafts.is_empty() { String::new() } else { payer_hash(&billing.drafts) };
    let mut carried = billing.carried;
    carried.sort_by_key(|c| (c.since, c.draft.id));
    let mut lines =
        billing.drafts.iter().chain(carried.iter().map(|c| &c.draft)).flat_map(|draft| &draft.lines);
    let credits_any = lines.any(|line| !line.credits.is_empty());
    let credited = credits_any.then(|| book.credited.clone());
    Ok(Billed { drafts: billing.drafts, lines: billing.taken, carried, parked: None, credited, hash })
}

/// rules T6: a bound on what one run catches up.
fn check_catch_up(items: &[Item<'_>], run: RunContext) -> Result<(), Parked> {
    let mut per_charge: BTreeMap<ChargeReference, u32> = BTreeMap::new();
    for item in items.iter().filter(|item| item.kind == ItemKind::Period) {
        let count = per_charge.entry(item.reference).or_default();
        *count += 1;
        if *count > run.catch_up_max {
            let (sku, number) = (&item.terms.charge.sku, &item.subscription.number);
            return Err(Parked(format!(
                "{sku} of {number} has more than {} periods to catch up",
                run.catch_up_max
            )));
        }
    }
    Ok(())
}

/// The state between two charge dates.
struct Billing<'a> {
    book: &'a PayerBook,
    payer: &'a Customer,
    measured: &'a Measured,
    run: RunContext,
    /// Billed in this run, by charge.
    billed_now: BTreeMap<ChargeReference, Vec<BilledLine>>,
    /// Credited before and by what is rated in this run.
    credited: Credited,
    /// Credited before and by the drafts of this run, with VAT.
    given_back: Credited,
    carried: Vec<CarriedDraft>,
    /// Days on which a carried draft is let go, whatever its size.
    releases: BTreeSet<NaiveDate>,
    /// Days on which subscriptions end, as known.
    ends: BTreeMap<SubscriptionId, NaiveDate>,
    drafts: Vec<Draft>,
    taken: Vec<BilledLine>,
}

impl<'a> Billing<'a> {
    fn open(book: &'a PayerBook, payer: &'a Customer, measured: &'a Measured, run: RunContext) -> Self {
        Self {
            book,
            payer,
            measured,
            run,
            billed_now: BTreeMap::new(),
            credited: book.credited.clone(),
            given_back: book.credited.clone(),
            carried: book.carried.clone(),
            releases: BTreeSet::new(),
            ends: BTreeMap::new(),
            drafts: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The next day on which something happens.
    fn next_date(&mut self, dates: &mut BTreeSet<NaiveDate>) -> Option<NaiveDate> {
        dates.extend(self.releases.iter().copied());
        self.releases.clear();
        dates.pop_first()
    }

    fn bill_date(
        &mut self,
        date: NaiveDate,
        due: &[&Item<'_>],
        late: &[&LatePeriod<'_>],
    ) -> Result<(), Parked> {
        let mut all_lines: BTreeMap<Group, Vec<Rated>> = BTreeMap::new();
        let (changes, periods): (Vec<&Item<'_>>, Vec<&Item<'_>>) =
            due.iter().partition(|item| item.kind.is_change());
        for item in periods {
            let rating = self.rating_input(due, &[]).rate(item)?;
            self.collect(item, rating, &mut all_lines);
        }
        for period in late {
            let rating = self.rating_input(due, &[]).rate_late(period)?;
            self.collect(&period.item, rating, &mut all_lines);
        }
        self.grant_fixed(date, &mut all_lines);
        let today: Vec<BilledLine> = match changes.is_empty() {
            true => Vec::new(),
            false => all_lines.values().flatten().map(|rated| rated.taken.clone()).collect(),
        };
        for item in changes {
            let rating = self.rating_input(due, &today).rate(item)?;
            self.collect(item, rating, &mut all_lines);
        }
        for (group, rated) in all_lines {
            self.draft(date, InvoiceLines { group, rated })?;
        }
        self.release(date)
    }

    /// Grants the day's fixed discounts before anything changes what they were granted to (rules D1, M5).
    fn grant_fixed(&self, date: NaiveDate, all_lines: &mut BTreeMap<Group, Vec<Rated>>) {
        let mut in_order: Vec<InvoiceLines> = std::mem::take(all_lines)
            .into_iter()
            .map(|(group, rated)| InvoiceLines { group, rated })
            .collect();
        in_order.sort_by_key(|lines| !lines.rated.iter().any(|rated| rated.line.arrears)); // by invoice date
        let before = self.granted_before(date, &in_order);
        drafting::grant_fixed(&self.book.catalogue, &mut in_order, &before);
        all_lines.extend(in_order.into_iter().map(|lines| (lines.group, lines.rated)));
    }

    fn rating_input<'d>(&'d self, due: &'d [&'d Item<'d>], today: &'d [BilledLine]) -> RatingInput<'d> {
        let (billed_now, credited) = (&self.billed_now, &self.credited);
        let (book, measured, run) = (self.book, self.measured, self.run);
        RatingInput { book, measured, run, billed_now, credited, due, today }
    }

    fn collect(&mut self, item: &Item<'_>, rating: Rating, all_lines: &mut BTreeMap<Group, Vec<Rated>>) {
        for line in rating.silent {
            self.take(line);
        }
        for credit in rating.rated.iter().flat_map(|rated| &rated.line.credits) {
            self.credited.add_amount(credit);
        }
        if !rating.rated.is_empty() {
            all_lines.entry(self.group(item)).or_default().extend(rating.rated);
        }
    }

    /// rules I1, B2.
    fn group(&self, item: &Item<'_>) -> Group {
        let alone = !self.payer.collective_billing || item.payment_method.is_some();
        Group {
            subscription_number: alone.then(|| item.subscription.number.clone()),
            subscription: alone.then_some(item.subscription.id),
            currency: item.subscription.currency,
            payment_method: item.payment_method.clone(),
        }
    }

    fn take(&mut self, line: BilledLine) {
        self.billed_now.entry(line.key.charge).or_default().push(line.clone());
        self.taken.push(line);
    }

    fn draft(&mut self, date: NaiveDate, lines: InvoiceLines) -> Result<(), Parked> {
        let joining = self.joining(date, &lines)?;
        let since = joining.iter().map(|carried| carried.since).min();
        let joined: Vec<Draft> = joining.into_iter().map(|carried| carried.draft).collect();
        let drafted = self.drafted(date, lines, joined)?;
        let is_carried = self.is_below_minimum(&drafted.draft, date, since);
        for mut line in drafted.taken {
            if is_carried {
                line.invoice = None;
            }
            self.take(line);
        }
        if is_carried {
            let since = since.unwrap_or(date);
            self.carried.push(CarriedDraft { draft: drafted.draft, since });
            self.plan_releases();
        } else {
            self.drafts.push(drafted.draft);
        }
        Ok(())
    }

    /// The carried drafts that join the invoice of these lines: none if that is a credit note, by its gross (rules I8).
    fn joining(&mut self, date: NaiveDate, lines: &InvoiceLines) -> Result<Vec<CarriedDraft>, Parked> {
        let is_of_it = |carried: &CarriedDraft| carried.draft.currency == lines.group.currency;
        if !self.carried.iter().any(is_of_it) {
            return Ok(Vec::new());
        }
        let alone = drafting::draft(self.book, self.payer, date, lines.clone(), Vec::new(), self.run)?;
        if alone.draft.gross_minor() < 0 {
            return Ok(Vec::new());
        }
        let (joining, waiting) = std::mem::take(&mut self.carried).into_iter().partition(is_of_it);
        self.carried = waiting;
        Ok(joining)
    }

    /// Makes a draft; the VAT that it gives back is at most what is left of it (rules M3). What is carried was counted
    /// before, and is taxed again.
    fn drafted(
        &mut self,
        date: NaiveDate,
        lines: InvoiceLines,
        carried: Vec<Draft>,
    ) -> Result<Drafted, Parked> {
        for credit in carried.iter().flat_map(|draft| &draft.lines).flat_map(|line| &line.credits) {
            self.given_back.take_out(credit);
        }
        let mut drafted = drafting::draft(self.book, self.payer, date, lines, carried, self.run)?;
        let draft = &mut drafted.draft;
        if draft.lines.iter().any(|line| !line.credits.is_empty()) {
            let before = self.book.billed.values().flatten();
            let billed: Vec<&BilledLine> = before.chain(self.billed_now.values().flatten()).collect();
            balance::bound_vat(draft, &billed, &mut self.given_back);
        }
        Ok(drafted)
    }

    /// rules I8: whether a draft waits for a larger invoice.
    fn is_below_minimum(&mut self, draft: &Draft, date: NaiveDate, since: Option<NaiveDate>) -> bool {
        let Some(minimum) = self.book.catalogue.tenant.minimum_invoice else { return false };
        let gross = Exact::of_minor(draft.gross_minor(), draft.currency);
        if draft.gross_minor() <= 0 || gross >= Exact::of(minimum) {
            return false;
        }
        let waited_long = since.is_some_and(|since| released_after(since) <= date);
        !waited_long && !self.has_ended(draft, date)
    }

    /// Whether every subscription on a draft has ended by a day.
    fn has_ended(&mut self, draft: &Draft, date: NaiveDate) -> bool {
        let on_draft: BTreeSet<SubscriptionId> = draft.lines.iter().filter_map(|l| l.subscription).collect();
        on_draft.into_iter().all(|id| self.end_of(id).is_some_and(|end| end <= date))
    }

    /// First day after a subscription's service for this payer, or the day on which that was known.
    fn end_of(&mut self, id: SubscriptionId) -> Option<NaiveDate> {
        if let Some(end) = self.ends.get(&id) {
            return Some(*end);
        }
        // One that another payer is billed for has ended for this one.
        let Some(subscription) = self.book.subscriptions.get(&id) else { return Some(self.run.as_of) };
        let ending = Life::known(subscription, self.run.as_of, self.run.as_of).end?;
        let act = subscription.acts.iter().find(|act| Some(act.ordinal) == ending.act);
        let end = act.map_or(ending.on, |act| act.done.max(ending.on));
        self.ends.insert(id, end);
        Some(end)
    }

    /// Notes the days on which what is carried must go out.
    fn plan_releases(&mut self) {
        let carried: Vec<(NaiveDate, Vec<SubscriptionId>)> = self
            .carried
            .iter()
            .map(|c| (c.since, c.draft.lines.iter().filter_map(|line| line.subscription).collect()))
            .collect();
        for (since, subscriptions) in carried {
            let ended: Option<NaiveDate> = subscriptions
                .into_iter()
                .map(|id| self.end_of(id))
                .collect::<Option<Vec<_>>>()
                .and_then(|e| e.into_iter().max());
            let days = [Some(released_after(since)), ended];
            self.releases.extend(days.into_iter().flatten().filter(|day| *day <= self.run.as_of));
        }
    }

    /// Makes invoices of carried drafts whose time is over, on their own (rules I8).
    fn release(&mut self, date: NaiveDate) -> Result<(), Parked> {
        for carried in std::mem::take(&mut self.carried) {
            let is_over = released_after(carried.since) <= date || self.has_ended(&carried.draft, date);
            if !is_over {
                self.carried.push(carried);
                continue;
            }
            let own = carried.draft.subscription;
            let group = Group {
                subscription_number: carried.draft.subscription_number.clone(),
                subscription: own,
                currency: carried.draft.currency,
                payment_method: carried.draft.payment_method.clone().filter(|_| own.is_some()),
            };
            let lines = InvoiceLines { group, rated: Vec::new() };
            let drafted = self.drafted(date, lines, vec![carried.draft])?;
            self.drafts.push(drafted.draft);
        }
        Ok(())
    }

    /// Fixed-amount discounts that an earlier run has granted for this charge date (rules D1).
    fn granted_before(&self, date: NaiveDate, all_lines: &[InvoiceLines]) -> BTreeSet<FixedGrant> {
        let grants: BTreeSet<&FixedGrant> = all_lines
            .iter()
            .flat_map(|lines| &lines.rated)
            .filter_map(|rated| rated.fixed.as_ref())
            .collect();
        if grants.is_empty() {
            return BTreeSet::new();
        }
        let mut granted = BTreeSet::new();
        for line in self.book.billed.values().flatten() {
            let is_of_the_day =
                line.charge_date == date && line.granted_minor != 0 && line.key.kind == LineKind::Regular;
            if !is_of_the_day {
                continue;
            }
            let owner = self.book.subscriptions.get(&line.subscription).map(|s| s.customer.0);
            let enjoyed_by = [owner, Some(line.subscription.0), Some(line.key.charge.0)];
            for grant in &grants {
                let on = enjoyed_by.get(usize::from(grant.level)).copied().flatten();
                if on == Some(grant.on) && grant.from <= date {
                    granted.insert((*grant).clone());
                }
            }
        }
        granted
    }
}

/// The day from which a draft carried since a day waits no longer.
fn released_after(since: NaiveDate) -> NaiveDate {
    plus_months(since, CARRIED_MONTHS_MAX, since.day())
}

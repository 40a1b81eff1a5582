//! From documents and events to balanced entries (rules L1, I2).
//!
//! Amounts on documents are signed: a credit note carries negative lines and totals, and is thereby booked as the
//! mirror of the invoice. Every entry that leaves this file is balanced.

use super::{Account, Chart, Entry, EntryKind, Posting, Role};
use crate::catalogue::{BusinessUnit, Catalogue};
use crate::exact::Exact;
use crate::ids::{self, EntryId, InvoiceId, LineId};
use crate::invoice::{Invoice, Line};
use crate::period::Period;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Why something cannot be posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostingFault {
    /// Lines, VAT groups and total of the document disagree.
    #[error("{document}: debit {debit} and credit {credit} minor units differ")]
    Unbalanced { document: String, debit: i128, credit: i128 },
    /// A credit note has to reduce what is owed.
    #[error("{document}: a credit note of {gross_minor} minor units would raise what is owed")]
    PositiveCreditNote { document: String, gross_minor: i64 },
    /// An event without an amount.
    #[error("{document}: a {kind} of 0 is nothing to post")]
    Nothing { document: String, kind: &'static str },
    /// More than 64 bits of minor units.
    #[error("{document}: {amount} minor units are beyond 64 bits")]
    TooLarge { document: String, amount: i128 },
}

/// Something that happens to a booked document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening {
    /// Tells events of one kind on one document apart, for example the attempt's ordinal.
    pub ordinal: u32,
    /// Day of the event: the entry's document date.
    pub on: NaiveDate,
    /// Minor units of the document's currency; below 0 for the opposite (a payment that is taken back).
    pub amount_minor: i64,
}

/// Id of the entry of a (document, kind, ordinal): a second booking makes the same one.
pub fn entry_id(invoice: InvoiceId, kind: EntryKind, ordinal: u32) -> EntryId {
    EntryId(ids::made_beside(invoice.0, "entry", &format!("{}\u{1f}{ordinal}", kind.name())))
}

/// rules I2: the document date, or the first day of the earliest open accounting period if that one is closed.
/// `open_from` is that first day; `None` = nothing is closed.
pub fn posting_date(document_date: NaiveDate, open_from: Option<NaiveDate>) -> NaiveDate {
    open_from.map_or(document_date, |open| open.max(document_date))
}

/// The entry of an invoice or credit note: the receivable, VAT per (category, rate), and revenue per line
/// (rules L1). What is zero makes no posting. The receivable is of the payer's business unit, revenue of the
/// owner's (rules B2).
///
/// Errors: [`PostingFault::Unbalanced`] if lines and groups do not add up to the total.
pub fn book_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
) -> Result<Entry, PostingFault> {
    let draft = &invoice.draft;
    if draft.is_credit_note && draft.gross_minor() > 0 {
        let gross_minor = draft.gross_minor();
        return Err(PostingFault::PositiveCreditNote { document: invoice.number.clone(), gross_minor });
    }
    let kind = if draft.is_credit_note { EntryKind::CreditNote } else { EntryKind::Booking };
    let chart = &catalogue.tenant.accounts;
    let payer = Unit::of(catalogue, draft.business_unit.as_deref());
    let mut entry = Builder::new(invoice, kind, 0, draft.invoice_date, open_from);
    entry.debit(payer.posting(chart.account(Role::Receivable)), i128::from(draft.gross_minor()));
    for group in &draft.vat_groups {
        let account = payer.posting(chart.vat_account(group.category, group.rate_pct));
        let posting = Posting { tax: Some((group.category, group.rate_pct.normalize())), ..account };
        entry.credit(posting, i128::from(group.vat_minor));
    }
    for line in &draft.lines {
        let account = if chart.defer && line.deferred {
            chart.account(Role::DeferredRevenue)
        } else {
            chart.revenue_account(&line.sku)
        };
        entry.credit(line_posting(catalogue, line, account), i128::from(line.subtotal_minor));
    }
    entry.finish()
}

/// A payment: clearing against the receivable.
pub fn payment_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let accounts = Transfer { kind: EntryKind::Payment, debit: Role::Clearing, credit: Role::Receivable };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// What the provider keeps of a payment: an expense against clearing.
pub fn fee_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let accounts = Transfer { kind: EntryKind::Fee, debit: Role::PaymentFees, credit: Role::Clearing };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// Money sent back to the payer, after a credit note or an overpayment: the receivable against refunds in transit.
pub fn refund_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let accounts = Transfer { kind: EntryKind::Refund, debit: Role::Receivable, credit: Role::Refunds };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// What is given up of a receivable: bad debt against the receivable, gross.
pub fn write_off_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let accounts = Transfer { kind: EntryKind::WriteOff, debit: Role::BadDebt, credit: Role::Receivable };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// A difference too small to collect; below 0 if the payer paid too much.
pub fn rounding_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let accounts = Transfer { kind: EntryKind::Rounding, debit: Role::Rounding, credit: Role::Receivable };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// Deferred revenue that has been earned before `until`: per deferred line
/// round(net × days elapsed ÷ days of the line's period) − posted so far (rules L1; half away from zero, once
/// per line and month). `posted` holds what earlier entries recognised, by line. The entry is dated the last day
/// before `until`; `None` if nothing was earned since, or the chart does not defer. A credit note's lines are negative and have the credited
/// period, so that its recognised share leaves revenue and the rest leaves deferred revenue.
pub fn recognition_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    ordinal: u32,
    until: NaiveDate,
    posted: &BTreeMap<LineId, i64>,
) -> Result<Option<Entry>, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    if !chart.defer {
        return Ok(None);
    }
    let on = until.pred_opt().unwrap_or(until);
    let mut entry = Builder::new(invoice, EntryKind::Recognition, ordinal, on, open_from);
    for line in invoice.draft.lines.iter().filter(|line| line.deferred) {
        let so_far = posted.get(&line.id).copied().unwrap_or(0);
        let earned = i128::from(earned_minor(line, until)) - i128::from(so_far);
        let deferred = chart.account(Role::DeferredRevenue);
        entry.debit(line_posting(catalogue, line, deferred), earned);
        entry.credit(line_posting(catalogue, line, chart.revenue_account(&line.sku)), earned);
    }
    if entry.entry.postings.is_empty() { Ok(None) } else { entry.finish().map(Some) }
}

/// Net of a line that is earned by the start of `until`, minor units.
fn earned_minor(line: &Line, until: NaiveDate) -> i64 {
    let days = i128::from(line.period.days());
    let elapsed = i128::from((until - line.period.start).num_days()).clamp(0, days.max(0));
    if days <= 0 || elapsed == days {
        return if until > line.period.start { line.subtotal_minor } else { 0 };
    }
    Exact::int(i128::from(line.subtotal_minor)).times(Exact::ratio(elapsed, days)).round_half_away(0)
}

/// Two accounts between which an amount moves.
struct Transfer {
    kind: EntryKind,
    debit: Role,
    credit: Role,
}

fn transfer(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
    accounts: Transfer,
) -> Result<Entry, PostingFault> {
    if happening.amount_minor == 0 {
        return Err(PostingFault::Nothing { document: invoice.number.clone(), kind: accounts.kind.name() });
    }
    let chart = &catalogue.tenant.accounts;
    let unit = Unit::of(catalogue, invoice.draft.business_unit.as_deref());
    let mut entry = Builder::new(invoice, accounts.kind, happening.ordinal, happening.on, open_from);
    entry.debit(unit.posting(chart.account(accounts.debit)), i128::from(happening.amount_minor));
    entry.credit(unit.posting(chart.account(accounts.credit)), i128::from(happening.amount_minor));
    entry.finish()
}

fn line_posting(catalogue: &Catalogue, line: &Line, account: Account) -> Posting {
    let unit = Unit::of(catalogue, line.business_unit.as_deref());
    Posting {
        line: Some(line.id),
        sku: Some(line.sku.clone()),
        unit_code: line.accounting_code.clone().or_else(|| unit.code()),
        period: Some(Period::new(line.period.start, line.period.end)),
        ..unit.posting(account)
    }
}

/// A business unit as postings see it; a document without one belongs to the tenant.
struct Unit<'a>(Option<&'a BusinessUnit>);

impl<'a> Unit<'a> {
    fn of(catalogue: &'a Catalogue, refkey: Option<&str>) -> Self {
        Self(refkey.and_then(|refkey| catalogue.business_units.get(refkey)))
    }

    fn code(&self) -> Option<String> {
        self.0.and_then(|unit| unit.accounting_code.clone())
    }

    /// An empty posting on the account, or on the one that the unit has in its place (rules B1).
    fn posting(&self, account: Account) -> Posting {
        let mapped = self.0.and_then(|unit| unit.accounts.get(&account.code)).cloned();
        Posting {
            number: 0,
            account: mapped.unwrap_or(account.code),
            debit_minor: 0,
            credit_minor: 0,
            line: None,
            sku: None,
            unit_code: self.code(),
            period: None,
            tax: None,
        }
    }
}

/// An entry in the making.
struct Builder {
    entry: Entry,
    too_large: Option<i128>,
}

impl Builder {
    fn new(
        invoice: &Invoice,
        kind: EntryKind,
        ordinal: u32,
        document_date: NaiveDate,
        open_from: Option<NaiveDate>,
    ) -> Self {
        let entry = Entry {
            id: entry_id(invoice.draft.id, kind, ordinal),
            kind,
            ordinal,
            invoice: invoice.draft.id,
            document_number: invoice.number.clone(),
            account_number: invoice.draft.account_number.clone(),
            document_date,
            posting_date: posting_date(document_date, open_from),
            currency: invoice.draft.currency,
            postings: Vec::with_capacity(invoice.draft.lines.len() + 3),
        };
        Self { entry, too_large: None }
    }

    fn debit(&mut self, posting: Posting, amount_minor: i128) {
        let Ok(size) = i64::try_from(amount_minor.unsigned_abs()) else {
            self.too_large = Some(amount_minor);
            return;
        };
        if size == 0 {
            return;
        }
        let (debit_minor, credit_minor) = if amount_minor > 0 { (size, 0) } else { (0, size) };
        let number = u32::try_from(self.entry.postings.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.entry.postings.push(Posting { number, debit_minor, credit_minor, ..posting });
    }

    fn credit(&mut self, posting: Posting, amount_minor: i128) {
        self.debit(posting, -amount_minor);
    }

    fn finish(self) -> Result<Entry, PostingFault> {
        let document = || self.entry.document_number.clone();
        if let Some(amount) = self.too_large {
            return Err(PostingFault::TooLarge { document: document(), amount });
        }
        if !self.entry.is_balanced() {
            let (debit, credit) = self.entry.totals();
            return Err(PostingFault::Unbalanced { document: document(), debit, credit });
        }
        Ok(self.entry)
    }
}

/// The chart's receivable accounts by code: the role's, and what business units have in its place (rules B2).
pub fn receivable_codes<'a>(chart: &Chart, units: impl IntoIterator<Item = &'a BusinessUnit>) -> Vec<String> {
    let base = chart.code(Role::Receivable);
    let mapped = units.into_iter().filter_map(|unit| unit.accounts.get(&base).cloned());
    let mut codes: Vec<String> = std::iter::once(base.clone()).chain(mapped).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::super::sample::{catalogue, day, invoice, line};
    use super::*;
    use crate::catalogue::TaxCategory;
    use rust_decimal::Decimal;

    /// (account, debit, credit) of every posting, in order.
    fn postings(entry: &Entry) -> Vec<(&str, i64, i64)> {
        entry.postings.iter().map(|p| (p.account.as_str(), p.debit_minor, p.credit_minor)).collect()
    }

    fn happening(amount_minor: i64) -> Happening {
        Happening { ordinal: 1, on: day(2, 3), amount_minor }
    }

    #[test]
    fn an_invoice_is_receivable_vat_per_group_and_revenue_per_line() {
        let lines =
            vec![line(1, "PRO", 19_900, None), line(2, "FREE", 0, None), line(3, "DISCOUNTED", -900, None)];
        let entry = book_entry(&invoice("INV-0000001", lines), &catalogue(Chart::default()), None).unwrap();
        let expected = [("1100", 23_750, 0), ("2610", 0, 4_750), ("4000", 0, 19_900), ("4000", 900, 0)];
        assert_eq!(postings(&entry), expected);
        assert_eq!(entry.kind, EntryKind::Booking);
        assert_eq!(entry.postings[1].tax, Some((TaxCategory::S, Decimal::from(25))));
        assert_eq!(entry.postings[2].sku.as_deref(), Some("PRO"));
        assert_eq!(entry.postings.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!((entry.document_date, entry.posting_date), (day(1, 31), day(1, 31)));
    }

    #[test]
    fn a_credit_note_is_the_mirror_of_its_invoice() {
        let book = catalogue(Chart::default());
        let credit =
            book_entry(&invoice("CN-0000001", vec![line(1, "PRO", -19_900, None)]), &book, None).unwrap();
        assert_eq!(credit.kind, EntryKind::CreditNote);
        assert_eq!(postings(&credit), [("1100", 0, 24_875), ("2610", 4_975, 0), ("4000", 19_900, 0)]);
        let mut wrong = invoice("CN-0000002", vec![line(1, "PRO", 100, None)]);
        wrong.draft.is_credit_note = true;
        assert!(matches!(
            book_entry(&wrong, &book, None),
            Err(PostingFault::PositiveCreditNote { gross_minor: 125, .. })
        ));
    }

    #[test]
    fn units_map_accounts_the_payers_for_the_receivable_the_owners_for_revenue() {
        let book = catalogue(Chart::default());
        let mut document =
            invoice("INV-0000001", vec![line(1, "PRO", 100, Some("dk")), line(2, "PRO", 100, None)]);
        let of_tenant = book_entry(&document, &book, None).unwrap();
        assert_eq!(
            postings(&of_tenant),
            [("1100", 250, 0), ("2610", 0, 50), ("4001", 0, 100), ("4000", 0, 100)]
        );
        assert_eq!(of_tenant.postings[2].unit_code.as_deref(), Some("100"));
        document.draft.business_unit = Some("dk".into());
        assert_eq!(book_entry(&document, &book, None).unwrap().postings[0].account, "1101");
        assert_eq!(receivable_codes(&book.tenant.accounts, book.business_units.values()), ["1100", "1101"]);
    }

    #[test]
    fn a_closed_period_moves_the_posting_and_not_the_document() {
        let document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        let entry = book_entry(&document, &catalogue(Chart::default()), Some(day(2, 1))).unwrap();
        assert_eq!((entry.document_date, entry.posting_date), (day(1, 31), day(2, 1)));
        assert_eq!(posting_date(day(3, 1), Some(day(2, 1))), day(3, 1));
    }

    #[test]
    fn a_document_that_does_not_add_up_is_refused_with_the_numbers() {
        let mut document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        document.draft.vat_groups[0].vat_minor = 24;
        let fault = book_entry(&document, &catalogue(Chart::default()), None).unwrap_err();
        assert_eq!(fault.to_string(), "INV-0000001: debit 125 and credit 124 minor units differ");
    }

    #[test]
    fn an_invoice_of_zero_has_an_entry_without_postings() {
        let document = invoice("INV-0000001", vec![line(1, "FREE", 0, None)]);
        let entry = book_entry(&document, &catalogue(Chart::default()), None).unwrap();
        assert!(entry.postings.is_empty() && entry.is_balanced());
    }

    #[test]
    fn what_happens_to_a_document_moves_between_two_accounts() {
        let book = catalogue(Chart::default());
        let document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        type Verb = fn(&Invoice, &Catalogue, Option<NaiveDate>, Happening) -> Result<Entry, PostingFault>;
        let table: [(Verb, EntryKind, &str, &str); 5] = [
            (payment_entry, EntryKind::Payment, "1900", "1100"),
            (fee_entry, EntryKind::Fee, "6100", "1900"),
            (refund_entry, EntryKind::Refund, "1100", "1910"),
            (write_off_entry, EntryKind::WriteOff, "6200", "1100"),
            (rounding_entry, EntryKind::Rounding, "6300", "1100"),
        ];
        for (verb, kind, debit, credit) in table {
            let entry = verb(&document, &book, None, happening(125)).unwrap();
            assert_eq!((entry.kind, entry.id), (kind, entry_id(document.draft.id, kind, 1)));
            assert_eq!(postings(&entry), [(debit, 125, 0), (credit, 0, 125)], "{kind:?}");
            let back = verb(&document, &book, None, happening(-125)).unwrap();
            assert_eq!(postings(&back), [(debit, 0, 125), (credit, 125, 0)], "{kind:?}");
            assert!(matches!(verb(&document, &book, None, happening(0)), Err(PostingFault::Nothing { .. })));
        }
    }

    #[test]
    fn deferred_revenue_is_earned_by_the_day_and_ends_at_the_net() {
        let book = catalogue(Chart { defer: true, ..Chart::default() });
        let mut quarter = line(1, "PRO", 10_000, None);
        quarter.deferred = true;
        quarter.period = Period::new(day(1, 1), day(4, 1));
        let document = invoice("INV-0000001", vec![quarter, line(2, "API", 500, None)]);
        let booked = book_entry(&document, &book, None).unwrap();
        assert_eq!(booked.postings[2].account, "2100");
        assert_eq!(booked.postings[3].account, "4000");

        let mut posted = BTreeMap::new();
        let mut earned = Vec::new();
        for (ordinal, until) in (1..).zip([day(2, 1), day(3, 1), day(4, 1), day(5, 1)]) {
            let Some(entry) = recognition_entry(&document, &book, None, ordinal, until, &posted).unwrap()
            else {
                break;
            };
            assert_eq!(entry.postings[0].account, "2100");
            *posted.entry(document.draft.lines[0].id).or_insert(0) += entry.postings[1].credit_minor;
            earned.push((entry.document_date, entry.postings[1].credit_minor));
        }
        // 31, 59 and 90 of 90 days of 100.00.
        assert_eq!(earned, [(day(1, 31), 3_444), (day(2, 28), 3_112), (day(3, 31), 3_444)]);
        let at_once = catalogue(Chart::default());
        assert_eq!(recognition_entry(&document, &at_once, None, 1, day(4, 1), &BTreeMap::new()), Ok(None));
    }
}

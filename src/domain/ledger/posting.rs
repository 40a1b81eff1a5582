//! From documents and events to balanced entries (rules L1, I2).
//!
//! Amounts on documents are signed: a credit note carries negative lines and totals, and is thereby booked as the
//! mirror of the invoice. Every entry that leaves this file is balanced.

use super::recognition;
use super::{Account, Chart, Entry, EntryBase, EntryKind, Form, InBase, Posting, PostingTax, Role, Sold};
use crate::catalogue::{BusinessUnit, Catalogue, TaxCategory};
use crate::ids::{self, EntryId, InvoiceId};
use crate::invoice::{Invoice, Line};
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;

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
    /// What was settled of the document before: amounts in the base currency follow the sum, so that the parts of a document
    /// come to the whole.
    pub settled_minor: i64,
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

/// How far the books have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calendar {
    /// First day of the earliest open accounting period; none = nothing is closed (rules I2).
    pub open_from: Option<NaiveDate>,
    /// Deferred revenue is recognised before this day; none = it never was (rules L1).
    pub recognized_until: Option<NaiveDate>,
}

/// The entry of an invoice or credit note: the receivable, VAT per (category, rate), and revenue per line
/// (rules L1). What is zero makes no posting. The receivable is of the payer's business unit, revenue of the
/// owner's (rules B2).
///
/// Errors: [`PostingFault::Unbalanced`] if lines and groups do not add up to the total.
pub fn book_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    calendar: Calendar,
) -> Result<Entry, PostingFault> {
    let draft = &invoice.draft;
    if draft.is_credit_note && draft.gross_minor() > 0 {
        let gross_minor = draft.gross_minor();
        return Err(PostingFault::PositiveCreditNote { document: invoice.number.clone(), gross_minor });
    }
    let kind = if draft.is_credit_note { EntryKind::CreditNote } else { EntryKind::Booking };
    let chart = &catalogue.tenant.accounts;
    let payer = Unit::of(catalogue, draft.business_unit.as_deref());
    let mut entry = Builder::new(invoice, kind, 0, draft.invoice_date, calendar.open_from);
    entry.entry.due_date = (!draft.is_credit_note).then_some(invoice.payable_by);
    entry.debit(payer.posting(chart.account(Role::Receivable)), i128::from(draft.gross_minor()));
    let country = invoice.country();
    for group in &draft.vat_groups {
        let account = payer.posting(chart.vat_account(group.category, group.rate_pct, country));
        let tax = tax(group.category, group.rate_pct, group.net_minor);
        entry.credit(Posting { tax, ..account }, i128::from(group.vat_minor));
    }
    for line in &draft.lines {
        let posted = |account, minor: i64| {
            let tax = tax(line.tax_category, line.tax_pct, minor);
            (Posting { tax, ..line_posting(catalogue, line, account) }, i128::from(minor))
        };
        let net_minor = line.subtotal_minor;
        let earned_minor = match (chart.defer && line.deferred, calendar.recognized_until) {
            (false, _) => net_minor,
            // What is credited has been earned in part already: that part leaves revenue.
            (true, Some(until)) if draft.is_credit_note => {
                recognition::earned_minor(line.period, net_minor, until)
            }
            (true, _) => 0,
        };
        for (account, minor) in [
            (revenue_account(catalogue, line, country), earned_minor),
            (chart.account(Role::DeferredRevenue), net_minor - earned_minor),
        ] {
            let (posting, minor) = posted(account, minor);
            entry.credit(posting, minor);
        }
    }
    if let Some(base) = &invoice.base {
        InBase::of(base, draft.currency).convert_booking(&mut entry.entry.postings);
    }
    entry.finish()
}

fn tax(category: TaxCategory, rate_pct: Decimal, base_minor: i64) -> Option<PostingTax> {
    Some(PostingTax { category, rate_pct: rate_pct.normalize(), base_minor })
}

/// Where the revenue of a line goes: by its charge, its plan, or the buyer's country, else to the one account of all.
pub(super) fn revenue_account(catalogue: &Catalogue, line: &Line, country: Option<&str>) -> Account {
    let home = catalogue.tenant.address.country.as_deref();
    let sold = Sold { sku: &line.sku, plan: plan_of(catalogue, &line.sku), country, home };
    catalogue.tenant.accounts.revenue_account(&sold)
}

/// The one plan that has a charge of this SKU; none if several do.
fn plan_of<'a>(catalogue: &'a Catalogue, sku: &str) -> Option<&'a str> {
    if catalogue.tenant.accounts.revenue_by_plan.is_empty() {
        return None;
    }
    let mut plans = catalogue.plans.values().filter(|plan| plan.charges.iter().any(|c| c.sku == sku));
    let only = plans.next()?;
    plans.next().is_none().then_some(only.sku.as_str())
}

/// The entry of an open item of another system, dated the day on which it was taken over: the receivable against opening
/// balances, whole, as revenue and VAT are in the other system's books (rules S7).
///
/// # Errors
/// [`PostingFault::Nothing`] of an item of 0.
pub fn opening_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
) -> Result<Entry, PostingFault> {
    let draft = &invoice.draft;
    let kind = EntryKind::Opening;
    let gross = i128::from(draft.gross_minor());
    let (Some(line), true) = (draft.lines.first(), gross != 0) else {
        return Err(PostingFault::Nothing { document: invoice.number.clone(), kind: kind.name() });
    };
    let chart = &catalogue.tenant.accounts;
    let payer = Unit::of(catalogue, draft.business_unit.as_deref());
    let mut entry = Builder::new(invoice, kind, 0, invoice.booked_on, open_from);
    entry.entry.due_date = (gross > 0).then_some(invoice.payable_by);
    entry.debit(payer.posting(chart.account(Role::Receivable)), gross);
    entry.credit(Posting { line: Some(line.id), ..payer.posting(chart.account(Role::Opening)) }, gross);
    entry.finish()
}

/// A payment: the bank, card or clearing account through which it came against the receivable.
pub fn payment_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    (through, happening): (&str, Happening),
) -> Result<Entry, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    let (debit, credit) = (chart.clearing_account(through), chart.account(Role::Receivable));
    let accounts = Transfer { kind: EntryKind::Payment, debit, credit, settles: Settles::More };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// What the provider keeps of a payment: an expense against the account through which it came.
pub fn fee_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    (through, happening): (&str, Happening),
) -> Result<Entry, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    let (debit, credit) = (chart.account(Role::PaymentFees), chart.clearing_account(through));
    let accounts = Transfer { kind: EntryKind::Fee, debit, credit, settles: Settles::Nothing };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// Money sent back to the payer, after a credit note or an overpayment: the receivable against refunds in transit.
pub fn refund_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    let (debit, credit) = (chart.account(Role::Receivable), chart.account(Role::Refunds));
    let accounts = Transfer { kind: EntryKind::Refund, debit, credit, settles: Settles::Less };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// What is written off of a receivable: bad debt against the receivable, gross.
pub fn write_off_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    let (debit, credit) = (chart.account(Role::BadDebt), chart.account(Role::Receivable));
    let accounts = Transfer { kind: EntryKind::WriteOff, debit, credit, settles: Settles::More };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// A difference too small to collect; below 0 if the payer paid too much.
pub fn rounding_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    happening: Happening,
) -> Result<Entry, PostingFault> {
    let chart = &catalogue.tenant.accounts;
    let (debit, credit) = (chart.account(Role::Rounding), chart.account(Role::Receivable));
    let accounts = Transfer { kind: EntryKind::Rounding, debit, credit, settles: Settles::More };
    transfer(invoice, catalogue, open_from, happening, accounts)
}

/// Two accounts between which an amount moves.
struct Transfer {
    kind: EntryKind,
    debit: Account,
    credit: Account,
    settles: Settles,
}

/// What an amount does to what is settled of its document.
#[derive(Clone, Copy)]
enum Settles {
    More,
    Less,
    Nothing,
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
    let amount_minor = happening.amount_minor;
    let unit = Unit::of(catalogue, invoice.draft.business_unit.as_deref());
    let mut entry = Builder::new(invoice, accounts.kind, happening.ordinal, happening.on, open_from);
    entry.debit(unit.posting(accounts.debit), i128::from(amount_minor));
    entry.credit(unit.posting(accounts.credit), i128::from(amount_minor));
    if let Some(base) = &invoice.base {
        let (in_base, gross_minor) = (InBase::of(base, invoice.draft.currency), invoice.draft.gross_minor());
        let part = |minor: i64| in_base.part_minor(minor, gross_minor);
        let before = happening.settled_minor;
        let base_minor = match accounts.settles {
            Settles::More => part(before.saturating_add(amount_minor)) - part(before),
            Settles::Less => part(before) - part(before.saturating_sub(amount_minor)),
            Settles::Nothing => part(amount_minor),
        };
        in_base.convert_pair(&mut entry.entry.postings, base_minor);
    }
    entry.finish()
}

pub(super) fn line_posting(catalogue: &Catalogue, line: &Line, account: Account) -> Posting {
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
pub(super) struct Unit<'a>(Option<&'a BusinessUnit>);

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
            base_minor: None,
        }
    }
}

/// An entry in the making.
pub(super) struct Builder {
    pub(super) entry: Entry,
    too_large: Option<i128>,
}

impl Builder {
    pub(super) fn new(
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
            form: Form::Second,
            due_date: None,
            country: invoice.country().map(str::to_owned),
            buyer_vat: invoice.draft.buyer.vat_number.clone(),
            base: invoice.base.as_ref().map(EntryBase::of),
            postings: Vec::with_capacity(invoice.draft.lines.len() + 3),
        };
        Self { entry, too_large: None }
    }

    pub(super) fn debit(&mut self, posting: Posting, amount_minor: i128) {
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

    pub(super) fn credit(&mut self, posting: Posting, amount_minor: i128) {
        self.debit(posting, -amount_minor);
    }

    pub(super) fn finish(self) -> Result<Entry, PostingFault> {
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

    fn closed(before: NaiveDate) -> Calendar {
        Calendar { open_from: Some(before), recognized_until: None }
    }

    fn happening(amount_minor: i64) -> Happening {
        Happening { ordinal: 1, on: day(2, 3), amount_minor, settled_minor: 0 }
    }

    #[test]
    fn an_invoice_is_receivable_vat_per_group_and_revenue_per_line() {
        let lines =
            vec![line(1, "PRO", 19_900, None), line(2, "FREE", 0, None), line(3, "DISCOUNTED", -900, None)];
        let entry =
            book_entry(&invoice("INV-0000001", lines), &catalogue(Chart::default()), Calendar::default())
                .unwrap();
        let expected = [("1100", 23_750, 0), ("2610", 0, 4_750), ("4000", 0, 19_900), ("4000", 900, 0)];
        assert_eq!(postings(&entry), expected);
        assert_eq!(entry.kind, EntryKind::Booking);
        let told: Vec<_> = entry.postings.iter().map(|p| p.tax.map(|t| (t.category, t.base_minor))).collect();
        let s = TaxCategory::S;
        assert_eq!(told, [None, Some((s, 19_000)), Some((s, 19_900)), Some((s, -900))]);
        assert_eq!(entry.postings[1].tax.map(|tax| tax.rate_pct), Some(Decimal::from(25)));
        assert_eq!(entry.due_date, Some(day(2, 15)));
        assert_eq!(entry.postings[2].sku.as_deref(), Some("PRO"));
        assert_eq!(entry.postings.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!((entry.document_date, entry.posting_date), (day(1, 31), day(1, 31)));
    }

    #[test]
    fn a_credit_note_is_the_mirror_of_its_invoice() {
        let book = catalogue(Chart::default());
        let credit = book_entry(
            &invoice("CN-0000001", vec![line(1, "PRO", -19_900, None)]),
            &book,
            Calendar::default(),
        )
        .unwrap();
        assert_eq!(credit.kind, EntryKind::CreditNote);
        assert_eq!(postings(&credit), [("1100", 0, 24_875), ("2610", 4_975, 0), ("4000", 19_900, 0)]);
        let mut wrong = invoice("CN-0000002", vec![line(1, "PRO", 100, None)]);
        wrong.draft.is_credit_note = true;
        assert!(matches!(
            book_entry(&wrong, &book, Calendar::default()),
            Err(PostingFault::PositiveCreditNote { gross_minor: 125, .. })
        ));
    }

    #[test]
    fn units_map_accounts_the_payers_for_the_receivable_the_owners_for_revenue() {
        let book = catalogue(Chart::default());
        let mut document =
            invoice("INV-0000001", vec![line(1, "PRO", 100, Some("dk")), line(2, "PRO", 100, None)]);
        let of_tenant = book_entry(&document, &book, Calendar::default()).unwrap();
        assert_eq!(
            postings(&of_tenant),
            [("1100", 250, 0), ("2610", 0, 50), ("4001", 0, 100), ("4000", 0, 100)]
        );
        assert_eq!(of_tenant.postings[2].unit_code.as_deref(), Some("100"));
        document.draft.business_unit = Some("dk".into());
        assert_eq!(book_entry(&document, &book, Calendar::default()).unwrap().postings[0].account, "1101");
        assert_eq!(receivable_codes(&book.tenant.accounts, book.business_units.values()), ["1100", "1101"]);
    }

    #[test]
    fn a_closed_period_moves_the_posting_and_not_the_document() {
        let document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        let entry = book_entry(&document, &catalogue(Chart::default()), closed(day(2, 1))).unwrap();
        assert_eq!((entry.document_date, entry.posting_date), (day(1, 31), day(2, 1)));
        assert_eq!(posting_date(day(3, 1), Some(day(2, 1))), day(3, 1));
    }

    #[test]
    fn a_document_that_does_not_add_up_is_refused_with_the_numbers() {
        let mut document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        document.draft.vat_groups[0].vat_minor = 24;
        let fault = book_entry(&document, &catalogue(Chart::default()), Calendar::default()).unwrap_err();
        assert_eq!(fault.to_string(), "INV-0000001: debit 125 and credit 124 minor units differ");
    }

    #[test]
    fn an_invoice_of_zero_has_an_entry_without_postings() {
        let document = invoice("INV-0000001", vec![line(1, "FREE", 0, None)]);
        let entry = book_entry(&document, &catalogue(Chart::default()), Calendar::default()).unwrap();
        assert!(entry.postings.is_empty() && entry.is_balanced());
    }

    #[test]
    fn what_happens_to_a_document_moves_between_two_accounts() {
        let book = catalogue(Chart::default());
        let document = invoice("INV-0000001", vec![line(1, "PRO", 100, None)]);
        type Verb = fn(&Invoice, &Catalogue, Option<NaiveDate>, Happening) -> Result<Entry, PostingFault>;
        let table: [(Verb, EntryKind, &str, &str); 5] = [
            (|i, c, o, h| payment_entry(i, c, o, ("sandbox", h)), EntryKind::Payment, "1900", "1100"),
            (|i, c, o, h| fee_entry(i, c, o, ("sandbox", h)), EntryKind::Fee, "6100", "1900"),
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
}

//! Open items of another system: invoices that were sent there and are not paid, and what payers have to their credit.
//! They become documents that are paid, dunned, set off and credited like any other, under the numbers that they have,
//! and are never billed, rendered or mailed as new (rules S7).

use super::PayerBook;
use super::custom::{self, CustomLine, LinePosition};
use super::drafting::{Group, Heading, assemble};
use crate::catalogue::{Catalogue, TaxCategory};
use crate::dunning::DunningPolicy;
use crate::ids::{CustomerId, InvoiceId};
use crate::invoice::{Invoice, InvoiceStatus, Settlement, TAKEN_OVER};
use crate::money::{Currency, Money};
use crate::period::plus_days;
use crate::refusal::{Code, Refusal};
use crate::subscription::Subscription;
use crate::tax::Treatment;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// SKU of the one line of an open item: the chart of accounts may give what is credited of it an account of its own.
pub const TAKEN_OVER_SKU: &str = "TAKEN-OVER";

/// An open item as it was handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenItem {
    /// As it stands on the paper that the payer has.
    pub number: String,
    pub date: NaiveDate,
    /// None: by the payer's term.
    pub due: Option<NaiveDate>,
    /// What is open, with VAT, minor units; below 0 the payer is owed it.
    pub amount_minor: i64,
    pub currency: Currency,
    pub title: Option<String>,
    /// Percent of VAT in the amount; none: by the rules of the book.
    pub vat_pct: Option<Decimal>,
}

/// Refuses an item whose number a document has, unless it is that item, taken over before.
///
/// # Errors
/// `exists`.
pub fn expect_same_item(
    invoice: &Invoice,
    payer: Option<CustomerId>,
    item: &OpenItem,
) -> Result<(), Refusal> {
    let draft = &invoice.draft;
    let is_same = Some(draft.payer) == payer
        && draft.invoice_date == item.date
        && item.due.is_none_or(|due| due == invoice.payable_by)
        && draft.currency == item.currency
        && draft.gross_minor() == item.amount_minor;
    let number = &item.number;
    let message = match (invoice.is_taken_over(), is_same) {
        (true, true) => return Ok(()),
        (true, false) => format!("{number} was taken over before, and says something else"),
        (false, _) => format!("there is an invoice {number} already"),
    };
    Err(Refusal::new(Code::Exists, message))
}

/// The document of an open item, taken over on a day. `subscription` is the number of the one that dunning may hold.
///
/// # Errors
/// `unknown_customer`, `unknown_subscription`, `no_tax_rule`, `too_large`.
pub fn taken_over(
    book: &PayerBook,
    owner: CustomerId,
    subscription: Option<&str>,
    item: &OpenItem,
    (sequence, on): (u64, NaiveDate),
) -> Result<Invoice, Refusal> {
    let missing = || Refusal::new(Code::UnknownCustomer, "the customer is not in its payer's book");
    let payer = book.customers.get(&book.payer).ok_or_else(missing)?;
    let owner = book.customers.get(&owner).ok_or_else(missing)?;
    let subscription = subscription.map(|number| paid_for(book, number)).transpose()?;
    let id = InvoiceId::of(&format!("{TAKEN_OVER}\u{1f}{}", item.number));
    let place =
        LinePosition { book, owner, invoice: id, number: 1, date: item.date, currency: item.currency };
    let mut line = custom::line(place, &one_line(item))?;
    line.tax_inclusive = true;
    line.subscription = subscription.map(|s| s.id);
    line.subscription_number = subscription.map(|s| s.number.clone());
    let mut treatment = Treatment::ByRule;
    if let Some(pct) = item.vat_pct {
        (line.tax_category, line.tax_pct) =
            (if pct.is_zero() { TaxCategory::E } else { TaxCategory::S }, pct);
        treatment = Treatment::Kept;
    }
    let group = Group {
        subscription_number: None,
        subscription: None,
        currency: item.currency,
        payment_method: None,
    };
    let heading = Heading { id, group: &group, charge_date: item.date };
    let draft = assemble(book, payer, &heading, vec![line.clone()], &[treatment])
        .or_else(|_| assemble(book, payer, &heading, vec![line], &[Treatment::ByRuleOf(on)]))
        .map_err(|gap| {
            Refusal::new(Code::NoTaxRule, gap.to_string()).hint(
                "load a tax rule that matches, or say in a column `vat` how many percent are in the amount",
            )
        })?;
    let term = i64::from(draft.payment_term);
    let due = item.due.unwrap_or_else(|| plus_days(item.date, term));
    let draft = crate::invoice::Draft {
        invoice_date: item.date,
        due_date: due,
        payment_term: u32::try_from((due - item.date).num_days()).unwrap_or(0),
        is_credit_note: item.amount_minor < 0,
        credits: Vec::new(),
        series: TAKEN_OVER.to_owned(),
        number_pattern: String::new(),
        reference: None,
        ..draft
    };
    Ok(Invoice {
        draft,
        number: item.number.clone(),
        sequence,
        booked_on: on,
        payable_by: due,
        base: None,
        payment_reference: None,
    })
}

fn paid_for<'b>(book: &'b PayerBook, number: &str) -> Result<&'b Subscription, Refusal> {
    let found = book.subscriptions.values().find(|subscription| subscription.number == number);
    found.ok_or_else(|| {
        let message = format!("the customer's payer pays for no subscription `{number}`");
        Refusal::new(Code::UnknownSubscription, message)
    })
}

fn one_line(item: &OpenItem) -> CustomLine {
    CustomLine {
        sku: Some(TAKEN_OVER_SKU.to_owned()),
        title: item.title.clone().unwrap_or_else(|| item.number.clone()),
        description: String::new(),
        quantity: Decimal::ONE,
        unit_price: Money::new(item.amount_minor, item.currency).decimal(),
        unit: None,
        taxable: true,
        exempt_reason: None,
        discount: Decimal::ZERO,
        discount_text: None,
    }
}

/// The marks of an open item: the steps of dunning whose days have passed were the other system's, and the next one is
/// taken on its day. `is_dunned`: the policy has steps for this payer.
pub fn taken_over_marks(
    invoice: &Invoice,
    policy: &DunningPolicy,
    is_dunned: bool,
    on: NaiveDate,
) -> Settlement {
    let open = Settlement::open(InvoiceStatus::Booked);
    if invoice.draft.gross_minor() <= 0 {
        return open;
    }
    let has_passed = |days: u32| plus_days(invoice.payable_by, i64::from(days)) < on;
    let passed = policy.steps.iter().take_while(|step| has_passed(step.days)).map(|_| 1u32).sum();
    let next = policy.next_step(invoice.payable_by, passed, None).filter(|_| is_dunned);
    Settlement { dunning_step: passed, next_retry: next.map(|step| step.on), ..open }
}

/// Refuses a number that a series of the book will come to: it would be given twice. `next` is the next sequence of a series,
/// by its name; none if it has not begun.
///
/// # Errors
/// `exists`.
pub fn expect_free_number(
    catalogue: &Catalogue,
    number: &str,
    next: impl Fn(&str) -> Option<u64>,
) -> Result<(), Refusal> {
    let Some(pattern) = series_that_makes(catalogue, number, next) else { return Ok(()) };
    let message = format!(
        "{number} is a number that `{pattern}` will come to: let the series begin behind it, with \
         `firstinvoicenumber` or `firstcreditnotenumber` in the book"
    );
    Err(Refusal::new(Code::Exists, message))
}

fn series_that_makes(
    catalogue: &Catalogue,
    number: &str,
    next: impl Fn(&str) -> Option<u64>,
) -> Option<String> {
    let tenant = &catalogue.tenant;
    let of_tenant = [
        (String::new(), "invoice", Some(&tenant.invoice_number_pattern), &tenant.first_invoice_number),
        (
            String::new(),
            "credit_note",
            Some(&tenant.credit_note_number_pattern),
            &tenant.first_credit_note_number,
        ),
    ];
    let of_units = catalogue.business_units.values().flat_map(|unit| {
        let name = format!("{}/", unit.refkey);
        [
            (name.clone(), "invoice", unit.invoice_number_pattern.as_ref(), &unit.first_invoice_number),
            (name, "credit_note", unit.credit_note_number_pattern.as_ref(), &unit.first_credit_note_number),
        ]
    });
    of_tenant.into_iter().chain(of_units).find_map(|(name, kind, pattern, first)| {
        let pattern = pattern?;
        let (sequence, year) = super::numbered(pattern, number)?;
        let first = first.as_ref().and_then(|first| super::numbered(pattern, first));
        let begins = first.filter(|(_, of)| *of == year).map_or(1, |(sequence, _)| sequence);
        let series = format!("{name}{kind}{}", year.map(|year| format!("/{year}")).unwrap_or_default());
        (sequence >= next(&series).unwrap_or(begins)).then(|| pattern.clone())
    })
}

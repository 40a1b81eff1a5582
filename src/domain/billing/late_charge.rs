//! What a payer who is late owes besides: the fee and interest of a reminder, on an invoice of their own (rules Y9).

use super::booking::check;
use super::drafting::{buyer, seller, series_of};
use crate::catalogue::{Catalogue, TaxCategory};
use crate::customer::{Customer, Delivery};
use crate::dunning::DunningStep;
use crate::exact::Exact;
use crate::ids::{InvoiceId, LineId};
use crate::invoice::{Draft, Invoice, Line};
use crate::period::{Period, plus_days};
use crate::tax;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// SKU of a reminder's fee: the chart of accounts may give it an account of its own.
pub const REMINDER_FEE_SKU: &str = "REMINDER-FEE";
/// SKU of interest on what came late.
pub const LATE_INTEREST_SKU: &str = "LATE-INTEREST";

/// Printed on what is compensation: nothing is supplied for it.
const NO_SUPPLY: &str = "Compensation for late payment, outside the scope of VAT";

/// Days of a year of interest, leap years too.
const DAYS_OF_YEAR: i128 = 365;

/// An invoice whose payer is reminded.
#[derive(Debug, Clone, Copy)]
pub struct Reminded<'a> {
    pub invoice: &'a Invoice,
    /// What is open of it on that day.
    pub open_minor: i64,
    pub payer: &'a Customer,
    /// Of the payer's book.
    pub revision: i64,
    pub step: &'a DunningStep,
    /// The step's place in its policy, from 1.
    pub number: u32,
    /// First day for which no reminder before has asked for interest; none if no one has.
    pub charged_until: Option<NaiveDate>,
    pub on: NaiveDate,
}

/// Id of what the reminder of a step costs: a step that is taken twice makes one invoice.
pub fn late_charge_id(invoice: InvoiceId, step: u32) -> InvoiceId {
    InvoiceId::of(&format!("late charge\u{1f}{invoice}\u{1f}{step}"))
}

/// Ids of what the reminders of an invoice may have cost, up to and with a step.
pub fn late_charges_of(invoice: InvoiceId, steps_taken: u32) -> Vec<InvoiceId> {
    (1..=steps_taken).map(|step| late_charge_id(invoice, step)).collect()
}

/// Whether a document is the cost of a reminder. Those cost nothing themselves.
pub fn is_late_charge(draft: &Draft) -> bool {
    let is_one = |line: &Line| [REMINDER_FEE_SKU, LATE_INTEREST_SKU].contains(&line.sku.as_str());
    !draft.lines.is_empty() && draft.lines.iter().all(|line| is_one(line) && line.amends.is_some())
}

/// First day for which these documents ask for no interest.
pub fn charged_until<'d>(charges: impl IntoIterator<Item = &'d Draft>) -> Option<NaiveDate> {
    let lines = charges.into_iter().flat_map(|draft| &draft.lines);
    lines.filter(|line| line.sku == LATE_INTEREST_SKU).map(|line| line.period.end).max()
}

/// The draft of what a reminder costs; none if it costs nothing, goes to nobody, or is of such a cost itself.
///
/// Interest is round(open × percent ÷ 100 × days ÷ 365), half away from zero: the days after the one by which the invoice was to
/// be paid, or after those that an earlier reminder asked for, up to and with the day of this one.
pub fn late_charge(catalogue: &Catalogue, of: &Reminded<'_>) -> Option<Draft> {
    let is_told = of.payer.delivery != Delivery::None && !of.payer.invoice_addresses().is_empty();
    if !is_told || of.open_minor <= 0 || is_late_charge(&of.invoice.draft) {
        return None;
    }
    let id = late_charge_id(of.invoice.draft.id, of.number);
    let mut lines: Vec<Line> = [fee(of), interest(of)].into_iter().flatten().collect();
    for (number, line) in (1..).zip(&mut lines) {
        (line.number, line.id) = (number, LineId::of(&format!("{id}\u{1f}{number}")));
    }
    let draft = draft(catalogue, of, id, lines);
    (draft.net_minor > 0 && check(&draft).is_ok()).then_some(draft)
}

fn fee(of: &Reminded<'_>) -> Option<Line> {
    let currency = of.invoice.draft.currency;
    let minor = Exact::of(of.step.late_charge.fee(currency)?).checked_round_half_away(currency.decimals())?;
    let title = of.step.late_charge.fee_text.as_deref().unwrap_or("Reminder fee");
    let line = line(of, (REMINDER_FEE_SKU, title), minor, Period::single(of.on));
    (minor > 0).then_some(line)
}

fn interest(of: &Reminded<'_>) -> Option<Line> {
    let (late, currency) = (&of.step.late_charge, of.invoice.draft.currency);
    let pct = late.interest_pct?;
    let days = Period::new(
        of.charged_until
            .unwrap_or(plus_days(of.invoice.payable_by, 1))
            .max(plus_days(of.invoice.payable_by, 1)),
        plus_days(of.on, 1),
    );
    if days.days() <= 0 {
        return None;
    }
    let open = Exact::of_minor(of.open_minor, currency);
    let share = Exact::of(pct).times(Exact::ratio(i128::from(days.days()), 100 * DAYS_OF_YEAR));
    let minor = open.times(share).checked_round_half_away(currency.decimals())?;
    let title = late.interest_text.as_deref().unwrap_or("Interest on late payment");
    let mut line = line(of, (LATE_INTEREST_SKU, title), minor, days);
    let open = open.to_decimal(currency.decimals());
    line.description =
        format!("{currency} {open} × {} % × {} / {DAYS_OF_YEAR}", pct.normalize(), days.days());
    (minor > 0).then_some(line)
}

fn line(of: &Reminded<'_>, (sku, title): (&str, &str), minor: i64, period: Period) -> Line {
    let amount = Exact::of_minor(minor, of.invoice.draft.currency);
    Line {
        id: LineId::of(""),
        number: 0,
        key: None,
        owner: of.payer.id,
        subscription: None,
        subscription_number: None,
        sku: sku.to_owned(),
        title: title.to_owned(),
        description: String::new(),
        quantity: Decimal::ONE,
        unit_price: amount.to_decimal(of.invoice.draft.currency.decimals()),
        rated_quantity: Decimal::ONE,
        unit: None,
        subtotal_minor: minor,
        discount: Decimal::ZERO,
        discount_minor: 0,
        discount_text: None,
        tax_category: TaxCategory::O,
        tax_pct: Decimal::ZERO,
        tax_reason: Some(NO_SUPPLY.to_owned()),
        vat_minor: 0,
        period,
        tax_date: of.on,
        deferred: false,
        arrears: false,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: false,
        amends: Some(of.invoice.number.clone()),
        business_unit: of.invoice.draft.business_unit.clone(),
        accounting_code: None,
        exact: amount,
        credits: Vec::new(),
    }
}

/// Of the invoice's payer, currency, unit and policy; parties and series are those of the day.
fn draft(catalogue: &Catalogue, of: &Reminded<'_>, id: InvoiceId, mut lines: Vec<Line>) -> Draft {
    let (was, tenant) = (&of.invoice.draft, &catalogue.tenant);
    let vat_groups = tax::vat(&mut lines, was.currency);
    let (series, number_pattern) = series_of(catalogue, was.business_unit.as_deref(), false, of.on);
    let payment_term = of.payer.payment_term.unwrap_or(tenant.payment_term);
    Draft {
        id,
        subscription: None,
        subscription_number: None,
        child: None,
        charge_date: of.on,
        invoice_date: of.on,
        due_date: plus_days(of.on, i64::from(payment_term)),
        payment_term,
        is_credit_note: false,
        credits: Vec::new(),
        series,
        number_pattern,
        autobill: true,
        seller: seller(tenant),
        buyer: buyer(of.payer),
        language: of.payer.language.clone().unwrap_or_else(|| tenant.language.clone()),
        net_minor: lines.iter().map(|line| line.subtotal_minor).sum(),
        vat_minor: lines.iter().map(|line| line.vat_minor).sum(),
        lines,
        vat_groups,
        revision: of.revision,
        ..was.clone()
    }
}

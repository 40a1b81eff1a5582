//! Invoices that a person writes: the lines are given, and tax, dates, parties and series are as on any other invoice
//! (rules I2, I3, I5, M1, M2, X1). They take no period of a subscription, so no run bills less because of them.

use super::PayerBook;
use super::drafting::{Group, Heading, assemble};
use super::rating::LINE_MAX_MINOR;
use crate::catalogue::TaxCategory;
use crate::customer::Customer;
use crate::discount;
use crate::exact::Exact;
use crate::ids::{InvoiceId, LineId};
use crate::invoice::{Draft, Line};
use crate::money::{Currency, Money};
use crate::period::{Period, plus_days};
use crate::refusal::{Code, Refusal, Verb};
use crate::tax::{NoTaxRule, Treatment};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

/// SKU of a line that names none: the chart of accounts may give it an account of its own.
pub const CUSTOM_SKU: &str = "CUSTOM";

/// What a person asks to have invoiced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomInvoice {
    /// Of the customer who is served; who bills to a parent is invoiced there (rules B2).
    pub account_number: String,
    /// Names the invoice; without it, its content does.
    pub refkey: Option<String>,
    /// None: the customer's.
    pub currency: Option<Currency>,
    /// Invoice date and tax date.
    pub date: NaiveDate,
    /// Net days; none: the payer's.
    pub payment_term: Option<u32>,
    /// None: the payer's.
    pub reference: Option<String>,
    pub lines: Vec<CustomLine>,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomLine {
    pub sku: Option<String>,
    pub title: String,
    pub description: String,
    pub quantity: Decimal,
    /// Major units; below 0 takes off.
    pub unit_price: Decimal,
    pub unit: Option<String>,
    pub taxable: bool,
    /// Printed where the line is not taxable.
    pub exempt_reason: Option<String>,
    /// A fraction, 0.10 = 10 %.
    pub discount: Decimal,
    pub discount_text: Option<String>,
}

impl CustomInvoice {
    /// A function of customer and refkey, else of all that is asked for: the same file makes the same invoice.
    pub fn id(&self) -> InvoiceId {
        let content = serde_json::to_string(self).unwrap_or_default();
        let named = self.refkey.as_ref().map(|refkey| format!("{}\u{1f}{refkey}", self.account_number));
        InvoiceId::of(&format!("custom\u{1f}{}", named.unwrap_or(content)))
    }
}

/// The draft of a custom invoice. SubTotal of a line is round(quantity × unit price × (1 − discount)), half away from
/// zero (rules P7, M1). Discounts of the customer are for what it subscribes to and are not applied.
///
/// # Errors
/// `unknown_customer`, `too_large`, `below_zero`, `no_tax_rule`.
pub fn custom_draft(book: &PayerBook, custom: &CustomInvoice) -> Result<Draft, Refusal> {
    let missing =
        || Refusal::new(Code::UnknownCustomer, format!("there is no customer `{}`", custom.account_number));
    let payer = book.customers.get(&book.payer).ok_or_else(missing)?;
    let owner = book.customers.values().find(|c| c.account_number == custom.account_number);
    let owner = owner.ok_or_else(missing)?;
    let currency = custom.currency.unwrap_or(owner.currency);
    let id = custom.id();
    let mut lines = Vec::with_capacity(custom.lines.len());
    for (number, asked) in (1..).zip(&custom.lines) {
        let place = LinePosition { book, owner, invoice: id, number, date: custom.date, currency };
        lines.push(line(place, asked)?);
    }
    let treatments: Vec<Treatment<'_>> = custom.lines.iter().map(treatment).collect();
    let group = Group { subscription_number: None, subscription: None, currency, payment_method: None };
    let heading = Heading { id, group: &group, charge_date: custom.date };
    let draft = assemble(book, payer, &heading, lines, &treatments).map_err(no_rule)?;
    if draft.gross_minor() < 0 {
        let total = Money::new(draft.gross_minor(), currency);
        return Err(Refusal::new(Code::BelowZero, format!("the invoice adds up to {total}"))
            .hint("credit an invoice instead: ")
            .ask(Verb::CreditInvoice.on("NUMBER")));
    }
    let payment_term = custom.payment_term.unwrap_or(draft.payment_term);
    Ok(Draft {
        payment_term,
        due_date: plus_days(custom.date, i64::from(payment_term)),
        invoice_date: custom.date,
        reference: custom.reference.clone().or_else(|| draft.reference.clone()),
        autobill: false, // a person books it
        ..draft
    })
}

/// The refusal of lines that a person adds.
pub(super) fn no_rule(gap: NoTaxRule) -> Refusal {
    Refusal::new(Code::NoTaxRule, gap.to_string())
        .hint("load a tax rule that matches, or say of the line that it is not taxable")
}

pub(super) fn treatment(line: &CustomLine) -> Treatment<'_> {
    if line.taxable { Treatment::ByRule } else { Treatment::Exempt(line.exempt_reason.as_deref()) }
}

/// Where a line stands.
pub(super) struct LinePosition<'a> {
    pub book: &'a PayerBook,
    pub owner: &'a Customer,
    pub invoice: InvoiceId,
    pub number: u32,
    pub date: NaiveDate,
    pub currency: Currency,
}

pub(super) fn line(place: LinePosition<'_>, asked: &CustomLine) -> Result<Line, Refusal> {
    let LinePosition { book, owner, invoice, number, date, currency } = place;
    let amount = Exact::of(asked.quantity).times(Exact::of(asked.unit_price));
    let minor = amount.checked_round_half_away(currency.decimals());
    if minor.is_none_or(|minor| minor.abs() > LINE_MAX_MINOR) {
        let message = format!("the amount of line {number} is beyond what an invoice carries");
        return Err(Refusal::new(Code::TooLarge, message).hint("split it into several invoices"));
    }
    let discounted = discount::take_off(amount, asked.discount, currency);
    let unit = owner.business_unit.as_ref().and_then(|refkey| book.catalogue.business_units.get(refkey));
    Ok(Line {
        id: LineId::of(&format!("{invoice}\u{1f}{number}")),
        number,
        key: None,
        owner: owner.id,
        subscription: None,
        subscription_number: None,
        sku: asked.sku.clone().unwrap_or_else(|| CUSTOM_SKU.to_owned()),
        title: asked.title.clone(),
        description: asked.description.clone(),
        quantity: asked.quantity,
        unit_price: asked.unit_price,
        rated_quantity: asked.quantity,
        unit: asked.unit.clone(),
        subtotal_minor: discounted.subtotal_minor,
        discount: asked.discount,
        discount_minor: discounted.discount_minor,
        discount_text: asked.discount_text.clone(),
        tax_category: TaxCategory::O,
        tax_pct: Decimal::ZERO,
        tax_reason: None,
        vat_minor: 0,
        period: Period::single(date),
        tax_date: date,
        deferred: false,
        arrears: false,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: false,
        amends: None,
        business_unit: unit.map(|unit| unit.refkey.clone()),
        accounting_code: unit.and_then(|unit| unit.accounting_code.clone()),
        exact: amount,
        credits: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{check, sample};
    use crate::book_file::read_custom_invoice;
    use serde_json::{Value, json};

    fn drafted(invoice: &Value) -> Result<Draft, Refusal> {
        let custom = read_custom_invoice("invoice.json", &invoice.to_string()).unwrap();
        let mut book = sample::book(&json!([]));
        let rule = json!({"tenant": {"fullname": "Nordlys", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "country": "DK"},
            "taxrules": [{"fullname": "DK", "country": "DK", "state": "*", "ruletype": "*", "priority": 1, "taxpct": "25", "category": "S"}]});
        let set = crate::book_file::read_value(&rule, &crate::book_file::StoredBook::default()).unwrap();
        std::sync::Arc::make_mut(&mut book.catalogue).tax_rules = set.catalogue.tax_rules;
        custom_draft(&book, &custom)
    }

    fn asked(lines: Value) -> Value {
        json!({"customer": "CU-1", "date": "2026-03-05", "lines": lines})
    }

    #[test]
    fn lines_are_discounted_rounded_once_and_taxed() {
        let draft = drafted(&asked(json!([
            {"title": "On-site day", "quantity": "1.5", "unitprice": "999.99", "discount": "0.10"}, // 1349.9865
            {"title": "Travel", "quantity": "1", "unitprice": "300", "taxable": false, "exemptreason": "Outlay"},
        ])))
        .unwrap();
        check(&draft).unwrap();
        let told: Vec<_> =
            draft.lines.iter().map(|l| (l.subtotal_minor, l.discount_minor, l.vat_minor)).collect();
        assert_eq!(told, [(134_999, 15_000, 33_750), (30_000, 0, 0)]);
        assert_eq!(draft.lines[1].tax_reason.as_deref(), Some("Outlay"));
        assert_eq!(draft.gross_minor(), 134_999 + 33_750 + 30_000);
        assert_eq!(draft.invoice_date.to_string(), "2026-03-05");
    }

    #[test]
    fn the_same_request_has_the_same_id_and_a_refkey_tells_two_apart() {
        let mut invoice = asked(json!([{"title": "Setup", "quantity": "1", "unitprice": "100"}]));
        let first = drafted(&invoice).unwrap().id;
        assert_eq!(drafted(&invoice).unwrap().id, first);
        invoice["refkey"] = json!("second");
        let second = drafted(&invoice).unwrap().id;
        assert_ne!(second, first);
        invoice["paymentterm"] = json!(30);
        let draft = drafted(&invoice).unwrap();
        assert_eq!((draft.id, draft.due_date.to_string()), (second, "2026-04-04".to_owned()));
    }

    #[test]
    fn what_no_invoice_can_say_is_refused() {
        let table = [
            (json!([{"title": "Rebate", "quantity": "1", "unitprice": "-100"}]), Code::BelowZero),
            (
                json!([{"title": "Much", "quantity": "999999999999", "unitprice": "999999999"}]),
                Code::TooLarge,
            ),
        ];
        for (lines, code) in table {
            assert_eq!(drafted(&asked(lines)).unwrap_err().code, code);
        }
        let mut unknown = asked(json!([{"title": "Setup", "quantity": "1", "unitprice": "100"}]));
        unknown["customer"] = json!("CU-9");
        assert_eq!(drafted(&unknown).unwrap_err().code, Code::UnknownCustomer);
    }
}

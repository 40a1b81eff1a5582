//! The invoice on the wire: Upodi's fields in PascalCase, amounts as decimal strings, statuses as Upodi's numbers. The
//! same in `simulate` and `invoices --json`.

use super::{Draft, Invoice, InvoiceStatus, Line, Settlement, State};
use crate::money::{Currency, Money};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

/// An invoice, draft or booked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvoiceWire {
    #[serde(rename = "ID")]
    pub id: Uuid,
    /// None on drafts.
    pub invoice_number: Option<String>,
    pub invoice_status: u32,
    pub payment_status: u32,
    pub settlement_status: u32,
    /// The state in a word: see [`State::word`].
    pub state: &'static str,
    pub is_credit_note: bool,
    #[serde(rename = "CustomerID")]
    pub customer_id: Uuid,
    pub account_number: String,
    #[serde(rename = "SubscriptionID")]
    pub subscription_id: Option<Uuid>,
    pub subscription_number: Option<String>,
    #[serde(rename = "ChildID")]
    pub child_id: Option<Uuid>,
    pub currency_code: String,
    pub invoice_date: NaiveDate,
    pub due_date: NaiveDate,
    pub payment_date: Option<NaiveDate>,
    /// What the payer states with a transfer, as banks transmit it; absent where it is the invoice's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
    /// Net.
    pub total: String,
    pub total_vat: String,
    /// Gross.
    pub total_amount: String,
    pub invoice_lines: Vec<LineWire>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LineWire {
    pub line_number: u32,
    #[serde(rename = "SKU")]
    pub sku: String,
    pub title: String,
    pub description: String,
    pub quantity: String,
    pub unit_price: String,
    /// Net after discount.
    pub sub_total: String,
    /// As a fraction: 0.1 = 10 %.
    pub discount: String,
    pub discount_amount: String,
    /// Percent.
    pub tax_pct: String,
    pub total_vat: String,
    /// Gross.
    pub total_price: String,
    pub period_start: NaiveDate,
    /// Last day, included.
    pub period_end: NaiveDate,
    pub is_amendment: bool,
    pub is_adjustment: bool,
    pub unit: Option<String>,
    pub rated_quantity: String,
}

/// A movement of money (Upodi `transaction`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TransactionWire {
    #[serde(rename = "ID")]
    pub id: Uuid,
    #[serde(rename = "CustomerID")]
    pub customer_id: Uuid,
    #[serde(rename = "InvoiceID")]
    pub invoice_id: Uuid,
    pub invoice_number: String,
    /// 1 success, 8 decline, 16 failure, 32 manual, 64 pending.
    pub state_code: u32,
    /// 8 payment, 16 refund, 32 decline.
    #[serde(rename = "Type")]
    pub kind: u32,
    pub total_amount: String,
    pub currency_code: String,
    pub date: NaiveDate,
    pub error_code: Option<String>,
}

impl InvoiceWire {
    /// A draft: no number yet.
    pub fn draft(draft: &Draft) -> Self {
        Self::of(draft, None, &Settlement::open(InvoiceStatus::Draft))
    }

    /// A draft as it stands: open, or cancelled.
    pub fn unbooked(draft: &Draft, settlement: &Settlement) -> Self {
        Self::of(draft, None, settlement)
    }

    /// A booked invoice as it stands on a day.
    pub fn booked(invoice: &Invoice, settlement: &Settlement, as_of: NaiveDate) -> Self {
        let wire = Self::of(&invoice.draft, Some(invoice.number.clone()), settlement);
        let payment_reference = invoice.payment_reference.as_ref().map(|own| own.reference.clone());
        let state = State::of(settlement, invoice.draft.gross_minor(), invoice.payable_by, as_of).word();
        Self { due_date: invoice.payable_by, payment_reference, state, ..wire }
    }

    fn of(draft: &Draft, number: Option<String>, settlement: &Settlement) -> Self {
        let money = |minor: i64| amount(minor, draft.currency);
        Self {
            id: draft.id.0,
            invoice_number: number,
            invoice_status: settlement.status as u32,
            payment_status: settlement.payment_status as u32,
            settlement_status: settlement.settlement_status(draft.gross_minor()) as u32,
            state: State::of(settlement, draft.gross_minor(), draft.due_date, draft.due_date).word(),
            is_credit_note: draft.is_credit_note,
            customer_id: draft.payer.0,
            account_number: draft.account_number.clone(),
            subscription_id: draft.subscription.map(|s| s.0),
            subscription_number: draft.subscription_number.clone(),
            child_id: draft.child.map(|c| c.0),
            currency_code: draft.currency.to_string(),
            invoice_date: draft.invoice_date,
            due_date: draft.due_date,
            payment_date: settlement.payment_date,
            payment_reference: None,
            total: money(draft.net_minor),
            total_vat: money(draft.vat_minor),
            total_amount: money(draft.gross_minor()),
            invoice_lines: draft.lines.iter().map(|line| LineWire::of(line, draft.currency)).collect(),
        }
    }
}

impl LineWire {
    fn of(line: &Line, currency: Currency) -> Self {
        let money = |minor: i64| amount(minor, currency);
        Self {
            line_number: line.number,
            sku: line.sku.clone(),
            title: line.title.clone(),
            description: line.description.clone(),
            quantity: plain(line.quantity),
            unit_price: plain(line.unit_price),
            sub_total: money(line.subtotal_minor),
            discount: plain(line.discount),
            discount_amount: money(line.discount_minor),
            tax_pct: plain(line.tax_pct),
            total_vat: money(line.vat_minor),
            total_price: money(line.gross_minor()),
            period_start: line.period.start,
            period_end: line.period.last_day(),
            is_amendment: line.is_amendment,
            is_adjustment: line.is_adjustment,
            unit: line.unit.clone(),
            rated_quantity: plain(line.rated_quantity),
        }
    }
}

/// Minor units as a decimal string with the currency's decimals.
fn amount(minor: i64, currency: Currency) -> String {
    Money::new(minor, currency).decimal().to_string()
}

fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

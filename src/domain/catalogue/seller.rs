//! The tenant (the seller), its business units, tax rules, exchange rates and units of measure.

use super::{InvoiceDateRule, Paper, RuleType, TaxCategory};
use crate::customer::Address;
use crate::direct_debit;
use crate::einvoice::Identifiers;
use crate::ledger::Chart;
use crate::money::Currency;
use crate::payment_reference::ReferenceRule;
use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The one legal entity that sells: VAT number, base currency, ledger and accounting periods are its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    pub fullname: String,
    pub company_vat: Option<String>,
    /// Base currency.
    pub currency: Currency,
    /// Local dates are dates in this zone, unless a business unit has its own (rules T1).
    pub timezone: Tz,
    /// Net days: 0, 8, 14, 21, 30, 45, 60 or 90.
    pub payment_term: u32,
    pub address: Address,
    pub iban: Option<String>,
    pub bic: Option<String>,
    /// By which banks know who fetches money by direct debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creditor_id: Option<String>,
    /// Days between an invoice and its debit; none = 14.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debit_notice_days: Option<u32>,
    pub email: Option<String>,
    pub phone: Option<String>,
    #[serde(default)]
    pub identifiers: Identifiers,
    pub invoice_date_rule: InvoiceDateRule,
    /// Smallest gross that is invoiced, in major units of the invoice's currency; none = off (rules I8).
    pub minimum_invoice: Option<Decimal>,
    /// `INV-{seq:07}` unless set; `{year}` starts a new series each year (rules I5).
    pub invoice_number_pattern: String,
    /// `CN-{seq:07}` unless set.
    pub credit_note_number_pattern: String,
    /// The first number of each series, written as it will read; 1 unless set (rules S7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_invoice_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_credit_note_number: Option<String>,
    /// Language of documents, `en` or `da`.
    pub language: String,
    /// Text under the totals.
    pub invoice_note: Option<String>,
    /// What else is printed, and in what form.
    #[serde(default)]
    pub paper: Paper,
    /// What payers state with a transfer; none = the invoice's number.
    #[serde(default)]
    pub payment_reference: Option<ReferenceRule>,
    /// Overrides of the chart of accounts.
    pub accounts: Chart,
}

impl Tenant {
    /// The day on which the bank fetches the money for an invoice.
    pub fn debited_on(&self, payable_by: NaiveDate, booked_on: NaiveDate) -> NaiveDate {
        let notice_days = self.debit_notice_days.unwrap_or(direct_debit::NOTICE_DAYS);
        direct_debit::collected_on(payable_by, booked_on, notice_days)
    }

    /// Whether direct debits can be made: an account, and an identifier to make them in the name of.
    pub fn debits(&self) -> bool {
        self.creditor_id.is_some() && self.iban.is_some()
    }
}

/// A branch of the tenant (rules B1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusinessUnit {
    pub refkey: String,
    pub fullname: String,
    /// Printed on ledger lines.
    pub accounting_code: Option<String>,
    pub timezone: Option<Tz>,
    /// A unit with a pattern has its own invoice series.
    pub invoice_number_pattern: Option<String>,
    pub credit_note_number_pattern: Option<String>,
    /// As [`Tenant::first_invoice_number`], of its own series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_invoice_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_credit_note_number: Option<String>,
    /// Account numbers of the tenant's chart that this unit replaces: from → to.
    pub accounts: BTreeMap<String, String>,
    /// Refkey of the policy for its payers' invoices (rules Y3).
    #[serde(default)]
    pub dunning_policy: Option<String>,
    /// In place of the tenant's.
    #[serde(default)]
    pub payment_reference: Option<ReferenceRule>,
    /// New customers and subscriptions may name it.
    #[serde(default = "super::is_active_unless_said")]
    pub active: bool,
}

/// A dated tax rule (rules X1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaxRule {
    pub fullname: String,
    /// ISO 3166 alpha-2 or `*`.
    pub country: String,
    /// State or `*`.
    pub state: String,
    pub rule_type: RuleType,
    /// The lowest wins.
    pub priority: i64,
    /// Percent: 25 = 25 %.
    pub tax_pct: Decimal,
    pub category: TaxCategory,
    pub valid_from: Option<NaiveDate>,
    /// First day on which it no longer holds.
    pub valid_to: Option<NaiveDate>,
    /// Printed for categories without VAT.
    pub reason: Option<String>,
}

/// An exchange rate: units of the base currency for one unit of `currency` on `date`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub currency: Currency,
    pub date: NaiveDate,
    pub rate: Decimal,
    pub source: String,
}

/// A unit of measure, printed beside quantities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uom {
    pub refkey: String,
    pub fullname: String,
    /// New charges may name it.
    #[serde(default = "super::is_active_unless_said")]
    pub active: bool,
}

/// A group of plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductFamily {
    pub refkey: String,
    pub fullname: String,
    /// New plans may name it.
    #[serde(default = "super::is_active_unless_said")]
    pub active: bool,
}

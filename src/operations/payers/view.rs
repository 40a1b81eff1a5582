//! Payers as they are shown.

use crate::delivery::open::OpenMail;
use crate::delivery::plan::addresses;
use crate::payments::tried::decimal;
use domain::customer::{Customer, Delivery};
use domain::money::{Currency, Money};
use serde::Serialize;
use std::collections::BTreeMap;
use store::balance::Balance;

/// A payer with what is open.
#[derive(Debug, Clone, Serialize)]
pub struct PayerView {
    pub account: String,
    pub name: String,
    pub delivery: Delivery,
    #[serde(rename = "mailto")]
    pub mail_to: Vec<String>,
    pub balances: Vec<BalanceView>,
    /// Invoices that have not reached it.
    pub undelivered: u64,
}

/// What is open in one currency.
#[derive(Debug, Clone, Serialize)]
pub struct BalanceView {
    pub currency: Currency,
    #[serde(serialize_with = "decimal")]
    pub open: Money,
    #[serde(serialize_with = "decimal")]
    pub overdue: Money,
    /// Owed to the payer.
    #[serde(serialize_with = "decimal")]
    pub credit: Money,
}

impl PayerView {
    pub(crate) fn of(customer: &Customer, balances: Vec<Balance>, undelivered: u64) -> Self {
        Self {
            account: customer.account_number.clone(),
            name: customer.fullname.clone(),
            delivery: customer.delivery,
            mail_to: addresses(customer),
            balances: balances.into_iter().map(BalanceView::from).collect(),
            undelivered,
        }
    }
}

impl From<Balance> for BalanceView {
    fn from(balance: Balance) -> Self {
        let money = |minor| Money::new(minor, balance.currency);
        Self {
            currency: balance.currency,
            open: money(balance.open_minor),
            overdue: money(balance.overdue_minor),
            credit: money(balance.credit_minor),
        }
    }
}

/// Invoices that have not reached their payer, by account number.
pub(crate) fn undelivered(open: &[OpenMail]) -> BTreeMap<String, u64> {
    let of_invoices = open.iter().filter(|mail| mail.channel == "invoice");
    let mut invoices: Vec<(&String, &String)> =
        of_invoices.map(|mail| (&mail.account, &mail.invoice)).collect();
    invoices.sort_unstable();
    invoices.dedup();
    let mut counts = BTreeMap::new();
    invoices.into_iter().for_each(|(account, _)| *counts.entry(account.clone()).or_default() += 1);
    counts
}

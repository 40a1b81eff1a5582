//! Payment methods that are there and that nobody charges: their payers believe that they have paid.

use super::{Book, DAYS_AHEAD, ObjectWarnings};
use crate::catalogue::Plan;
use crate::customer::{Customer, PaymentMethod};
use crate::direct_debit::{self, SEPA};
use crate::money::Currency;
use crate::period::plus_days;
use crate::subscription::{Subscription, Timeline};
use chrono::NaiveDate;

const FIELD: Option<&str> = Some("paymentmethods");

impl ObjectWarnings<'_> {
    /// What ought to come without the payer, and will not (rules Y3). One word per payer: the first subscription that meets it.
    pub(super) fn payment_methods(
        &mut self,
        book: &Book<'_>,
        payer: &Customer,
        served: &[(&Subscription, &Plan, NaiveDate)],
    ) {
        if payer.payment_methods.is_empty() {
            return;
        }
        let found = served.iter().find_map(|(subscription, _, day)| {
            let timeline = Timeline::known(subscription, book.catalogue, *day, *day).ok()?;
            let named = timeline.payment_method_on(*day);
            let charged = payer.charged_methods(named, subscription.currency).next();
            match charged {
                Some(method) => will_fail(book, method, *day),
                None => not_charged(payer, named, subscription.currency),
            }
        });
        if let Some((code, message)) = found {
            self.add(FIELD, code, message);
        }
    }
}

/// Why a method that will be charged cannot be.
fn will_fail(book: &Book<'_>, method: &PaymentMethod, day: NaiveDate) -> Option<(&'static str, String)> {
    let (refkey, gateway) = (&method.refkey, method.gateway.as_deref().unwrap_or_default());
    if gateway == SEPA && !book.catalogue.tenant.debits() {
        let message = format!(
            "`{refkey}` is a direct debit, and the tenant has no `iban` and `creditorid`: nothing is collected"
        );
        return Some(("no_gateway", message));
    }
    if gateway != SEPA && !book.gateways.contains(gateway) {
        let message =
            format!("`{refkey}` is at `{gateway}`, a gateway that is not set up: nobody charges it");
        return Some(("no_gateway", message));
    }
    let next = plus_days(day, DAYS_AHEAD);
    method.expires.filter(|end| *end <= next).map(|end| {
        ("method_expired", format!("`{refkey}` is not charged from {end} on: it has expired by then"))
    })
}

/// Why nobody is charged though there is a method that looks like it.
fn not_charged(payer: &Customer, named: Option<&str>, currency: Currency) -> Option<(&'static str, String)> {
    let method = payer
        .payment_methods
        .iter()
        .find(|m| m.gateway.is_some() || m.token.is_some() || m.mandate.is_some())?;
    let refkey = &method.refkey;
    if method.mandate.is_some() && !direct_debit::is_taken(currency) {
        let message = format!("`{refkey}` is a direct debit, and it cannot collect {currency}");
        return Some(("method_not_charged", message));
    }
    if !method.is_collected(currency) {
        let missing = if method.token.is_some() { "gateway" } else { "token" };
        let message = format!("`{refkey}` has no `{missing}`: nobody charges it");
        return Some(("method_not_charged", message));
    }
    let is_chosen = |m: &&PaymentMethod| m.is_default || Some(m.refkey.as_str()) == named;
    match payer.payment_methods.iter().find(is_chosen) {
        // Somebody has chosen that this payer pays otherwise.
        Some(_) => None,
        None => Some((
            "method_not_used",
            format!(
                "`{refkey}` is not charged: no subscription names it, and it is not the default (`makedefault`)"
            ),
        )),
    }
}

//! What will keep a payer from a right invoice, seen before it happens: no address, no tax rule, no price, a draft that is
//! never billed, a VAT number that is none (rules I10, X1). Nothing of it is refused; `load` and `doctor` say it.

mod law;
mod payment_methods;

use crate::billing::{buyer_tax, seller_tax};
use crate::book_file::ObjectKind;
use crate::catalogue::{Catalogue, Plan};
use crate::customer::{Customer, Delivery};
use crate::ids::CustomerId;
use crate::period::plus_days;
use crate::subscription::{State, Subscription};
use crate::tax::{self, vat_number};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How far ahead the next invoices lie.
const DAYS_AHEAD: i64 = 31;

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The object of the book, by kind and natural key.
    pub kind: ObjectKind,
    pub key: String,
    /// The field of it, if it is one.
    pub field: Option<&'static str>,
    /// Stable, for machines.
    pub code: &'static str,
    pub message: String,
}

/// Why a text cannot be written on paper; none if it can.
pub type Unwritable<'b> = &'b dyn Fn(&str) -> Option<String>;
/// Whether documents are written in a language.
pub type HasLanguage<'b> = &'b dyn Fn(&str) -> bool;

/// A book as it stands, or as it would stand after a load.
pub struct Book<'b> {
    pub catalogue: &'b Catalogue,
    pub customers: HashMap<CustomerId, &'b Customer>,
    pub subscriptions: Vec<&'b Subscription>,
    pub today: NaiveDate,
    /// A sender of mails is set besides the tenant's address.
    pub has_sender: bool,
    /// Providers that can be called.
    pub gateways: &'b BTreeSet<String>,
    pub unwritable: Unwritable<'b>,
    pub has_language: HasLanguage<'b>,
}

impl Book<'_> {
    /// What concerns everybody: the seller and what is sold.
    pub fn of_all(&self) -> Vec<Warning> {
        let tenant = &self.catalogue.tenant;
        let mut found = ObjectWarnings { kind: ObjectKind::Tenant, key: "tenant", list: Vec::new() };
        if !self.has_sender && tenant.email.is_none() {
            let message = "there is no sender for mails: set `mail.from`, or the tenant's email";
            found.add(Some("email"), "no_sender", message.to_owned());
        }
        found.vat_number(tenant.company_vat.as_deref());
        found.language(self, Some(&tenant.language));
        found.unwritable(self, "fullname", &tenant.fullname);
        for text in [&tenant.address.line1, &tenant.address.line2, &tenant.address.city, &tenant.invoice_note]
        {
            text.iter().for_each(|text| found.unwritable(self, "addressline1", text));
        }
        let mut list = found.list;
        list.extend(law::warnings(self.catalogue));
        for plan in self.catalogue.plans.values().filter(|plan| plan.active) {
            let mut found = ObjectWarnings { kind: ObjectKind::ProductPlan, key: &plan.sku, list };
            plan.charges.iter().for_each(|c| found.unwritable(self, "charges", &c.invoice_text));
            list = found.list;
        }
        list
    }

    /// What concerns payers one by one.
    pub fn of_payers(&self) -> Vec<Warning> {
        let mut by_payer: BTreeMap<CustomerId, Vec<&Subscription>> = BTreeMap::new();
        for subscription in &self.subscriptions {
            let Some(payer) = self.payer_of(subscription.customer) else { continue };
            by_payer.entry(payer.id).or_default().push(subscription);
        }
        let mut list: Vec<Warning> = by_payer
            .into_iter()
            .filter_map(|(payer, subscriptions)| {
                Some(self.of_payer(self.customers.get(&payer)?, &subscriptions))
            })
            .flatten()
            .collect();
        list.sort();
        list
    }

    /// The customer who is billed for this one (rules B2).
    pub fn payer_of(&self, customer: CustomerId) -> Option<&Customer> {
        let mut payer = *self.customers.get(&customer)?;
        for _ in 0..self.customers.len() {
            match payer.parent.filter(|_| payer.bill_to_parent) {
                Some(parent) => payer = *self.customers.get(&parent)?,
                None => break,
            }
        }
        Some(payer)
    }

    fn of_payer(&self, payer: &Customer, subscriptions: &[&Subscription]) -> Vec<Warning> {
        let mut list = Vec::new();
        let mut served: Vec<(&Subscription, &Plan, NaiveDate)> = Vec::new();
        for subscription in subscriptions {
            let mut found =
                ObjectWarnings { kind: ObjectKind::Subscription, key: &subscription.number, list };
            let day = self.today.max(subscription.start);
            match State::on(subscription, day) {
                State::Draft => found.add(
                    Some("status"),
                    "draft_subscription",
                    format!(
                        "{0} is a draft and is never billed: `\"status\": \"active\"` in the book, or activate it",
                        subscription.number
                    ),
                ),
                State::Expired | State::Cancelled | State::Ended => {}
                State::Active | State::PendingEnding | State::Hold => {
                    if let Some(plan) = self.catalogue.plans.get(&subscription.plan) {
                        found.prices(subscription, plan, day);
                        served.push((subscription, plan, day));
                    }
                }
            }
            list = found.list;
        }
        let mut found = ObjectWarnings { kind: ObjectKind::Customer, key: &payer.account_number, list };
        if !served.is_empty() {
            found.payer(self, payer, &served);
        }
        found.list
    }
}

/// Warnings about one object.
struct ObjectWarnings<'f> {
    kind: ObjectKind,
    key: &'f str,
    list: Vec<Warning>,
}

impl ObjectWarnings<'_> {
    fn add(&mut self, field: Option<&'static str>, code: &'static str, message: String) {
        self.list.push(Warning { kind: self.kind, key: self.key.to_owned(), field, code, message });
    }

    fn language(&mut self, book: &Book<'_>, language: Option<&String>) {
        if let Some(language) = language.filter(|language| !(book.has_language)(language)) {
            let message = format!(
                "there are no words for the language `{language}`: documents will be in English; add templates/invoice/labels/{language}.toml"
            );
            self.add(Some("language"), "no_language", message);
        }
    }

    fn payer(&mut self, book: &Book<'_>, payer: &Customer, served: &[(&Subscription, &Plan, NaiveDate)]) {
        if payer.delivery == Delivery::Mail && payer.invoice_addresses().is_empty() {
            let message = format!(
                "invoices of {} reach nobody: an e-mail address is missing, or `\"delivery\": \"none\"`",
                payer.account_number
            );
            self.add(Some("primaryemail"), "no_address", message);
        }
        self.language(book, payer.language.as_ref());
        self.payment_methods(book, payer, served);
        self.vat_number(payer.company_vat.as_deref());
        let (seller, buyer) = (seller_tax(&book.catalogue.tenant), buyer_tax(payer));
        let taxable = served.iter().filter(|(_, plan, _)| plan.charges.iter().any(|c| c.taxable));
        // A rule that ends before the next invoice is a gap as well.
        let days = taxable.flat_map(|(_, _, day)| [*day, plus_days(*day, DAYS_AHEAD)]);
        let gap =
            days.filter_map(|day| tax::check(&book.catalogue.tax_rules, seller, buyer, day).err()).next();
        if let Some(gap) = gap {
            self.add(Some("country"), "no_tax_rule", gap.to_string());
        }
        self.unwritable(book, "fullname", payer.company_name.as_deref().unwrap_or(&payer.fullname));
        let address = &payer.address;
        for (field, text) in
            [("addressline1", &address.line1), ("addressline2", &address.line2), ("city", &address.city)]
        {
            text.iter().for_each(|text| self.unwritable(book, field, text));
        }
    }

    fn prices(&mut self, subscription: &Subscription, plan: &Plan, day: NaiveDate) {
        for own in subscription.charges.iter().filter(|own| own.unit_price.is_none()) {
            let Some(charge) = plan.charge(&own.charge) else { continue };
            if charge.version_on(subscription.currency, day).is_empty() {
                let message = format!("{} has no price in {} on {day}", charge.sku, subscription.currency);
                self.add(Some("charges"), "no_price", message);
            }
        }
    }

    fn vat_number(&mut self, number: Option<&str>) {
        let Some(number) = number else { return };
        match vat_number::read(number) {
            Err(fault) => self.add(Some("companyvat"), "vat_number", format!("{fault}; it counts as absent")),
            Ok(_) if vat_number::has_wrong_check_digit(number) => {
                let message = format!("the check digits of `{number}` do not fit: is a digit mistyped?");
                self.add(Some("companyvat"), "vat_check_digit", message);
            }
            Ok(_) => {}
        }
    }

    fn unwritable(&mut self, book: &Book<'_>, field: &'static str, text: &str) {
        if let Some(why) = (book.unwritable)(text) {
            let message = format!("{why}: such invoices have no PDF and are set aside");
            self.add(Some(field), "unwritable", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book_file::{LoadSet, StoredBook, read_value};
    use serde_json::{Value, json};

    fn book() -> Value {
        json!({
            "tenant": {"fullname": "Nordlys", "companyvat": "DK22756214", "currencycode": "DKK", "timezone": "UTC", "country": "DK",
                       "addressline1": "Torvet 1", "postalcode": "8000", "city": "Aarhus", "email": "a@nordlys.example"},
            "taxrules": [{"fullname": "DK", "country": "DK", "state": "*", "ruletype": "*", "priority": 1, "taxpct": "25", "category": "S"}],
            "productplans": [{"sku": "P", "fullname": "P", "currencycode": "DKK", "charges": [
                {"sku": "FEE", "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "flat", "billingperiod": "monthly",
                 "taxable": true, "pricings": [{"currencycode": "DKK", "price": "100"}]}]}],
            "customers": [{"accountnumber": "C-1", "fullname": "Kaffe", "currencycode": "DKK", "country": "DK", "primaryemail": "a@kaffe.example"}],
            "subscriptions": [{"subscriptionnumber": "S-1", "customer": "C-1", "productplan": "P", "startdate": "2026-01-01", "status": "active"}]
        })
    }

    fn codes(book: &Value) -> Vec<(String, &'static str, String)> {
        told(&read_value(book, &StoredBook::default()).unwrap())
    }

    fn told(set: &LoadSet) -> Vec<(String, &'static str, String)> {
        let book = Book {
            catalogue: &set.catalogue,
            customers: set.customers.iter().map(|c| (c.id, c)).collect(),
            subscriptions: set.subscriptions.iter().collect(),
            today: "2026-02-01".parse().unwrap(),
            has_sender: false,
            gateways: &["stripe".to_owned()].into(),
            unwritable: &|text| text.contains('株').then(|| format!("`{text}`")),
            has_language: &|language| language != "tlh",
        };
        let mut all = book.of_all();
        all.extend(book.of_payers());
        all.into_iter().map(|w| (w.key, w.code, w.message)).collect()
    }

    #[test]
    fn each_obstacle_is_named_at_its_object() {
        assert_eq!(codes(&book()), []);
        let table = [
            ("/tenant/email", Value::Null, "tenant", "no_sender", "mail.from"),
            ("/tenant/companyvat", json!("DK22756215"), "tenant", "vat_check_digit", "DK22756215"),
            (
                "/customers/0/country",
                json!("DE"),
                "C-1",
                "no_tax_rule",
                "no tax rule matches DE, consumer, 2026-02-01",
            ),
            (
                "/taxrules/0/validto",
                json!("2026-03-01"),
                "C-1",
                "no_tax_rule",
                "no tax rule matches DK, consumer, 2026-03-04",
            ),
            ("/customers/0/primaryemail", Value::Null, "C-1", "no_address", "C-1"),
            ("/customers/0/fullname", json!("株式会社"), "C-1", "unwritable", "株式会社"),
            ("/customers/0/companyvat", json!("DE136695977"), "C-1", "vat_check_digit", "DE136695977"),
            ("/subscriptions/0/status", Value::Null, "S-1", "draft_subscription", "or activate it"),
            ("/customers/0/paymentmethods", methods("token", "adyen", true), "C-1", "no_gateway", "`adyen`"),
            (
                "/customers/0/paymentmethods",
                methods("token", "stripe", false),
                "C-1",
                "method_not_used",
                "`makedefault`",
            ),
            (
                "/customers/0/paymentmethods",
                methods("card", "stripe", true),
                "C-1",
                "method_not_charged",
                "no `token`",
            ),
        ];
        for (place, value, key, code, part) in table {
            let mut changed = book();
            let (object, field) = place.rsplit_once('/').unwrap();
            changed.pointer_mut(object).unwrap()[field] = value;
            let found = codes(&changed);
            assert_eq!(found.len(), 1, "{place}: {found:?}");
            assert_eq!((found[0].0.as_str(), found[0].1), (key, code), "{place}");
            assert!(found[0].2.contains(part), "{place}: {found:?}");
        }
    }

    /// One method of the payer; of a card elsewhere the token is not known.
    fn methods(kind: &str, gateway: &str, is_default: bool) -> Value {
        let token = if kind == "token" { json!("tok_1") } else { Value::Null };
        json!([{"refkey": "M", "type": kind, "gateway": gateway, "token": token, "makedefault": is_default}])
    }

    #[test]
    fn a_method_that_is_charged_or_paid_elsewhere_is_not_warned_of() {
        let elsewhere = json!([{"refkey": "B", "type": "manual", "makedefault": true}]);
        for charged in [methods("token", "stripe", true), elsewhere] {
            let mut changed = book();
            changed["customers"][0]["paymentmethods"] = charged;
            assert_eq!(codes(&changed), []);
        }
    }

    #[test]
    fn a_method_that_ends_before_the_next_invoice_and_a_debit_that_nobody_fetches_are_told() {
        let mandate = json!([{"refkey": "M", "type": "sepa", "iban": "DE02120300000000202051", "mandateid": "A-1",
                              "mandatedate": "2025-12-01", "makedefault": true}]);
        let mut debit = book();
        debit["customers"][0]["paymentmethods"] = mandate;
        assert_eq!(codes(&debit)[0].1, "method_not_charged", "DKK");
        for place in ["/tenant", "/productplans/0", "/productplans/0/charges/0/pricings/0", "/customers/0"] {
            debit.pointer_mut(place).unwrap()["currencycode"] = json!("EUR");
        }
        assert_eq!(codes(&debit)[0].1, "no_gateway", "no creditor");
        let mut ended = book();
        ended["customers"][0]["paymentmethods"] = methods("token", "stripe", true);
        ended["customers"][0]["paymentmethods"][0]["expires"] = json!("2026-02-20");
        assert_eq!(codes(&ended)[0].1, "method_expired");
    }

    #[test]
    fn a_price_that_has_not_begun_is_told() {
        let mut set = read_value(&book(), &StoredBook::default()).unwrap();
        for plan in set.catalogue.plans.values_mut() {
            plan.charges[0].pricings[0].valid_from = "2026-03-01".parse().ok();
        }
        let found = told(&set);
        assert_eq!((found.len(), found[0].1), (1, "no_price"), "{found:?}");
    }

    #[test]
    fn who_is_not_billed_or_wants_no_mail_is_not_warned_of() {
        let mut quiet = book();
        quiet["customers"][0]["primaryemail"] = Value::Null;
        quiet["customers"][0]["delivery"] = json!("none");
        assert_eq!(codes(&quiet), []);
        quiet["customers"][0]["delivery"] = json!("mail");
        quiet["subscriptions"] = json!([]);
        assert_eq!(codes(&quiet), []);
    }
}

//! Customers, their contacts and payment methods.

use crate::catalogue::AppliedDiscount;
use crate::direct_debit::{self, Mandate};
use crate::einvoice::{Identifiers, InvoiceForm};
use crate::ids::CustomerId;
use crate::money::Currency;
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A postal address; every part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line1: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// ISO 3166 alpha-2, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl Address {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How invoices and reminders reach a customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    #[default]
    Mail,
    /// Nothing is mailed: the customer is served otherwise, and is never on the list of open items (rules I10).
    None,
}

impl Delivery {
    /// The words of the book.
    pub const NAMES: &[&str] = &["mail", "none"];

    fn is_by_mail(&self) -> bool {
        *self == Self::Mail
    }

    /// Reads a word of the book.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "mail" => Some(Self::Mail),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// A customer: owner of subscriptions and, unless it bills to its parent, payer of invoices. What says nothing is not written:
/// a large book is read and written as often as it is billed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    pub id: CustomerId,
    pub account_number: String,
    pub fullname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    /// Presence makes the customer a business for tax rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_vat: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refkey: Option<String>,
    pub currency: Currency,
    /// `false` leaves invoices as drafts for review (rules I4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autobill: bool,
    /// Net days; none = the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_term: Option<u32>,
    #[serde(default, skip_serializing_if = "Address::is_empty")]
    pub address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Delivery::is_by_mail")]
    pub delivery: Delivery,
    /// In what form invoices are mailed; none = the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_form: Option<InvoiceForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Refkey of the business unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    /// All invoices of one charge date and currency are collected on one (rules I1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collective_billing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CustomerId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bill_to_parent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub our_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Identifiers::is_empty")]
    pub identifiers: Identifiers,
    /// What the buyer's system routes an electronic invoice by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_reference: Option<String>,
    /// Country that is delivered to, ISO 3166 alpha-2; none = the address's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_country: Option<String>,
    /// Language of documents; none = the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<AppliedDiscount>,
    /// Discounts that others have replaced, oldest first: days before that keep theirs (rules D1, T6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_discounts: Vec<AppliedDiscount>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payment_methods: Vec<PaymentMethod>,
    /// New subscriptions and customers below it are taken.
    #[serde(default = "crate::catalogue::is_active_unless_said", skip_serializing_if = "Clone::clone")]
    pub active: bool,
}

/// A person or address at a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub fullname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refkey: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub receives_invoice: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_delivery: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_einvoice: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gln: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Address::is_empty")]
    pub address: Address,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    pub refkey: String,
    /// `token` (online, through a gateway) or another type that is collected elsewhere.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Never logged, never printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
    /// First day on which it is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<NaiveDate>,
    /// What money is fetched from an account with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<Mandate>,
}

impl PaymentMethod {
    /// Whether a charge can be made without the customer.
    pub fn is_online(&self) -> bool {
        self.gateway.is_some() && self.token.is_some()
    }

    /// Whether what is owed in this currency comes without the customer: charged at a provider, or fetched by the bank.
    pub fn is_collected(&self, currency: Currency) -> bool {
        self.is_online() || self.mandate.is_some() && direct_debit::is_taken(currency)
    }

    /// Its name in the list of methods that were declined for good: with another token it is another method, and healthy.
    pub fn health_key(&self) -> String {
        if let Some(mandate) = &self.mandate {
            return mandate.health_key(&self.refkey);
        }
        let digest = Sha256::digest(self.token.as_deref().unwrap_or_default().as_bytes());
        let digits = crate::hex::hex(&digest[..6]);
        format!("{}#{digits}", self.refkey)
    }
}

impl Customer {
    /// What is left of a person who was erased: the account, and what bookings and their VAT follow from.
    #[must_use]
    pub fn erased(&self, name: &str) -> Self {
        Self {
            fullname: name.to_owned(),
            company_name: None,
            company_vat: None,
            refkey: None,
            autobill: false,
            address: Address {
                country: self.address.country.clone(),
                state: self.address.state.clone(),
                ..Address::default()
            },
            email: None,
            delivery: Delivery::None,
            phone: None,
            our_reference: None,
            identifiers: Identifiers::default(),
            buyer_reference: None,
            contacts: Vec::new(),
            payment_methods: Vec::new(),
            ..self.clone()
        }
    }

    /// Applies a discount in the place of the one that is applied; days before its first keep that one.
    pub fn apply_discount(&mut self, discount: AppliedDiscount) {
        self.former_discounts.extend(self.discount.replace(discount));
    }

    /// Every discount that was ever applied, oldest first.
    pub fn discounts(&self) -> impl DoubleEndedIterator<Item = &AppliedDiscount> {
        self.former_discounts.iter().chain(&self.discount)
    }

    /// The discount that was applied last on or before a day; it may have ended by then.
    pub fn discount_on(&self, day: NaiveDate) -> Option<&AppliedDiscount> {
        self.discounts().rev().find(|applied| applied.from <= day)
    }

    /// Ends the discount that is applied: `on` is the first day without it.
    ///
    /// # Errors
    /// `conflict` if none runs.
    pub fn clear_discount(&mut self, on: NaiveDate) -> Result<(), Refusal> {
        match self.discount.as_mut().filter(|discount| discount.until.is_none_or(|until| until > on)) {
            Some(discount) => {
                discount.until = Some(on);
                Ok(())
            }
            None => Err(Refusal::new(Code::Conflict, "there is no discount to clear")),
        }
    }

    /// The method that is charged unless a subscription has its own.
    pub fn default_method(&self) -> Option<&PaymentMethod> {
        self.payment_methods.iter().find(|m| m.is_default)
    }

    /// The methods by which what is owed comes without the customer, in the order in which they are tried: the one that is
    /// named, then the default.
    pub fn charged_methods(
        &self,
        named: Option<&str>,
        currency: Currency,
    ) -> impl Iterator<Item = &PaymentMethod> {
        let named = named.and_then(|refkey| self.payment_methods.iter().find(|m| m.refkey == refkey));
        named.into_iter().chain(self.default_method()).filter(move |m| m.is_collected(currency))
    }

    /// Where invoices are mailed: contacts flagged for invoices, else the customer's own address.
    pub fn invoice_addresses(&self) -> Vec<String> {
        let flagged: Vec<String> =
            self.contacts.iter().filter(|c| c.receives_invoice).filter_map(|c| c.email.clone()).collect();
        if flagged.is_empty() { self.email.clone().into_iter().collect() } else { flagged }
    }
}

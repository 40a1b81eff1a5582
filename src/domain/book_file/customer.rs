//! Customers, contacts and payment methods as written.

use super::checks;
use super::discount::{self, WrittenMark};
use super::fields::{Fields, Ref};
use super::paper;
use crate::customer::{Contact, Customer, Delivery, PaymentMethod};
use crate::direct_debit::{self, Mandate, SEPA, Scheme};
use crate::ids::CustomerId;
use crate::money::Currency;
use std::collections::BTreeSet;

/// Fields that Upodi keeps of people and tallybook does not.
const NOT_KEPT: [&str; 4] = ["note", "homephone", "mobilephone", "fax"];

/// A customer with what is resolved when all files are read.
pub(super) struct WrittenCustomer {
    /// Without currency (see below), parent, business unit and discount.
    pub customer: Customer,
    /// None = the tenant's.
    pub currency: Option<Currency>,
    pub parent: Option<Ref>,
    pub business_unit: Option<Ref>,
    pub discount: Option<WrittenMark>,
}

/// Reads a customer. Until the tenant is known, the euro stands for a currency that is not given.
pub(super) fn customer(fields: &mut Fields<'_, '_>) -> Option<WrittenCustomer> {
    fields.ignore(&["id", "county"]);
    fields.ignore(&NOT_KEPT);
    let account_number = fields.key("accountnumber");
    let fullname = fields.required_text("fullname");
    let currency = fields.currency("currencycode");
    let parent = fields.reference("parent|parentid");
    let bill_to_parent = fields.boolean("billtoparent").unwrap_or(false);
    if bill_to_parent && parent.is_none() {
        fields.fault("billtoparent", "needs a `parent`");
    }
    let business_unit = fields.reference("businessunit|businessunitid");
    let discount = discount::mark(fields);
    if discount.as_ref().is_some_and(|mark| mark.from.is_none()) {
        fields.fault("discount", "needs the first day on which it counts, `from`");
    }
    let contacts = fields.each("contacts", |contact, _| read_contact(contact));
    let payment_methods = read_methods(fields);
    let rest = Customer {
        id: CustomerId::of(account_number.as_deref().unwrap_or_default()),
        account_number: String::new(),
        fullname: String::new(),
        company_name: fields.text("companyname"),
        company_vat: checks::vat_number(fields, "companyvat"),
        refkey: fields.text("refkey"),
        currency: currency.unwrap_or(Currency::EUR),
        autobill: fields.boolean("autobill").unwrap_or(true),
        payment_term: checks::payment_term(fields),
        address: checks::address(fields),
        email: checks::email(fields, "primaryemail|email"),
        invoice_form: paper::form(fields),
        delivery: fields.choice("delivery", Delivery::parse, Delivery::NAMES).unwrap_or_default(),
        phone: fields.text("businessphone|phone"),
        business_unit: None,
        collective_billing: fields.boolean("collectivebilling").unwrap_or(false),
        parent: None,
        bill_to_parent,
        our_reference: fields.text("ourreference"),
        identifiers: checks::identifiers(fields),
        buyer_reference: fields.text("buyerreference"),
        delivery_country: checks::country(fields, "deliverycountry"),
        language: checks::language(fields),
        discount: None,
        former_discounts: Vec::new(),
        contacts: contacts.into_iter().flatten().collect(),
        payment_methods,
        active: checks::is_active(fields),
    };
    let customer = Customer { account_number: account_number?, fullname: fullname?, ..rest };
    Some(WrittenCustomer { customer, currency, parent, business_unit, discount })
}

/// What a contact is for: names, or Upodi's flags 8 + 16 + 32.
#[derive(Default)]
struct Purposes {
    invoice: bool,
    delivery: bool,
    einvoice: bool,
}

fn read_contact(fields: &mut Fields<'_, '_>) -> Option<Contact> {
    fields.ignore(&["id", "businessphone", "phone"]);
    fields.ignore(&NOT_KEPT);
    let fullname = fields.required_text("fullname");
    let purposes = purposes(fields);
    let contact = Contact {
        fullname: String::new(),
        refkey: fields.text("refkey"),
        receives_invoice: purposes.invoice,
        is_delivery: purposes.delivery,
        is_einvoice: purposes.einvoice,
        gln: checks::gln(fields),
        email: checks::email(fields, "primaryemail|email"),
        address: checks::address(fields),
    };
    Some(Contact { fullname: fullname?, ..contact })
}

fn purposes(fields: &mut Fields<'_, '_>) -> Purposes {
    const NAME: &str = "contacttype";
    let mut purposes = Purposes::default();
    if !fields.has(NAME) {
        return purposes;
    }
    if fields.is_number(NAME) {
        let flags = fields.integer(NAME, 0..=56).unwrap_or(0);
        if flags & !56 != 0 {
            fields.hinted(
                NAME,
                format!("{flags} is not a sum of flags"),
                "8 invoice + 16 delivery + 32 einvoice",
            );
        }
        return Purposes { invoice: flags & 8 != 0, delivery: flags & 16 != 0, einvoice: flags & 32 != 0 };
    }
    for part in fields.texts(NAME) {
        match part.name.to_ascii_lowercase().as_str() {
            "invoice" | "8" => purposes.invoice = true,
            "delivery" | "16" => purposes.delivery = true,
            "einvoice" | "32" => purposes.einvoice = true,
            _ => {
                let message = format!("`{}` is not a contact type", part.name);
                fields.faults.hinted(&part.place, message, "one of invoice, delivery, einvoice");
            }
        }
    }
    purposes
}

fn read_methods(fields: &mut Fields<'_, '_>) -> Vec<PaymentMethod> {
    const LIST: &str = "paymentmethods";
    let methods: Vec<PaymentMethod> =
        fields.each(LIST, |method, _| read_method(method)).into_iter().flatten().collect();
    let mut refkeys: BTreeSet<&str> = BTreeSet::new();
    for method in &methods {
        if !refkeys.insert(&method.refkey) {
            fields.fault(LIST, format!("the payment method `{}` occurs twice", method.refkey));
        }
    }
    if methods.iter().filter(|method| method.is_default).count() > 1 {
        fields.hinted(LIST, "more than one is the default", "leave `makedefault` on one of them");
    }
    methods
}

fn read_method(fields: &mut Fields<'_, '_>) -> Option<PaymentMethod> {
    fields.ignore(&["id", "fullname", "issuer", "isonline"]);
    let refkey = fields.key("refkey");
    let kind = fields.choice(
        "type|paymentmethodtype",
        method_kind,
        &["token", "sepa", "card", "fi", "ls", "manual"],
    );
    let kind = fields.require("type|paymentmethodtype", kind);
    let gateway = fields.text("gateway");
    let token = fields.text("token");
    if kind.as_deref() == Some("token") {
        for name in ["gateway", "token"] {
            if !fields.has(name) {
                fields.fault(name, "is missing: the type token needs it");
            }
        }
    }
    let is_debit = kind.as_deref() == Some(SEPA);
    if is_debit && (gateway.is_some() || token.is_some()) {
        fields.fault("type|paymentmethodtype", "sepa has a mandate, and neither `gateway` nor `token`");
    }
    let is_default = fields.boolean("makedefault|isdefault").unwrap_or(false);
    let expires = fields.date("expires|expirydate");
    let mandate = read_mandate(fields, is_debit);
    let gateway = if is_debit { Some(SEPA.to_owned()) } else { gateway };
    Some(PaymentMethod { refkey: refkey?, kind: kind?, gateway, token, is_default, expires, mandate })
}

/// What a payer has signed; the method of any other type has none.
fn read_mandate(fields: &mut Fields<'_, '_>, is_debit: bool) -> Option<Mandate> {
    const NEEDED: [&str; 3] = ["iban", "mandateid", "mandatedate"];
    let iban = checks::iban(fields, "iban");
    let bic = checks::bic(fields, "bic");
    let id = fields.text("mandateid");
    let signed_on = fields.date("mandatedate");
    let scheme = fields.choice("mandatescheme", Scheme::parse, Scheme::NAMES);
    let sequence = fields.choice("mandatesequence", one_off, &["recurring", "one_off"]);
    let of_mandate = NEEDED.into_iter().chain(["bic", "mandatescheme", "mandatesequence"]);
    if !is_debit {
        for name in of_mandate.filter(|name| fields.has(name)).collect::<Vec<_>>() {
            fields.hinted(name, "only the type sepa has it", "\"type\": \"sepa\"");
        }
        return None;
    }
    for name in NEEDED {
        if !fields.has(name) {
            fields.fault(name, "is missing: the type sepa needs it");
        }
    }
    let is_named = |id: &String| direct_debit::is_bank_text(id) && id.len() <= direct_debit::TEXT_MAX;
    if let Some(id) = id.as_ref().filter(|id| !is_named(id)) {
        let hint = "1 to 35 of A-Z a-z 0-9 + ? - : ( ) . , ' and single slashes within";
        fields.hinted("mandateid", format!("banks do not take the mandate reference `{id}`"), hint);
    }
    let (scheme, is_one_off) = (scheme.unwrap_or_default(), sequence.unwrap_or(false));
    Some(Mandate { id: id.filter(is_named)?, signed_on: signed_on?, iban: iban?, bic, scheme, is_one_off })
}

fn one_off(text: &str) -> Option<bool> {
    match text {
        "recurring" => Some(false),
        "one_off" => Some(true),
        _ => None,
    }
}

/// Upodi's numbers, or a word: only `token` is collected by us.
fn method_kind(text: &str) -> Option<String> {
    let word = match text {
        "8" => "card",
        "64" => "token",
        "128" => "fi",
        "256" => "ls",
        "512" => "sepa",
        other => other,
    };
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    is_word.then(|| word.to_ascii_lowercase())
}

//! Customers as records, with their contacts and payment methods. Tokens are never shown.

use domain::customer::{Address, Contact, Customer, PaymentMethod};
use domain::ids::{CustomerId, PaymentMethodId};
use domain::query::{Entity, Kind, Property, Record, Value};
use store::{Tx, book};
use uuid::Uuid;

const fn property(name: &'static str, kind: Kind) -> Property {
    Property { name, kind }
}

pub static CUSTOMER: Entity = Entity {
    name: "Customer",
    properties: &[
        property("ID", Kind::Guid),
        property("CompanyName", Kind::Text),
        property("AccountNumber", Kind::Text),
        property("CurrencyCode", Kind::Text),
        property("FullName", Kind::Text),
        property("AutoBill", Kind::Flag),
        property("RefKey", Kind::Text),
        property("CompanyVAT", Kind::Text),
        property("PrimaryEmail", Kind::Text),
        property("BusinessPhone", Kind::Text),
        property("AddressLine1", Kind::Text),
        property("AddressLine2", Kind::Text),
        property("PostalCode", Kind::Text),
        property("City", Kind::Text),
        property("State", Kind::Text),
        property("Country", Kind::Text),
        property("ParentID", Kind::Guid),
        property("BillToParent", Kind::Flag),
        property("CollectiveBilling", Kind::Flag),
        property("PaymentTerm", Kind::Int),
        property("OurReference", Kind::Text),
        property("BusinessUnit", Kind::Text),
        property("Language", Kind::Text),
        property("PaymentMethod", Kind::Guid),
        property("Discount", Kind::Text),
    ],
    objects: &[],
    lists: &[("Contacts", &CONTACT), ("PaymentMethods", &PAYMENT_METHOD)],
};

pub static CONTACT: Entity = Entity {
    name: "Contact",
    properties: &[
        property("CustomerID", Kind::Guid),
        property("FullName", Kind::Text),
        property("ContactType", Kind::Int),
        property("RefKey", Kind::Text),
        property("GLN", Kind::Text),
        property("PrimaryEmail", Kind::Text),
        property("AddressLine1", Kind::Text),
        property("AddressLine2", Kind::Text),
        property("PostalCode", Kind::Text),
        property("City", Kind::Text),
        property("State", Kind::Text),
        property("Country", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

pub static PAYMENT_METHOD: Entity = Entity {
    name: "PaymentMethod",
    properties: &[
        property("ID", Kind::Guid),
        property("CustomerID", Kind::Guid),
        property("RefKey", Kind::Text),
        property("PaymentMethodType", Kind::Int),
        property("PaymentProvider", Kind::Text),
        property("IsDefault", Kind::Flag),
        property("ExpiryDate", Kind::Day),
    ],
    objects: &[],
    lists: &[],
};

/// The customers of these ids.
pub async fn load(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let ids: Vec<CustomerId> = ids.iter().copied().map(CustomerId).collect();
    Ok(book::customers(tx, &ids).await?.values().map(record).collect())
}

fn record(c: &Customer) -> Record {
    let default = c.payment_methods.iter().find(|method| method.is_default);
    let mut values = vec![
        Value::Guid(c.id.0),
        c.company_name.as_deref().into(),
        c.account_number.as_str().into(),
        c.currency.code().into(),
        c.fullname.as_str().into(),
        Value::Flag(c.autobill),
        c.refkey.as_deref().into(),
        c.company_vat.as_deref().into(),
        c.email.as_deref().into(),
        c.phone.as_deref().into(),
    ];
    values.extend(address(&c.address));
    values.extend([
        c.parent.map_or(Value::Null, |parent| Value::Guid(parent.0)),
        Value::Flag(c.bill_to_parent),
        Value::Flag(c.collective_billing),
        // -1: the tenant's.
        Value::Int(c.payment_term.map_or(-1, i64::from)),
        c.our_reference.as_deref().into(),
        c.business_unit.as_deref().into(),
        c.language.as_deref().into(),
        default.map_or(Value::Null, |method| Value::Guid(method_id(c, method))),
        c.discount.as_ref().map(|discount| discount.code.as_str()).into(),
    ]);
    let contacts = c.contacts.iter().map(|contact| contact_record(c, contact)).collect();
    let methods = c.payment_methods.iter().map(|method| method_record(c, method)).collect();
    Record { values, objects: Vec::new(), lists: vec![contacts, methods] }
}

fn address(address: &Address) -> [Value; 6] {
    let Address { line1, line2, postal_code, city, state, country } = address;
    [line1, line2, postal_code, city, state, country].map(|part| part.as_deref().into())
}

fn contact_record(c: &Customer, contact: &Contact) -> Record {
    let kinds = [(contact.receives_invoice, 8), (contact.is_delivery, 16), (contact.is_einvoice, 32)];
    let kind: i64 = kinds.iter().filter(|(is_one, _)| *is_one).map(|(_, number)| number).sum();
    let mut values = vec![
        Value::Guid(c.id.0),
        contact.fullname.as_str().into(),
        Value::Int(kind),
        contact.refkey.as_deref().into(),
        contact.gln.as_deref().into(),
        contact.email.as_deref().into(),
    ];
    values.extend(address(&contact.address));
    Record { values, ..Record::default() }
}

fn method_id(c: &Customer, method: &PaymentMethod) -> Uuid {
    PaymentMethodId::of(&format!("{}\u{1f}{}", c.account_number, method.refkey)).0
}

fn method_record(c: &Customer, method: &PaymentMethod) -> Record {
    let number = match method.kind.as_str() {
        "card" => 8,
        "token" => 64,
        "fi" => 128,
        "ls" => 256,
        _ => 0,
    };
    let values = vec![
        Value::Guid(method_id(c, method)),
        Value::Guid(c.id.0),
        method.refkey.as_str().into(),
        Value::Int(number),
        method.gateway.as_deref().into(),
        Value::Flag(method.is_default),
        method.expires.map_or(Value::Null, Value::Day),
    ];
    Record { values, ..Record::default() }
}

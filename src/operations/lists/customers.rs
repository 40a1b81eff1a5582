//! Customers as records, with their contacts and payment methods. Tokens are never shown.

use super::documented::{document_of, unit_id, with_document, with_object};
use domain::book_file::{Node, ObjectKind};
use domain::customer::{Address, Contact, Customer, PaymentMethod};
use domain::direct_debit::{Mandate, SEPA};
use domain::ids::{CustomerId, made_beside};
use domain::query::{Entity, Kind, Record, Value, property};
use store::book_object::{self, BookObject, Status};
pub use store::customer_part::{CONTACT_ID, contact_ids, payment_method_id};
use store::{Tx, book};
use uuid::Uuid;

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
        property("BusinessUnitID", Kind::Guid),
        property("Language", Kind::Text),
        property("PaymentMethod", Kind::Guid),
        property("DiscountCode", Kind::Text),
        // Kept as they were written, and of no use to billing.
        property("Delivery", Kind::Text),
        property("County", Kind::Text),
        property("Note", Kind::Text),
        property("HomePhone", Kind::Text),
        property("MobilePhone", Kind::Text),
        property("Fax", Kind::Text),
        property("Status", Kind::Int),
        property("CreatedDate", Kind::Instant),
        property("CreatedBy", Kind::Text),
        property("ModifiedDate", Kind::Instant),
        property("ModifiedBy", Kind::Text),
    ],
    objects: &[],
    lists: &[("Contacts", &CONTACT), ("PaymentMethods", &PAYMENT_METHOD)],
};

pub static CONTACT: Entity = Entity {
    name: "Contact",
    properties: &[
        property("ID", Kind::Guid),
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
        property("Status", Kind::Int),
        property("County", Kind::Text),
        property("BusinessPhone", Kind::Text),
        property("HomePhone", Kind::Text),
        property("MobilePhone", Kind::Text),
        property("Fax", Kind::Text),
        property("Note", Kind::Text),
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
        property("Status", Kind::Int),
        property("FullName", Kind::Text),
        property("Issuer", Kind::Text),
        property("IsOnline", Kind::Flag),
        property("MandateID", Kind::Text),
        property("MandateAccount", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// The customers of these ids.
pub async fn load(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let ids: Vec<CustomerId> = ids.iter().copied().map(CustomerId).collect();
    let customers = book::customers(tx, &ids).await?;
    let keys = customers.values().map(|customer| customer.account_number.clone()).collect();
    let objects = book_object::of_keys(tx, ObjectKind::Customer, keys).await?;
    Ok(customers.values().map(|customer| record(customer, objects.get(&customer.account_number))).collect())
}

fn record(c: &Customer, object: Option<&BookObject>) -> Record {
    let document = object.and_then(document_of).unwrap_or(Node::Null);
    let parts = |name: &str| match document.member(name) {
        Some(Node::List(list)) => list.clone(),
        _ => Vec::new(),
    };
    let contacts = parts("contacts");
    let ids = contact_ids(c.id.0, &contacts);
    let contacts = c.contacts.iter().enumerate().map(|(at, contact)| {
        let own = contacts.get(at).unwrap_or(&Node::Null);
        // Without a document its place is all that names it.
        let id = ids.get(at).copied().unwrap_or_else(|| made_beside(c.id.0, CONTACT_ID, &at.to_string()));
        with_document(&CONTACT, contact_record(c, contact, id), own)
    });
    let methods = parts("paymentmethods");
    let methods = c.payment_methods.iter().enumerate().map(|(at, method)| {
        with_document(&PAYMENT_METHOD, method_record(c, method), methods.get(at).unwrap_or(&Node::Null))
    });
    let lists = vec![contacts.collect(), methods.collect()];
    let record = Record { values: values(c), objects: Vec::new(), lists };
    with_object(&CUSTOMER, with_document(&CUSTOMER, record, &document), object)
}

fn values(c: &Customer) -> Vec<Value> {
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
        unit_id(c.business_unit.as_deref()),
        c.language.as_deref().into(),
        default.map_or(Value::Null, |method| Value::Guid(payment_method_id(c.id, &method.refkey))),
        c.discount.as_ref().filter(|d| d.until.is_none()).map(|discount| discount.code.as_str()).into(),
    ]);
    values
}

fn address(address: &Address) -> [Value; 6] {
    let Address { line1, line2, postal_code, city, state, country } = address;
    [line1, line2, postal_code, city, state, country].map(|part| part.as_deref().into())
}

fn contact_record(c: &Customer, contact: &Contact, id: Uuid) -> Record {
    let kinds = [(contact.receives_invoice, 8), (contact.is_delivery, 16), (contact.is_einvoice, 32)];
    let kind: i64 = kinds.iter().filter(|(is_one, _)| *is_one).map(|(_, number)| number).sum();
    let mut values = vec![
        Value::Guid(id),
        Value::Guid(c.id.0),
        contact.fullname.as_str().into(),
        Value::Int(kind),
        contact.refkey.as_deref().into(),
        contact.gln.as_deref().into(),
        contact.email.as_deref().into(),
    ];
    values.extend(address(&contact.address));
    values.push(Value::Int(Status::Active as i64));
    Record { values, ..Record::default() }
}

fn method_record(c: &Customer, method: &PaymentMethod) -> Record {
    let number = match method.kind.as_str() {
        "card" => 8,
        "token" => 64,
        "fi" => 128,
        "ls" => 256,
        SEPA => 512,
        _ => 0,
    };
    let mandate = method.mandate.as_ref();
    let values = vec![
        Value::Guid(payment_method_id(c.id, &method.refkey)),
        Value::Guid(c.id.0),
        method.refkey.as_str().into(),
        Value::Int(number),
        method.gateway.as_deref().into(),
        Value::Flag(method.is_default),
        method.expires.map_or(Value::Null, Value::Day),
        Value::Int(Status::Active as i64),
        Value::Null,
        Value::Null,
        Value::Null,
        mandate.map(|mandate| mandate.id.as_str()).into(),
        mandate.map(Mandate::short_account).map_or(Value::Null, Value::Text),
    ];
    Record { values, ..Record::default() }
}

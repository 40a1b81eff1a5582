//! What belongs to a customer and has an id of its own: contacts and payment methods, as they stand in the document.

use domain::book_file::{Node, read_body};
use domain::ids::{CustomerId, is_beside, made_beside};
use domain::webhook::Event;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the id of a contact is made of, beside that of its customer.
pub const CONTACT_ID: &str = "contact";

/// The ids of contacts as they stand in their customer's document: that which is kept with one, else one that follows from
/// its refkey or name.
pub fn contact_ids(customer: Uuid, contacts: &[Node]) -> Vec<Uuid> {
    let mut seen: Vec<String> = Vec::new();
    contacts
        .iter()
        .map(|contact| {
            let text = |name: &str| match contact.member(name) {
                Some(Node::Text(text)) => Some(text.clone()),
                _ => None,
            };
            if let Some(id) =
                text("id").and_then(|id| id.parse::<Uuid>().ok()).filter(|id| is_beside(customer, *id))
            {
                return id;
            }
            let name = text("id").or_else(|| text("refkey")).or_else(|| text("fullname")).unwrap_or_default();
            let nth = seen.iter().filter(|other| **other == name).count();
            let id = made_beside(customer, CONTACT_ID, &format!("{name}\u{1f}{nth}"));
            seen.push(name);
            id
        })
        .collect()
}

/// The id of a payment method, beside that of its customer.
pub fn payment_method_id(customer: CustomerId, refkey: &str) -> Uuid {
    made_beside(customer.0, "paymentmethod", refkey)
}

type Parts = BTreeMap<(&'static str, Uuid), String>;

/// Every part of a document by kind and id, as text; none of a document that cannot be read.
fn parts(customer: CustomerId, document: &str) -> Parts {
    let Ok(document) = read_body(document) else { return Parts::new() };
    let list = |name: &str| match document.member(name) {
        Some(Node::List(list)) => list.as_slice(),
        _ => &[],
    };
    let contacts = list("contacts");
    let contacts = contact_ids(customer.0, contacts).into_iter().zip(contacts);
    let methods = list("paymentmethods").iter().filter_map(|method| match method.member("refkey") {
        Some(Node::Text(refkey) | Node::Number(refkey)) => {
            Some((payment_method_id(customer, refkey), method))
        }
        _ => None,
    });
    let contacts = contacts.map(|(id, node)| (("Contact", id), node.written()));
    contacts.chain(methods.map(|(id, node)| (("PaymentMethod", id), node.written()))).collect()
}

/// What became of the parts of a customer between two documents.
pub fn changes(customer: CustomerId, before: &str, after: &str) -> Vec<Event> {
    let (before, after) = (parts(customer, before), parts(customer, after));
    let event = |(kind, object): &(&'static str, Uuid), action| Event { kind, action, object: *object };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| event(key, "delete"));
    let there = after.iter().filter_map(|(key, text)| match before.get(key) {
        None => Some(event(key, "create")),
        Some(former) if former != text => Some(event(key, "update")),
        Some(_) => None,
    });
    gone.chain(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_change_and_go() {
        let customer = CustomerId::of("CU-1");
        let ann = r#"{"contacts":[{"fullname":"Ann"}],"paymentmethods":[{"refkey":"card","type":"card"}]}"#;
        let bob = r#"{"contacts":[{"fullname":"Ann","note":"x"},{"fullname":"Bob"}],"paymentmethods":[]}"#;
        let told = |before: &str, after: &str| -> Vec<(&str, &str)> {
            changes(customer, before, after).into_iter().map(|event| (event.kind, event.action)).collect()
        };
        assert_eq!(told("{}", ann), [("Contact", "create"), ("PaymentMethod", "create")]);
        assert_eq!(told(ann, ann), []);
        let mut all = told(ann, bob);
        all.sort_unstable();
        assert_eq!(all, [("Contact", "create"), ("Contact", "update"), ("PaymentMethod", "delete")]);
    }
}

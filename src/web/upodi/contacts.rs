//! People and addresses at customers (routes 28 to 35). They are kept with their customer; what has been written here has
//! its id in the customer's document.

use super::listed::{self, Listed};
use super::objects::{body, path_id, sent_id};
use super::view;
use super::written::{Form, refused};
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives};
use crate::problem::{CONTACT_NOT_FOUND, CUSTOMER_NOT_FOUND, IMMUTABLE, INVALID, Problem};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::{Node, ObjectKind, Shape, Table};
use domain::ids::made_beside;
use http::{Method, StatusCode};
use operations::book::documents::{self, Changed};
use operations::lists::{self, CONTACT_ID, Noun, contact_ids};
use uuid::Uuid;

const NOUN: Noun = Noun::Contact;
const CONTACTS: Listed = Listed {
    noun: NOUN,
    missing: CONTACT_NOT_FOUND,
    page: "/v3/contacts",
    query: "/v3/contacts/query",
    one: "/v3/contacts/{contactId}",
    are: ["Contacts", "Contacts that pass a query", "A contact"],
};

const CREATE: Doc = Doc::new("Add a contact to a customer", Gives::Object(NOUN)).success(201);
const REPLACE: Doc = Doc::new("Replace a contact", Gives::Object(NOUN));
const PATCH: Doc = Doc::new("Change a contact", Gives::Object(NOUN));
const DELETE: Doc = Doc::new("Take a contact away", Gives::Nothing).success(204);
const BY_REFKEY: Doc = Doc::new("The first contact with this key", Gives::Object(NOUN));

pub fn routes() -> Vec<Route> {
    let one = "/v3/contacts/{contactId}";
    let mut routes = CONTACTS.routes();
    routes.extend([
        Route::new(Method::POST, "/v3/contacts", Scope::Write, CREATE, create).shown_by(made),
        Route::new(Method::PUT, "/v3/contacts", Scope::Write, REPLACE, replace).shown_by(|call| async move {
            let id = sent_id(&body(&call)?)?;
            listed::one(&call, NOUN, id, CONTACT_NOT_FOUND).await
        }),
        Route::new(Method::PATCH, one, Scope::Write, PATCH, patch).shown_by(|call| async move {
            listed::one(&call, NOUN, path_id(&call)?, CONTACT_NOT_FOUND).await
        }),
        Route::new(Method::DELETE, one, Scope::Write, DELETE, delete),
        Route::new(Method::GET, "/v3/contacts/byrefkey/{refKey}", Scope::Read, BY_REFKEY, by_refkey),
    ]);
    routes
}

async fn by_refkey(call: Call) -> Result<Answer, Problem> {
    let refkey = call.part("refKey").to_owned();
    listed::by_text(&call, NOUN, "RefKey", &refkey, CONTACT_NOT_FOUND).await
}

/// The fields of a contact, as the book has them.
fn table() -> &'static Table {
    let customer = ObjectKind::Customer.table();
    match customer.field("contacts").map(|field| field.shape) {
        Some(Shape::List(table)) => table,
        _ => customer,
    }
}

fn form() -> Form {
    Form { table: table(), entity: NOUN.entity(), renamed: &[], left_out: &["customerid"] }
}

fn owner(node: &Node) -> Result<Option<Uuid>, Problem> {
    match node.member("customerid") {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Text(text)) => text.parse().map(Some).map_err(|_| {
            Problem::new(crate::problem::BAD_ID, format!("`{text}` is not an id"))
                .at("/CustomerID", "is not a GUID")
        }),
        Some(_) => Err(Problem::new(INVALID, "an id is needed").at("/CustomerID", "is not a GUID")),
    }
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let Some(customer) = owner(&node)? else {
        return Err(Problem::new(INVALID, "whose contact it is, is missing").at("/CustomerID", "is missing"));
    };
    let mut contact = form().document(&call, &node).await?;
    // Made once: the same request under its Idempotency-Key finds the row instead.
    let id = made_beside(customer, CONTACT_ID, &Uuid::new_v4().to_string());
    contact.set("id", Node::Text(id.to_string()));
    documents::make_part(call.ctx(), &call.actor(), ObjectKind::Customer, customer, |_, mut stored| {
        let mut part = String::new();
        if let Some(contacts) = stored.list_mut("contacts") {
            part = format!("/contacts/{}", contacts.len());
            contacts.push(contact);
        }
        Ok((Changed::part(stored, part), id))
    })
    .await
    .map_err(|stop| refused(stop, &node, &form(), CUSTOMER_NOT_FOUND))?;
    created(&call, id).await
}

async fn made(call: Call) -> Result<Answer, Problem> {
    let Some(id) = call.made else { return Err(anyhow::anyhow!("what was made is not known").into()) };
    created(&call, id).await
}

async fn created(call: &Call, id: Uuid) -> Result<Answer, Problem> {
    Ok(listed::one(call, NOUN, id, CONTACT_NOT_FOUND).await?.located(&format!("/v3/contacts/{id}")))
}

async fn replace(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let id = sent_id(&node)?;
    let contact = form().document(&call, &node).await?;
    edit(&call, id, &node, |contacts, place| contacts[place] = contact).await?;
    listed::one(&call, NOUN, id, CONTACT_NOT_FOUND).await
}

async fn patch(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let id = path_id(&call)?;
    let patch = form().document(&call, &node).await?;
    edit(&call, id, &node, |contacts, place| {
        let Node::Object(members) = patch else { return };
        for (name, value) in members {
            let name = table().field(&name).map_or(name.as_str(), |field| field.name());
            match value {
                Node::Null => drop(contacts[place].take(name)),
                value => contacts[place].set(name, value),
            }
        }
    })
    .await?;
    listed::one(&call, NOUN, id, CONTACT_NOT_FOUND).await
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    edit(&call, path_id(&call)?, &Node::Null, |contacts, place| drop(contacts.remove(place))).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Changes the contact of this id in its customer's document; its id stays whatever it is called.
async fn edit(
    call: &Call,
    id: Uuid,
    body: &Node,
    edit: impl FnOnce(&mut Vec<Node>, usize),
) -> Result<(), Problem> {
    let Some(record) = lists::by_id(call.ctx(), NOUN, id).await? else {
        return Err(listed::absent(NOUN, CONTACT_NOT_FOUND, &id.to_string()));
    };
    listed::insist_on_living(NOUN, &record)?;
    let customer = view::guid(NOUN.entity(), &record, "CustomerID").unwrap_or_default();
    if owner(body)?.is_some_and(|sent| sent != customer) {
        return Err(
            Problem::new(IMMUTABLE, "a contact stays with its customer").at("/CustomerID", "cannot change")
        );
    }
    documents::change(call.ctx(), &call.actor(), ObjectKind::Customer, customer, |_, mut stored| {
        let (mut part, mut deleted) = (String::new(), None);
        if let Some(contacts) = stored.list_mut("contacts") {
            let ids = contact_ids(customer, contacts);
            if let Some(place) = ids.iter().position(|other| *other == id) {
                part = format!("/contacts/{place}");
                let before = contacts.len();
                edit(contacts, place);
                if contacts.len() == before {
                    contacts[place].set("id", Node::Text(id.to_string()));
                } else {
                    deleted = Some((id, lists::kept(&record)));
                }
            }
        }
        Ok(Changed { deleted, ..Changed::part(stored, part) })
    })
    .await
    .map_err(|stop| refused(stop, body, &form(), CONTACT_NOT_FOUND))
}

//! Ways to pay (routes 18 to 27). They are kept with their customer, and known by an id beside the customer's.

use super::listed::{self, Listed};
use super::objects::{CUSTOMER, body, path_id};
use super::view;
use super::written::refused;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, Type, field, member, required};
use crate::json::Tree;
use crate::problem::{
    BAD_ID, CUSTOMER_NOT_FOUND, DUPLICATE, IMMUTABLE, INVALID, NOT_ITS_OWN, PAYMENT_METHOD_NOT_FOUND,
    Problem, UNKNOWN_GATEWAY,
};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::{Node, ObjectKind};
use domain::ids::CustomerId;
use domain::query::{Kind, Value};
use http::{Method, StatusCode};
use operations::book::documents::{self, Changed};
use operations::lists::{self, Noun, payment_method_id};
use uuid::Uuid;

const NOUN: Noun = Noun::PaymentMethod;
const METHODS: Listed = Listed {
    noun: NOUN,
    missing: PAYMENT_METHOD_NOT_FOUND,
    page: "/v3/paymentmethods",
    query: "/v3/paymentmethods/query",
    one: "/v3/paymentmethods/{paymentMethodId}",
    are: ["Payment methods", "Payment methods that pass a query", "A payment method; never its token"],
};

const BY_REFKEY: Doc = Doc::new("The first one with this key", Gives::Object(NOUN));
const VALIDATE: Doc = Doc::new(
    "Whether a method can be used, as far as it is known here",
    Gives::Fields(&[
        field("ID", Kind::Guid, ""),
        field("Valid", Kind::Flag, ""),
        field("Health", Kind::Text, "healthy or expired"),
        field("Reason", Kind::Text, ""),
    ]),
);
const CREATE: Doc = Doc::new("Add a payment method", Gives::Object(NOUN))
    .takes(&[
        required("Type", Kind::Int, "8 card, 64 token, 128 FI, 256 LS, 512 SEPA direct debit"),
        field("MakeDefault", Kind::Flag, "collect with it unless a subscription names another one"),
        member(
            "PureToken",
            Type::Object(&[required("Token", Kind::Text, ""), field("PaymentGateway", Kind::Text, "")]),
            "for 64",
        ),
        member("CreditCard", Type::Object(&[required("CardToken", Kind::Text, "")]), "for 8"),
        member("FI", Type::Object(&[field("FICustomerNumber", Kind::Text, "")]), "for 128"),
        member(
            "LS",
            Type::Object(&[
                field("BankRegNumber", Kind::Text, ""),
                field("BankAccountNumber", Kind::Text, ""),
                field("CVRNumber", Kind::Text, ""),
            ]),
            "for 256",
        ),
        member(
            "SEPA",
            Type::Object(&[
                required("IBAN", Kind::Text, ""),
                field("BIC", Kind::Text, "none is needed within the EU"),
                required("MandateID", Kind::Text, ""),
                required("MandateDate", Kind::Day, "day of the signature"),
                field("MandateScheme", Kind::Text, "core or b2b"),
                field("MandateSequence", Kind::Text, "recurring or one_off"),
            ]),
            "for 512: what the payer has signed",
        ),
        field("RefKey", Kind::Text, "name of the method, made unless given"),
        field("ExpiryDate", Kind::Day, ""),
    ])
    .success(201);
const PATCH: Doc = Doc::new("Change a payment method", Gives::Object(NOUN)).takes(&[
    field("FullName", Kind::Text, ""),
    field("ExpiryDate", Kind::Day, ""),
    field("IsDefault", Kind::Flag, ""),
]);
const DELETE: Doc = Doc::new("Take a payment method away", Gives::Nothing).success(204);
const SET_DEFAULT: Doc = Doc::new(
    "Choose how a customer pays; null is none: the customer pays by transfer",
    Gives::Object(Noun::Customer),
)
.takes(&[field("PaymentMethodID", Kind::Guid, "one of its own")]);
const ASSIGN: Doc = Doc::new("Add a card by its token at the default gateway", Gives::Object(Noun::Customer))
    .takes(&[required("Token", Kind::Text, ""), field("MakeDefault", Kind::Flag, "")]);

pub fn routes() -> Vec<Route> {
    let mut routes = METHODS.routes();
    let one = "/v3/paymentmethods/{paymentMethodId}";
    routes.extend([
        Route::new(Method::GET, "/v3/paymentmethods/byrefkey/{refKey}", Scope::Read, BY_REFKEY, by_refkey),
        Route::new(
            Method::GET,
            "/v3/paymentmethods/validatepaymentmethod/{paymentMethodId}",
            Scope::Read,
            VALIDATE,
            validate,
        ),
        Route::new(Method::POST, "/v3/paymentmethods/{customerId}", Scope::Write, CREATE, create)
            .shown_by(made),
        Route::new(Method::PATCH, one, Scope::Write, PATCH, patch).shown_by(|call| async move {
            listed::one(&call, NOUN, path_id(&call)?, PAYMENT_METHOD_NOT_FOUND).await
        }),
        Route::new(Method::DELETE, one, Scope::Write, DELETE, delete),
        Route::new(
            Method::PUT,
            "/v3/customers/{customerId}/setdefaultpaymentmethod",
            Scope::Write,
            SET_DEFAULT,
            set_default,
        )
        .shown_by(customer),
        Route::new(Method::PUT, "/v3/customers/{customerId}/assigncardtoken", Scope::Write, ASSIGN, assign)
            .shown_by(customer),
    ]);
    routes
}

async fn customer(call: Call) -> Result<Answer, Problem> {
    listed::one(&call, Noun::Customer, call.id("customerId")?, CUSTOMER_NOT_FOUND).await
}

async fn by_refkey(call: Call) -> Result<Answer, Problem> {
    let refkey = call.part("refKey").to_owned();
    listed::by_text(&call, NOUN, "RefKey", &refkey, PAYMENT_METHOD_NOT_FOUND).await
}

/// Route 25: a GET never asks the provider.
async fn validate(call: Call) -> Result<Answer, Problem> {
    let (record, _) = found(&call).await?;
    let today = call.act().await?.on;
    let place = NOUN.entity().property("ExpiryDate").unwrap_or_default();
    let is_expired = matches!(record.values.get(place), Some(Value::Day(day)) if *day <= today);
    Ok(Answer::ok(Tree::object([
        ("ID", Tree::Text(path_id(&call)?.to_string())),
        ("Valid", Tree::Bool(!is_expired)),
        ("Health", Tree::text(if is_expired { "expired" } else { "healthy" })),
        ("Reason", if is_expired { Tree::text("it is past its last day") } else { Tree::Null }),
    ])))
}

/// The method of the path, with its refkey.
async fn found(call: &Call) -> Result<(domain::query::Record, Owned), Problem> {
    let id = path_id(call)?;
    let Some(record) = lists::by_id(call.ctx(), NOUN, id).await? else {
        return Err(listed::absent(NOUN, PAYMENT_METHOD_NOT_FOUND, &id.to_string()));
    };
    let customer = view::guid(NOUN.entity(), &record, "CustomerID").unwrap_or_default();
    let refkey = match view::value(NOUN.entity(), &record, "RefKey") {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    Ok((record, Owned { customer, refkey }))
}

/// Whose method it is, and what it is called there.
struct Owned {
    customer: Uuid,
    refkey: String,
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let customer = call.id("customerId")?;
    let node = body(&call)?;
    let written = read(&call, &node).await?;
    let id = add(&call, customer, &node, written).await?;
    created(&call, id).await
}

async fn made(call: Call) -> Result<Answer, Problem> {
    let Some(id) = call.made else { return Err(anyhow::anyhow!("what was made is not known").into()) };
    created(&call, id).await
}

async fn created(call: &Call, id: Uuid) -> Result<Answer, Problem> {
    Ok(listed::one(call, NOUN, id, PAYMENT_METHOD_NOT_FOUND)
        .await?
        .located(&format!("/v3/paymentmethods/{id}")))
}

/// Adds a method to a customer; its id.
async fn add(call: &Call, customer: Uuid, node: &Node, mut written: Node) -> Result<Uuid, Problem> {
    let mut refkey = String::new();
    let mut is_known = false;
    documents::make_part(call.ctx(), &call.actor(), ObjectKind::Customer, customer, |_, mut stored| {
        let methods = stored.list_mut("paymentmethods").map(std::mem::take).unwrap_or_default();
        let taken =
            |name: &str| methods.iter().any(|m| m.member("refkey") == Some(&Node::Text(name.to_owned())));
        refkey = match written.member("refkey") {
            Some(Node::Text(refkey)) if !refkey.is_empty() => refkey.clone(),
            _ => (1..).map(|n| format!("method-{n}")).find(|name| !taken(name)).unwrap_or_default(),
        };
        is_known = taken(&refkey);
        written.set("refkey", Node::Text(refkey.clone()));
        let mut methods = methods;
        if written.member("makedefault") == Some(&Node::Bool(true)) {
            methods.iter_mut().for_each(|method| drop(method.take("makedefault")));
        }
        let part = format!("/paymentmethods/{}", methods.len());
        methods.push(written);
        stored.set("paymentmethods", Node::List(methods));
        let id = payment_method_id(CustomerId(customer), &refkey);
        Ok((Changed::part(stored, part), id))
    })
    .await
    .map_err(|stop| {
        if is_known {
            return Problem::new(DUPLICATE, format!("the customer has a payment method `{refkey}` already"));
        }
        let mut problem = refused(stop, node, &CUSTOMER.form(), CUSTOMER_NOT_FOUND);
        for fault in &mut problem.faults {
            let of = MANDATE.iter().find(|(name, _)| fault.pointer == format!("/{name}"));
            fault.pointer = of.map_or(fault.pointer.clone(), |(_, sent)| format!("/SEPA/{sent}"));
        }
        problem
    })
}

/// The method of a body in the book's words.
async fn read(call: &Call, node: &Node) -> Result<Node, Problem> {
    let expires = match node.member("expirydate") {
        Some(day) if *day != Node::Null => Some(call.day(day, "/ExpiryDate").await?),
        _ => None,
    };
    let mut written = method(call, node, "")?;
    if let Some(day) = expires {
        written.set("expires", Node::Text(day.to_string()));
    }
    Ok(written)
}

/// What a body may say of a method.
const NAMES: [&str; 13] = [
    "Type",
    "PaymentMethodType",
    "MakeDefault",
    "IsDefault",
    "PureToken",
    "CreditCard",
    "FI",
    "LS",
    "SEPA",
    "RefKey",
    "ExpiryDate",
    "FullName",
    "CustomerID",
];

/// Fields of a mandate, as the book calls them and as they are sent.
const MANDATE: [(&str, &str); 6] = [
    ("iban", "IBAN"),
    ("bic", "BIC"),
    ("mandateid", "MandateID"),
    ("mandatedate", "MandateDate"),
    ("mandatescheme", "MandateScheme"),
    ("mandatesequence", "MandateSequence"),
];

fn method(call: &Call, node: &Node, pointer: &str) -> Result<Node, Problem> {
    let sent = Body::of(node, pointer)?;
    let mut faults = Faults::default();
    sent.only(&NAMES, &mut faults);
    let kind = sent.plain(&["Type", "PaymentMethodType"], &mut faults);
    let inner = |name: &str, member: &str| match node.member(name).and_then(|object| object.member(member)) {
        Some(Node::Text(text) | Node::Number(text)) => Some(text.clone()),
        _ => None,
    };
    let mut written: Vec<(String, Node)> = Vec::new();
    let mut set = |name: &str, value: Option<String>| {
        written.extend(value.map(|value| (name.to_owned(), Node::Text(value))));
    };
    match kind.as_deref() {
        Some("64" | "token") => {
            let gateway = inner("puretoken", "paymentgateway");
            if let Some(gateway) = gateway.as_deref().filter(|name| !call.ctx().gateways.contains_key(*name))
            {
                return Err(Problem::new(UNKNOWN_GATEWAY, format!("there is no gateway `{gateway}` here"))
                    .at(format!("{pointer}/PureToken/PaymentGateway"), "is not set up"));
            }
            set("type", Some("token".to_owned()));
            set("gateway", gateway.or_else(|| default_gateway(call)));
            set("token", inner("puretoken", "token"));
        }
        Some("8" | "card") => {
            let token = inner("creditcard", "cardtoken");
            set("type", Some(if token.is_some() { "token" } else { "card" }.to_owned()));
            if token.is_some() {
                set("gateway", default_gateway(call));
            }
            set("token", token);
        }
        Some("128" | "fi") => {
            set("type", Some("fi".to_owned()));
            set("token", inner("fi", "ficustomernumber"));
        }
        Some("256" | "ls") => {
            set("type", Some("ls".to_owned()));
            let parts = ["bankregnumber", "bankaccountnumber", "cvrnumber"];
            let parts: Vec<String> = parts.iter().filter_map(|part| inner("ls", part)).collect();
            set("token", Some(parts.join("-")).filter(|text| !text.is_empty()));
        }
        Some("512" | "sepa") => {
            set("type", Some("sepa".to_owned()));
            for (name, _) in MANDATE {
                set(name, inner("sepa", name));
            }
        }
        Some(other) => {
            faults.add(sent.at("Type"), INVALID.word, format!("`{other}` is none of 8, 64, 128, 256 and 512"))
        }
        None => faults.add(sent.at("Type"), INVALID.word, "is missing"),
    }
    set("refkey", sent.plain(&["RefKey"], &mut faults));
    set("fullname", sent.plain(&["FullName"], &mut faults));
    let is_default = sent.flag(&["MakeDefault", "IsDefault"], &mut faults).unwrap_or(false);
    faults.check()?;
    if is_default {
        written.push(("makedefault".to_owned(), Node::Bool(true)));
    }
    Ok(Node::Object(written))
}

/// The provider that is used where none is named: the only one, or the one for trying.
fn default_gateway(call: &Call) -> Option<String> {
    let names: Vec<&String> = call.ctx().gateways.keys().collect();
    let real = names.iter().find(|name| names.len() == 1 || name.as_str() != "sandbox");
    real.map(|name| (*name).clone())
}

/// The payment methods of a customer's body.
pub fn with_methods(call: &Call, node: &Node, document: &mut Node) -> Result<(), Problem> {
    let Some(Node::List(list)) = node.member("paymentmethods") else { return Ok(()) };
    let mut methods = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let mut written = method(call, one, &format!("/PaymentMethods/{place}"))?;
        if written.member("refkey").is_none() {
            written.set("refkey", Node::Text(format!("method-{}", place + 1)));
        }
        methods.push(written);
    }
    document.set("paymentmethods", Node::List(methods));
    Ok(())
}

/// Changes the method of the path in its customer's document.
async fn edit(call: &Call, edit: impl FnOnce(&mut Vec<Node>, usize)) -> Result<(), Problem> {
    let (record, of) = found(call).await?;
    listed::insist_on_living(NOUN, &record)?;
    documents::change(call.ctx(), &call.actor(), ObjectKind::Customer, of.customer, |_, mut stored| {
        let (mut part, mut deleted) = (String::new(), None);
        if let Some(methods) = stored.list_mut("paymentmethods") {
            let name = Node::Text(of.refkey.clone());
            if let Some(place) = methods.iter().position(|method| method.member("refkey") == Some(&name)) {
                part = format!("/paymentmethods/{place}");
                let before = methods.len();
                edit(methods, place);
                if methods.len() < before
                    && let Value::Guid(id) = record.id()
                {
                    deleted = Some((*id, lists::kept(&record)));
                }
            }
        }
        Ok(Changed { deleted, ..Changed::part(stored, part) })
    })
    .await
    .map_err(|stop| refused(stop, &Node::Null, &CUSTOMER.form(), CUSTOMER_NOT_FOUND))
}

/// What makes a method: another one has others.
const FIXED: [&str; 7] = ["Type", "PureToken", "CreditCard", "FI", "LS", "SEPA", "Token"];

async fn patch(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let is_default = {
        let sent = Body::of(&node, "")?;
        let mut faults = Faults::default();
        let shown = NOUN.entity().properties.iter().map(|property| property.name);
        let known: Vec<&'static str> = shown.chain(["MakeDefault"]).chain(FIXED).collect();
        sent.only(&known, &mut faults);
        let is_default = sent.flag(&["IsDefault", "MakeDefault"], &mut faults);
        faults.check()?;
        is_default
    };
    let (_, of) = found(&call).await?;
    for name in FIXED {
        if node.member(name).is_some_and(|value| *value != Node::Null) {
            return Err(Problem::new(
                IMMUTABLE,
                "type, gateway, token and mandate of a payment method do not change: add another one",
            )
            .at(format!("/{name}"), "cannot change"));
        }
    }
    if let Some(Node::Text(refkey)) = node.member("refkey")
        && *refkey != of.refkey
    {
        return Err(Problem::new(IMMUTABLE, "the RefKey names the method, and does not change")
            .at("/RefKey", "cannot change"));
    }
    let expires = match node.member("expirydate") {
        Some(Node::Null) => Some(Node::Null),
        Some(day) => Some(Node::Text(call.day(day, "/ExpiryDate").await?.to_string())),
        None => None,
    };
    edit(&call, |methods, place| {
        if let Some(name) = node.member("fullname") {
            methods[place].set("fullname", name.clone());
        }
        if let Some(day) = expires {
            methods[place].set("expires", day);
        }
        match is_default {
            None => {}
            Some(true) => {
                methods.iter_mut().for_each(|method| drop(method.take("makedefault")));
                methods[place].set("makedefault", Node::Bool(true));
            }
            Some(false) => drop(methods[place].take("makedefault")),
        }
    })
    .await?;
    listed::one(&call, NOUN, path_id(&call)?, PAYMENT_METHOD_NOT_FOUND).await
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    edit(&call, |methods, place| drop(methods.remove(place))).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Route 18.
async fn set_default(call: Call) -> Result<Answer, Problem> {
    let customer_id = call.id("customerId")?;
    let node = super::day::object(call.json()?, "PaymentMethodID");
    let chosen = match node.member("paymentmethodid") {
        None | Some(Node::Null) => None,
        Some(Node::Text(text)) => Some(text.parse::<Uuid>().map_err(|_| {
            Problem::new(BAD_ID, format!("`{text}` is not an id")).at("/PaymentMethodID", "is not a GUID")
        })?),
        Some(_) => {
            return Err(Problem::new(INVALID, "an id is needed").at("/PaymentMethodID", "is not a GUID"));
        }
    };
    let unknown = |stop| refused(stop, &Node::Null, &CUSTOMER.form(), CUSTOMER_NOT_FOUND);
    documents::key_of(call.ctx(), ObjectKind::Customer, customer_id).await.map_err(unknown)?;
    let mut is_found = chosen.is_none();
    let owner = CustomerId(customer_id);
    let outcome =
        documents::change(call.ctx(), &call.actor(), ObjectKind::Customer, customer_id, |_, mut stored| {
            for method in stored.list_mut("paymentmethods").into_iter().flatten() {
                drop(method.take("makedefault"));
                let refkey = match method.member("refkey") {
                    Some(Node::Text(refkey)) => refkey.clone(),
                    _ => continue,
                };
                if chosen == Some(payment_method_id(owner, &refkey)) {
                    is_found = true;
                    method.set("makedefault", Node::Bool(true));
                }
            }
            if is_found { Ok(Changed::whole(stored)) } else { Err(anyhow::anyhow!("not its own").into()) }
        })
        .await;
    if !is_found {
        let id = chosen.unwrap_or_default();
        return Err(match lists::by_id(call.ctx(), NOUN, id).await? {
            Some(_) => Problem::new(NOT_ITS_OWN, "the payment method belongs to another customer"),
            None if outcome.is_err() => listed::absent(NOUN, PAYMENT_METHOD_NOT_FOUND, &id.to_string()),
            None => Problem::new(NOT_ITS_OWN, "the payment method is not the customer's"),
        });
    }
    outcome.map_err(|stop| refused(stop, &node, &CUSTOMER.form(), CUSTOMER_NOT_FOUND))?;
    customer(call).await
}

/// Route 19.
async fn assign(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&["Token", "MakeDefault"], &mut faults);
    let token = sent.plain(&["Token"], &mut faults);
    if token.is_none() {
        faults.add("/Token".to_owned(), INVALID.word, "is missing");
    }
    let is_default = sent.flag(&["MakeDefault"], &mut faults).unwrap_or(false);
    faults.check()?;
    let Some(gateway) = default_gateway(&call) else {
        return Err(Problem::new(UNKNOWN_GATEWAY, "no payment gateway is set up"));
    };
    let text = |text: &str| Node::Text(text.to_owned());
    let mut written = Node::Object(vec![
        ("type".to_owned(), text("token")),
        ("gateway".to_owned(), text(&gateway)),
        ("token".to_owned(), text(&token.unwrap_or_default())),
        ("fullname".to_owned(), text("card")),
    ]);
    if is_default {
        written.set("makedefault", Node::Bool(true));
    }
    add(&call, call.id("customerId")?, &node, written).await?;
    customer(call).await
}

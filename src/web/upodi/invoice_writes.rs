//! Invoices that bodies write (routes 57, 58, 60, 62, 70): drafts, and copies of what there is.

use super::listed;
use super::objects::{body, path_id, sent_id};
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, Type, field, member, required};
use crate::problem::{BOOKED, CUSTOMER_NOT_FOUND, INVALID, INVOICE_NOT_FOUND, Problem};
use crate::route::{Again, Route};
use domain::api_key::Scope;
use domain::billing::{CustomInvoice, DraftEdit};
use domain::book_file::{Node, ObjectKind};
use domain::ids::book_id;
use domain::query::{Kind, Record, Value};
use http::Method;
use operations::act::Mode;
use operations::book::documents;
use operations::idempotency;
use operations::invoices::credit::{self, Credit};
use operations::invoices::{book, create, edit};
use operations::lists::{self, Noun};
use uuid::Uuid;

const NOUN: Noun = Noun::Invoice;
/// Lines as bodies write them.
const LINES: Type = Type::Objects(&[
    field("ID", Kind::Guid, "of a line that there is"),
    field("Title", Kind::Text, ""),
    field("Description", Kind::Text, ""),
    field("Quantity", Kind::Exact, ""),
    field("UnitPrice", Kind::Exact, ""),
    field("SKU", Kind::Text, ""),
    field("UoMID", Kind::Text, "id or key of a unit"),
    field("Discount", Kind::Exact, "a fraction"),
    field("TaxExempt", Kind::Flag, ""),
]);
const CREATE: Doc = Doc::new("Draft an invoice", Gives::Object(NOUN))
    .takes(&[
        required("CustomerID", Kind::Guid, ""),
        field("CurrencyCode", Kind::Text, "the customer's unless given"),
        field("InvoiceDate", Kind::Day, "today unless given"),
        field("PaymentTerm", Kind::Int, "net days"),
        field("RefKey", Kind::Text, ""),
        field("InvoiceReference", Kind::Text, "printed"),
        member("InvoiceLines", LINES, ""),
    ])
    .success(201);
const REPLACE: Doc = Doc::new("Replace a draft", Gives::Object(NOUN)).takes(&[
    required("ID", Kind::Guid, ""),
    field("PaymentTerm", Kind::Int, "net days"),
    field("InvoiceReference", Kind::Text, ""),
    member("InvoiceLines", LINES, "lines with an ID change, those without are new, missing ones go"),
]);
const PATCH: Doc = Doc::new("Change a draft", Gives::Object(NOUN)).takes(&[
    field("PaymentTerm", Kind::Int, "net days"),
    field("InvoiceReference", Kind::Text, ""),
    member("InvoiceLines", LINES, "as in PUT"),
]);
const DUPLICATE: Doc =
    Doc::new("Copy an invoice as a draft, or draft a credit note on it", Gives::Object(NOUN))
        .takes(&[
            field("Reverse", Kind::Flag, "a credit note"),
            member(
                "Lines",
                Type::Objects(&[
                    required("LineNumber", Kind::Int, ""),
                    field("Amount", Kind::Exact, "all of the line unless given"),
                ]),
                "what of it is credited; all unless given",
            ),
            field("Book", Kind::Flag, "book it at once"),
        ])
        .success(201);

pub fn routes() -> Vec<Route> {
    let show = |call: Call| async move { listed::one(&call, NOUN, path_id(&call)?, INVOICE_NOT_FOUND).await };
    vec![
        Route::new(Method::POST, "/v3/invoices", Scope::Write, CREATE, create).shown_by(made),
        Route::new(Method::PUT, "/v3/invoices", Scope::Write, REPLACE, |call| async move {
            let node = body(&call)?;
            let id = sent_id(&node)?;
            change(&call, id, &node).await
        })
        .shown_by(|call| async move {
            let id = sent_id(&body(&call)?)?;
            listed::one(&call, NOUN, id, INVOICE_NOT_FOUND).await
        }),
        Route::new(Method::PATCH, "/v3/invoices/{invoiceId}", Scope::Write, PATCH, |call| async move {
            let node = body(&call)?;
            let id = path_id(&call)?;
            change(&call, id, &node).await
        })
        .shown_by(show),
        Route::new(Method::POST, "/v3/invoices/{invoiceId}/duplicate", Scope::Write, DUPLICATE, duplicate)
            .shown_by(made)
            .again(Again::Resume),
    ]
}

async fn made(call: Call) -> Result<Answer, Problem> {
    let Some(id) = call.made else { return Err(anyhow::anyhow!("what was made is not known").into()) };
    created(&call, id).await
}

async fn created(call: &Call, id: Uuid) -> Result<Answer, Problem> {
    Ok(listed::one(call, NOUN, id, INVOICE_NOT_FOUND).await?.located(&format!("/v3/invoices/{id}")))
}

/// What a client has read of an invoice and sends back.
const ANSWERED: [&str; 12] = [
    "ID",
    "Customer",
    "Child",
    "Subscription",
    "PaymentMethod",
    "Transactions",
    "Description",
    "BusinessUnitID",
    "PaymentMethodID",
    "CreatedBy",
    "CreatedDate",
    "ModifiedDate",
];

fn only(sent: &Body<'_>, faults: &mut Faults) {
    let properties = NOUN.entity().properties.iter().map(|property| property.name);
    let lists = NOUN.entity().lists.iter().map(|(name, _)| *name);
    let known: Vec<&'static str> =
        properties.chain(lists).chain(ANSWERED).chain(["RefKey", "PaymentTerm", "ModifiedBy"]).collect();
    sent.only(&known, faults);
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    only(&sent, &mut faults);
    let customer = sent.plain(&["CustomerID"], &mut faults);
    if customer.is_none() {
        faults.add("/CustomerID".to_owned(), INVALID.word, "is missing");
    }
    let texts = [
        ("currencycode", sent.plain(&["CurrencyCode"], &mut faults)),
        ("paymentterm", sent.plain(&["PaymentTerm"], &mut faults)),
        ("reference", sent.plain(&["InvoiceReference"], &mut faults)),
    ];
    let refkey = sent.plain(&["RefKey"], &mut faults);
    faults.check()?;
    let id = super::subscription_forms::id_of(Some(&Node::Text(customer.unwrap_or_default())));
    let unknown =
        |stop| super::written::refused(stop, &node, &super::objects::CUSTOMER.form(), CUSTOMER_NOT_FOUND);
    let account = match id {
        Some(id) => documents::key_of(call.ctx(), ObjectKind::Customer, id).await.map_err(unknown)?,
        None => {
            let problem = Problem::new(crate::problem::BAD_ID, "the CustomerID is not an id");
            return Err(problem.at("/CustomerID", "is not a GUID"));
        }
    };
    let date = call.act_on(Some(&sent), &["InvoiceDate"]).await?.on;
    let mut document = Node::Object(vec![
        ("customer".to_owned(), Node::Text(account)),
        ("date".to_owned(), Node::Text(date.to_string())),
        // Two of the same content are two invoices.
        ("refkey".to_owned(), Node::Text(refkey.unwrap_or_else(|| Uuid::new_v4().to_string()))),
    ]);
    for (name, text) in texts {
        if let Some(text) = text {
            document.set(name, Node::Text(text));
        }
    }
    document.set("lines", lines(&call, node.member("invoicelines")).await?);
    let custom = invoice(&document)?;
    let view = create::create(call.ctx(), &call.act().await?, &custom, Mode::Change).await?;
    created(&call, view.draft.id.0).await
}

/// Reads the document of an invoice by the rules of invoice files.
fn invoice(document: &Node) -> Result<CustomInvoice, Problem> {
    domain::book_file::read_draft_invoice("invoice", &document.written()).map_err(told)
}

/// Faults of an invoice file in the spelling of the body.
fn told(faults: Vec<domain::book_file::Fault>) -> Problem {
    let mut own = Faults::default();
    for fault in faults {
        let pointer = fault.pointer.replacen("/lines", "/InvoiceLines", 1);
        let spelt: Vec<String> = pointer.split('/').map(spelt).collect();
        own.add(spelt.join("/"), INVALID.word, fault.message);
    }
    own.check().err().unwrap_or_else(|| Problem::new(INVALID, "the invoice cannot be read"))
}

fn spelt(step: &str) -> String {
    match step {
        "title" => "Title",
        "quantity" => "Quantity",
        "unitprice" => "UnitPrice",
        "discount" => "Discount",
        "description" => "Description",
        "sku" => "SKU",
        "currencycode" => "CurrencyCode",
        "paymentterm" => "PaymentTerm",
        "reference" => "InvoiceReference",
        "date" => "InvoiceDate",
        "refkey" => "RefKey",
        other => other,
    }
    .to_owned()
}

/// The lines of a body in the book's words.
async fn lines(call: &Call, node: Option<&Node>) -> Result<Node, Problem> {
    let list = match node {
        None | Some(Node::Null) => return Ok(Node::List(Vec::new())),
        Some(Node::List(list)) => list,
        Some(other) => {
            let message = format!("is {}, not a list", other.noun());
            return Err(Problem::new(INVALID, "the lines are not a list").at("/InvoiceLines", message));
        }
    };
    let mut lines = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        lines.push(line(call, one, &format!("/InvoiceLines/{place}")).await?);
    }
    Ok(Node::List(lines))
}

async fn line(call: &Call, node: &Node, pointer: &str) -> Result<Node, Problem> {
    let sent = Body::of(node, pointer)?;
    let mut faults = Faults::default();
    let entity = NOUN.entity().lists[0].1;
    let properties = entity.properties.iter().map(|property| property.name);
    let more = [
        "UoMID",
        "UoM",
        "TaxExempt",
        "SubscriptionChargeID",
        "ProductPlanChargeID",
        "IsEmptyLine",
        "CreatedDate",
    ];
    let known: Vec<&'static str> =
        properties.chain(more).chain(["ModifiedDate", "TotalPriceExchangeRate"]).collect();
    sent.only(&known, &mut faults);
    let names = [
        ("title", "Title"),
        ("description", "Description"),
        ("sku", "SKU"),
        ("quantity", "Quantity"),
        ("unitprice", "UnitPrice"),
        ("discount", "Discount"),
        ("unit", "Unit"),
    ];
    let mut written = Node::Object(Vec::new());
    for (ours, theirs) in names {
        if let Some(text) = sent.plain(&[theirs], &mut faults) {
            written.set(ours, Node::Text(text));
        }
    }
    faults.check()?;
    if matches!(sent.get(&["TaxExempt"]), Some(Node::Bool(true))) {
        written.set("taxable", Node::Bool(false));
    }
    if let Some(id) = super::subscription_forms::id_of(sent.get(&["UoMID"])) {
        let catalogue = call.ctx().catalogue().await?;
        let unit = catalogue.uoms.values().find(|uom| book_id(ObjectKind::Uom, &uom.refkey) == id);
        let unit =
            unit.ok_or_else(|| Problem::new(crate::problem::UOM_NOT_FOUND, format!("there is no uom {id}")))?;
        written.set("unit", Node::Text(unit.fullname.clone()));
    }
    Ok(written)
}

/// PUT and PATCH: what is sent of a draft.
async fn change(call: &Call, id: Uuid, node: &Node) -> Result<Answer, Problem> {
    let sent = Body::of(node, "")?;
    let mut faults = Faults::default();
    only(&sent, &mut faults);
    let reference = sent.plain(&["InvoiceReference"], &mut faults);
    let term = sent.plain(&["PaymentTerm"], &mut faults);
    faults.check()?;
    let Some(record) = lists::by_id(call.ctx(), NOUN, id).await? else {
        return Err(listed::absent(NOUN, INVOICE_NOT_FOUND, &id.to_string()));
    };
    if int(NOUN, &record, "InvoiceStatus") != Some(0) {
        return Err(Problem::new(BOOKED, "only a draft is changed: credit what is booked"));
    }
    let mut document = Node::Object(Vec::new());
    if let Some(reference) =
        reference.filter(|text| text_of(&record, "InvoiceReference").as_ref() != Some(text))
    {
        document.set("reference", Node::Text(reference));
    }
    if let Some(term) =
        term.filter(|text| int(NOUN, &record, "PaymentTerm").map(|n| n.to_string()).as_ref() != Some(text))
    {
        document.set("paymentterm", Node::Text(term));
    }
    if let Some(Node::List(list)) = node.member("invoicelines") {
        let changes = line_changes(call, &record, list).await?;
        if !changes.is_empty() {
            document.set("lines", Node::List(changes));
        }
    }
    if document != Node::Object(Vec::new()) {
        let change: DraftEdit =
            domain::book_file::read_draft_edit("invoice", &document.written()).map_err(told)?;
        edit::edit(call.ctx(), &call.act().await?, &id.to_string(), &change, Mode::Change).await?;
    }
    listed::one(call, NOUN, id, INVOICE_NOT_FOUND).await
}

fn int(noun: Noun, record: &Record, name: &str) -> Option<i64> {
    match noun.entity().property(name).and_then(|place| record.values.get(place)) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn text_of(record: &Record, name: &str) -> Option<String> {
    match NOUN.entity().property(name).and_then(|place| record.values.get(place)) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// What is to be done to the lines of a draft for them to be those that were sent.
async fn line_changes(call: &Call, record: &Record, sent: &[Node]) -> Result<Vec<Node>, Problem> {
    let entity = NOUN.entity().lists[0].1;
    let value =
        |line: &Record, name: &str| entity.property(name).and_then(|place| line.values.get(place)).cloned();
    let mut known: Vec<&Record> = record.lists.iter().flatten().collect();
    let mut changes = Vec::new();
    for (place, node) in sent.iter().enumerate() {
        let written = line(call, node, &format!("/InvoiceLines/{place}")).await?;
        let id = super::subscription_forms::id_of(node.member("id"));
        let at = id.and_then(|id| known.iter().position(|line| *line.id() == Value::Guid(id)));
        let Some(old) = at.map(|at| known.remove(at)) else {
            changes.push(written);
            continue;
        };
        let number = match value(old, "LineNumber") {
            Some(Value::Int(number)) => number.to_string(),
            _ => continue,
        };
        let is_same = |ours: &str, theirs: &str| match (written.member(ours), value(old, theirs)) {
            (None, _) => true,
            (Some(Node::Text(text)), Some(Value::Exact(exact))) => text.parse() == Ok(exact),
            (Some(Node::Text(text)), Some(Value::Text(known))) => *text == known,
            _ => false,
        };
        let money =
            [("quantity", "Quantity"), ("unitprice", "UnitPrice"), ("discount", "Discount"), ("sku", "SKU")];
        if money.iter().all(|(ours, theirs)| is_same(ours, theirs)) {
            let texts = [("title", "Title"), ("description", "Description")];
            let changed: Vec<&str> =
                texts.iter().filter(|(ours, theirs)| !is_same(ours, theirs)).map(|(ours, _)| *ours).collect();
            if !changed.is_empty() {
                let mut change = Node::Object(vec![("line".to_owned(), Node::Number(number))]);
                for name in changed {
                    change.set(name, written.member(name).cloned().unwrap_or(Node::Null));
                }
                changes.push(change);
            }
            continue;
        }
        changes.push(removed(&number));
        changes.push(written);
    }
    for line in known {
        if let Some(Value::Int(number)) = value(line, "LineNumber") {
            changes.push(removed(&number.to_string()));
        }
    }
    Ok(changes)
}

fn removed(number: &str) -> Node {
    Node::Object(vec![
        ("line".to_owned(), Node::Number(number.to_owned())),
        ("remove".to_owned(), Node::Bool(true)),
    ])
}

/// Route 70.
async fn duplicate(call: Call) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    let node = call.json()?.unwrap_or(Node::Object(Vec::new()));
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&["Reverse", "Lines", "Book", "CreditNoteReason"], &mut faults);
    let wanted = credited_lines(&sent, &mut faults)?;
    let is_reverse = sent.flag(&["Reverse"], &mut faults).unwrap_or(false);
    let books_it = sent.flag(&["Book"], &mut faults).unwrap_or(false);
    faults.check()?;
    let Some(record) = lists::by_id(call.ctx(), NOUN, id).await? else {
        return Err(listed::absent(NOUN, INVOICE_NOT_FOUND, &id.to_string()));
    };
    let act = call.act().await?;
    if books_it && call.made.is_none() {
        // The draft alone is not what was asked for.
        idempotency::goes_on();
    }
    let made = if let Some(made) = call.made {
        made
    } else if is_reverse {
        let name = id.to_string();
        let asked = Credit { invoice: &name, lines: &wanted, rebill: false };
        credit::draft_note(call.ctx(), &act, &asked).await?.0
    } else {
        copy(&call, &record).await?
    };
    if books_it {
        book::book(call.ctx(), &act, &made.to_string()).await?;
    }
    created(&call, made).await
}

fn credited_lines(
    sent: &Body<'_>,
    faults: &mut Faults,
) -> Result<Vec<(u32, Option<domain::Decimal>)>, Problem> {
    let list = match sent.get(&["Lines"]) {
        None => return Ok(Vec::new()),
        Some(Node::List(list)) => list,
        Some(other) => {
            faults.add(sent.at("Lines"), INVALID.word, format!("is {}, not a list", other.noun()));
            return Ok(Vec::new());
        }
    };
    let mut wanted = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let line = Body::of(one, &format!("/Lines/{place}"))?;
        line.only(&["LineNumber", "Amount"], faults);
        let number = line.plain(&["LineNumber"], faults).and_then(|text| text.parse::<u32>().ok());
        let amount = super::day::amount(&line, &["Amount"], faults);
        match number {
            Some(number) => wanted.push((number, amount)),
            None => faults.add(line.at("LineNumber"), INVALID.word, "is no line number"),
        }
    }
    Ok(wanted)
}

/// A draft with the same lines, dated today.
async fn copy(call: &Call, record: &Record) -> Result<Uuid, Problem> {
    let entity = NOUN.entity().lists[0].1;
    let texts = [
        ("title", "Title"),
        ("description", "Description"),
        ("sku", "SKU"),
        ("quantity", "Quantity"),
        ("unitprice", "UnitPrice"),
        ("discount", "Discount"),
        ("unit", "Unit"),
    ];
    let line = |line: &Record| {
        let mut written = Node::Object(Vec::new());
        for (ours, theirs) in texts {
            match entity.property(theirs).and_then(|place| line.values.get(place)) {
                Some(Value::Text(text)) if !text.is_empty() => written.set(ours, Node::Text(text.clone())),
                Some(Value::Exact(exact)) => written.set(ours, Node::Text(exact.to_string())),
                _ => {}
            }
        }
        written
    };
    let lines = record.lists.iter().flatten().map(line).collect();
    let act = call.act().await?;
    let text = |name: &str| Node::Text(text_of(record, name).unwrap_or_default());
    let document = Node::Object(vec![
        ("customer".to_owned(), text("AccountNumber")),
        ("date".to_owned(), Node::Text(act.on.to_string())),
        ("refkey".to_owned(), Node::Text(Uuid::new_v4().to_string())),
        ("currencycode".to_owned(), text("CurrencyCode")),
        ("lines".to_owned(), Node::List(lines)),
    ]);
    let custom = invoice(&document)?;
    let view = create::create(call.ctx(), &act, &custom, Mode::Change).await?;
    Ok(view.draft.id.0)
}

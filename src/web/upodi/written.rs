//! From a body to the document of an object of the book: names as they were sent, days as days, flags as flags; what a
//! client has read and sends back is left out, and what nobody knows is a fault.

use crate::body::Faults;
use crate::call::Call;
use crate::problem::{INVALID, Problem, UNKNOWN_FIELD};
use domain::book_file::{Node, Shape, Table, nearest};
use domain::query::Entity;
use operations::Stop;

/// How the bodies of an object are read.
#[derive(Clone, Copy)]
pub struct Form {
    pub table: &'static Table,
    pub entity: &'static Entity,
    /// Names that clients use for what has another one in the book.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Members of the book's that bodies do not write: verbs do, or other routes.
    pub left_out: &'static [&'static str],
}

/// Members that servers set, and those that only an answer has.
const ANSWERED: [&str; 14] = [
    "id",
    "createdby",
    "createddate",
    "modifiedby",
    "modifieddate",
    "createdbyuser",
    "modifiedbyuser",
    "initialterm",
    "renewalterm",
    "lifetime",
    "lastrenewaldate",
    "cancellationdate",
    "activationdate",
    "isevergreen",
];

impl Form {
    /// The document that a body is.
    pub async fn document(&self, call: &Call, node: &Node) -> Result<Node, Problem> {
        self.part(call, node, "").await
    }

    /// The document of a body that stands at a pointer within another one.
    pub async fn part(&self, call: &Call, node: &Node, pointer: &str) -> Result<Node, Problem> {
        let zone = operations::home::tenant::tenant(call.ctx()).await?.map(|tenant| tenant.timezone);
        let mut reader = Reader { zone, faults: Faults::default() };
        let at = At { table: self.table, entity: Some(self.entity), pointer: pointer.to_owned() };
        let document = reader.object(self, &at, node);
        reader.faults.check()?;
        Ok(document)
    }
}

struct Reader {
    zone: Option<chrono_tz::Tz>,
    faults: Faults,
}

/// Where in a body the reader is.
struct At {
    table: &'static Table,
    entity: Option<&'static Entity>,
    pointer: String,
}

impl At {
    fn member(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    /// What stands in a list of this name.
    fn inner(&self, name: &str, table: &'static Table, pointer: String) -> Self {
        let list = self.entity.and_then(|entity| Some(entity.lists[entity.list(name)?].1));
        Self { table, entity: list, pointer }
    }
}

impl Reader {
    fn object(&mut self, form: &Form, at: &At, node: &Node) -> Node {
        let Node::Object(members) = node else {
            self.faults.add(at.pointer.clone(), INVALID.word, format!("is {}, not an object", node.noun()));
            return Node::Null;
        };
        let mut document = Vec::with_capacity(members.len());
        for (sent, value) in members {
            let renamed = form.renamed.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(sent));
            let name = renamed.map_or(sent.as_str(), |(_, ours)| ours);
            let is_named = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
            // A contact has no name of its own: by its id it stays the same one.
            let is_kept =
                name.eq_ignore_ascii_case("id") && at.table.name == "contact" && !at.pointer.is_empty();
            if is_kept {
                document.push(("id".to_owned(), value.clone()));
            }
            if is_named(&ANSWERED) || is_named(form.left_out) {
                continue;
            }
            let Some(field) = at.table.field(name) else {
                self.answered_or_unknown(form, at, sent);
                continue;
            };
            let value = self.value(form, at, sent, field.shape, value);
            document.push((name.to_owned(), value));
        }
        Node::Object(document)
    }

    /// What a client has read and sends back, or what nobody knows.
    fn answered_or_unknown(&mut self, form: &Form, at: &At, sent: &str) {
        let is_answered = at.entity.is_some_and(|entity| {
            entity.property(sent).is_some() || entity.list(sent).is_some() || entity.object(sent).is_some()
        });
        if is_answered || EXPANDED.iter().any(|known| known.eq_ignore_ascii_case(sent)) {
            return;
        }
        let ours =
            at.table.fields.iter().flat_map(|field| std::iter::once(field.name()).chain(field.other_names()));
        let theirs = form.renamed.iter().map(|(theirs, _)| *theirs);
        let answered =
            at.entity.iter().flat_map(|entity| entity.properties.iter().map(|property| property.name));
        let known: Vec<&str> = answered.chain(theirs).chain(ours).collect();
        let lower: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
        let near = nearest(&sent.to_ascii_lowercase(), lower.iter().map(String::as_str));
        let near = near.and_then(|near| known.iter().find(|name| name.eq_ignore_ascii_case(near)));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        self.faults.hinted(at.member(sent), UNKNOWN_FIELD.word, format!("unknown field `{sent}`"), hint);
    }

    fn value(&mut self, form: &Form, at: &At, sent: &str, shape: Shape, value: &Node) -> Node {
        match (shape, value) {
            (Shape::Boolean, Node::Text(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Node::Bool(true),
                "false" | "0" => Node::Bool(false),
                _ => value.clone(),
            },
            (Shape::Boolean, Node::Number(text)) if text == "1" => Node::Bool(true),
            (Shape::Boolean, Node::Number(text)) if text == "0" => Node::Bool(false),
            (Shape::Date, Node::Text(text)) if !text.trim().is_empty() => {
                match super::day::read(text, self.zone) {
                    Ok(day) => Node::Text(day.to_string()),
                    Err(message) => {
                        self.faults.add(at.member(sent), INVALID.word, message);
                        Node::Null
                    }
                }
            }
            (Shape::List(table), Node::List(list)) => {
                let parts = list.iter().enumerate().map(|(place, part)| {
                    let pointer = format!("{}/{place}", at.member(sent));
                    self.object(form, &at.inner(sent, table, pointer), part)
                });
                Node::List(parts.collect())
            }
            (Shape::Object(table) | Shape::TextOr(table), Node::Object(_)) => {
                self.object(form, &at.inner(sent, table, at.member(sent)), value)
            }
            _ => value.clone(),
        }
    }
}

/// Objects that a query expands.
const EXPANDED: [&str; 22] = [
    "customer",
    "parent",
    "businessunit",
    "currency",
    "defaultpaymentmethod",
    "subscriptions",
    "subscriptioncharges",
    "invoices",
    "transactions",
    "contacts",
    "paymentmethods",
    "productplan",
    "productplans",
    "productplancharge",
    "productplanpricings",
    "productfamily",
    "discountconsumers",
    "discountcodes",
    "discount",
    "uom",
    "emailtemplatesetid",
    "switchtoplan",
];

/// A refusal of the book with its pointers in the spelling of the body, and the number of what is missing.
pub fn refused(stop: Stop, body: &Node, form: &Form, missing: crate::problem::Code) -> Problem {
    let mut problem = Problem::from(stop);
    if problem.code.word == domain::refusal::Code::UnknownObject.word() {
        problem.code = missing;
    }
    for fault in &mut problem.faults {
        fault.pointer = respelt(&fault.pointer, body, form);
    }
    problem
}

/// A pointer into a document, as a pointer into the body that it came from.
fn respelt(pointer: &str, body: &Node, form: &Form) -> String {
    let mut node = Some(body);
    let mut told = String::new();
    for step in pointer.split('/').skip(1) {
        let theirs = form
            .renamed
            .iter()
            .filter(|(_, ours)| ours.eq_ignore_ascii_case(step))
            .map(|(theirs, _)| *theirs);
        let names: Vec<&str> = theirs.chain([step]).collect();
        let found = match node {
            Some(Node::Object(members)) => {
                members.iter().find(|(name, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
            }
            Some(Node::List(list)) => {
                node = step.parse::<usize>().ok().and_then(|place| list.get(place));
                told.push('/');
                told.push_str(step);
                continue;
            }
            _ => None,
        };
        told.push('/');
        told.push_str(found.map_or(step, |(name, _)| name));
        node = found.map(|(_, value)| value);
    }
    told
}

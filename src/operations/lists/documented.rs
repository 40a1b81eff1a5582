//! What only the document of an object says, and who wrote it when: the last properties of a record.

use domain::book_file::{Node, ObjectKind};
use domain::ids::book_id;
use domain::query::{Entity, Kind, Record, Value};
use store::book_object::{BookObject, Status};

/// The document of an object; none if it cannot be read.
pub fn document_of(object: &BookObject) -> Option<Node> {
    domain::book_file::read_body(&object.document).ok()
}

/// The record with what its document says of the properties that are not known otherwise.
pub fn with_document(entity: &Entity, mut record: Record, document: &Node) -> Record {
    for property in &entity.properties[record.values.len().min(entity.properties.len())..] {
        let written = document.member(property.name);
        record.values.push(written.map_or(Value::Null, |node| value(node, property.kind)));
    }
    record
}

/// The record with its status and who wrote it when.
pub fn with_object(entity: &Entity, mut record: Record, object: Option<&BookObject>) -> Record {
    let Some(object) = object else { return record };
    for (property, value) in entity.properties.iter().zip(&mut record.values) {
        let touch = match property.name {
            "CreatedDate" | "CreatedBy" => object.created.as_ref(),
            "ModifiedDate" | "ModifiedBy" => object.modified.as_ref().or(object.created.as_ref()),
            "Status" if matches!(value, Value::Null | Value::Text(_)) => {
                *value = Value::Int(status(object));
                continue;
            }
            _ => continue,
        };
        let Some(touch) = touch else { continue };
        *value = match property.kind {
            Kind::Instant => Value::Instant(touch.at),
            _ => touch.by.as_str().into(),
        };
    }
    record
}

/// An object that was deleted: what was written of it.
pub fn deleted(entity: &Entity, object: &BookObject) -> Record {
    let document = document_of(object).unwrap_or(Node::Null);
    let record = Record { values: vec![Value::Guid(object.id)], ..Record::default() };
    let record = with_document(entity, record, &document);
    let mut record = with_object(entity, record, Some(object));
    record.lists = entity.lists.iter().map(|_| Vec::new()).collect();
    record
}

/// A part as it was answered, to be kept when it is deleted.
pub fn kept(record: &Record) -> String {
    let values = record.values.iter().map(|value| match value {
        Value::Null => Node::Null,
        Value::Guid(id) => Node::Text(id.to_string()),
        Value::Text(text) => Node::Text(text.clone()),
        Value::Int(number) => Node::Number(number.to_string()),
        Value::Flag(flag) => Node::Bool(*flag),
        Value::Exact(number) => Node::Number(number.to_string()),
        Value::Day(day) => Node::Text(day.to_string()),
        Value::Instant(at) => Node::Text(at.to_rfc3339()),
    });
    Node::List(values.collect()).written()
}

/// The same read back; it is deleted. Properties that came later have nothing.
pub fn read_kept(entity: &Entity, text: &str) -> Option<Record> {
    let Ok(Node::List(kept)) = domain::book_file::read_body(text) else { return None };
    let values = entity.properties.iter().enumerate().map(|(place, property)| match property.name {
        "Status" => Value::Int(Status::Deleted as i64),
        _ => kept.get(place).map_or(Value::Null, |node| value(node, property.kind)),
    });
    Some(Record { values: values.collect(), ..Record::default() })
}

/// Upodi's number: a plan that was never offered is a draft.
fn status(object: &BookObject) -> i64 {
    let is_draft = object.kind == ObjectKind::ProductPlan
        && object.status == Status::Inactive
        && document_of(object).is_some_and(|document| match document.member("status") {
            Some(Node::Text(word) | Node::Number(word)) => {
                matches!(word.to_ascii_lowercase().as_str(), "draft" | "0")
            }
            _ => false,
        });
    if is_draft { 0 } else { object.status as i64 }
}

fn value(node: &Node, kind: Kind) -> Value {
    match (node, kind) {
        (Node::Text(text), Kind::Text) => text.as_str().into(),
        (Node::Number(text), Kind::Text) => text.as_str().into(),
        (Node::Bool(flag), Kind::Flag) => Value::Flag(*flag),
        (Node::Text(text) | Node::Number(text), Kind::Int) => text.parse().map_or(Value::Null, Value::Int),
        (Node::Text(text) | Node::Number(text), Kind::Exact) => {
            text.parse().map_or(Value::Null, Value::Exact)
        }
        (Node::Text(text), Kind::Day) => text.parse().map_or(Value::Null, Value::Day),
        (Node::Text(text), Kind::Guid) => text.parse().map_or(Value::Null, Value::Guid),
        _ => Value::Null,
    }
}

/// The id of a business unit by its key.
pub fn unit_id(key: Option<&str>) -> Value {
    key.map_or(Value::Null, |key| Value::Guid(book_id(ObjectKind::BusinessUnit, key)))
}

//! Records as they are answered.

use super::expand::Expander;
use super::query::{PageRequest, Shown};
use crate::call::Call;
use crate::json::Tree;
use crate::problem::Problem;
use domain::query::{Entity, Record, Value};
use operations::lists::RecordPage;
use std::borrow::Cow;
use uuid::Uuid;

/// What a record says of a property.
pub fn value<'r>(entity: &Entity, record: &'r Record, name: &str) -> Option<&'r Value> {
    entity.property(name).and_then(|place| record.values.get(place))
}

/// The same, of an id.
pub fn guid(entity: &Entity, record: &Record, name: &str) -> Option<Uuid> {
    match value(entity, record, name) {
        Some(Value::Guid(id)) => Some(*id),
        _ => None,
    }
}

/// Properties of a record, all of them or those at these places.
pub fn members(
    entity: &'static Entity,
    record: &Record,
    properties: Option<&[usize]>,
) -> Vec<(Cow<'static, str>, Tree)> {
    let mut members = Vec::with_capacity(entity.properties.len() + entity.lists.len());
    for (place, (property, value)) in entity.properties.iter().zip(&record.values).enumerate() {
        if properties.is_none_or(|places| places.contains(&place)) {
            members.push((Cow::Borrowed(property.name), tree(value)));
        }
    }
    members
}

/// A record alone.
pub fn bare(entity: &'static Entity, record: &Record) -> Tree {
    Tree::Object(members(entity, record, None))
}

/// A record with everything that belongs to it.
pub fn whole(entity: &'static Entity, record: &Record) -> Tree {
    let mut members = members(entity, record, None);
    for (place, (name, of)) in entity.lists.iter().enumerate() {
        let children = record.lists.get(place).map_or(&[][..], Vec::as_slice);
        members.push((
            Cow::Borrowed(*name),
            Tree::List(children.iter().map(|child| whole(of, child)).collect()),
        ));
    }
    Tree::Object(members)
}

fn tree(value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Guid(id) => Tree::Text(id.to_string()),
        Value::Text(text) => Tree::text(text),
        Value::Int(number) => Tree::Int(*number),
        Value::Flag(flag) => Tree::Bool(*flag),
        Value::Exact(number) => Tree::Exact(number.to_string()),
        Value::Day(day) => Tree::Text(day.to_string()),
        Value::Instant(at) => Tree::instant(*at),
    }
}

/// `{"Items", "PageNumber", "PageSize", "TotalItems", "TotalPages"}` of records alone.
pub fn page(entity: &'static Entity, found: &RecordPage, page: PageRequest) -> Tree {
    let items = found.records.iter().map(|one| bare(entity, one)).collect();
    paged(items, found.total, page)
}

/// The same with what is selected and expanded of each.
pub async fn shown(
    call: &Call,
    entity: &'static Entity,
    found: &RecordPage,
    page: PageRequest,
    shown: &Shown,
) -> Result<Tree, Problem> {
    let mut expander = Expander::new(call);
    let mut items = Vec::with_capacity(found.records.len());
    for one in &found.records {
        items.push(expander.tree(entity, one, shown.properties.as_deref(), &shown.expanded).await?);
    }
    Ok(paged(items, found.total, page))
}

fn paged(items: Vec<Tree>, total: Option<u64>, page: PageRequest) -> Tree {
    let size = u64::try_from(page.size.max(1)).unwrap_or(u64::MAX);
    let number = |n: Option<u64>| n.map_or(Tree::Null, |n| Tree::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    Tree::object([
        ("Items", Tree::List(items)),
        ("PageNumber", Tree::count(page.number)),
        ("PageSize", Tree::count(page.size)),
        ("TotalItems", number(total)),
        ("TotalPages", number(total.map(|total| total.div_ceil(size)))),
    ])
}

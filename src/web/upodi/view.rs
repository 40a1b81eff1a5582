//! Records as they are answered.

use super::query::{PageRequest, Shown};
use crate::json::Tree;
use domain::query::{Entity, Record, Value};
use operations::lists::RecordPage;
use std::borrow::Cow;

/// A record with what is shown of it.
pub fn record(entity: &'static Entity, record: &Record, shown: &Shown) -> Tree {
    let mut members = Vec::with_capacity(entity.properties.len() + shown.lists.len());
    for (place, (property, value)) in entity.properties.iter().zip(&record.values).enumerate() {
        if shown.properties.as_ref().is_none_or(|places| places.contains(&place)) {
            members.push((Cow::Borrowed(property.name), tree(value)));
        }
    }
    for list in &shown.lists {
        let (name, of) = entity.lists[*list];
        let children = record.lists.get(*list).map_or(&[][..], Vec::as_slice);
        let children = children.iter().map(|child| self::record(of, child, &Shown::default())).collect();
        members.push((Cow::Borrowed(name), Tree::List(children)));
    }
    Tree::Object(members)
}

/// A record with everything that belongs to it.
pub fn whole(entity: &'static Entity, record: &Record) -> Tree {
    let shown = Shown { properties: None, lists: (0..entity.lists.len()).collect() };
    self::record(entity, record, &shown)
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

/// `{"Items", "PageNumber", "PageSize", "TotalItems", "TotalPages"}`.
pub fn page(entity: &'static Entity, found: &RecordPage, page: PageRequest, shown: &Shown) -> Tree {
    let size = u64::try_from(page.size.max(1)).unwrap_or(u64::MAX);
    let number = |n: Option<u64>| n.map_or(Tree::Null, |n| Tree::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    let items = found.records.iter().map(|one| record(entity, one, shown)).collect();
    Tree::object([
        ("Items", Tree::List(items)),
        ("PageNumber", Tree::count(page.number)),
        ("PageSize", Tree::count(page.size)),
        ("TotalItems", number(found.total)),
        ("TotalPages", number(found.total.map(|total| total.div_ceil(size)))),
    ])
}

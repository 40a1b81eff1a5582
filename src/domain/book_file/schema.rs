//! What a book may hold, told from the tables of its fields: as a JSON Schema for editors, and as a page for people.

use super::content::ObjectKind;
use super::tables::{Field, FieldDefault, Shape, Table};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A JSON Schema (2020-12) of a book that is one document. Names are in the case in which the program writes them; it reads
/// any case.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    for kind in ObjectKind::ALL {
        let name = kind.singular();
        definitions.insert(name.to_owned(), object(kind.table()));
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        properties.insert(name.to_owned(), reference.clone());
        if kind.name() != name {
            properties.insert(kind.name().to_owned(), json!({"type": "array", "items": reference}));
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Book of a billing run",
        "description": "Everything that a billing run needs. As NDJSON each line is such an object with one member.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for field in table.fields {
        for name in field.names.split('|') {
            properties.insert(name.to_owned(), property(field, name));
        }
        if field.default == FieldDefault::Required && field.other_names().next().is_none() {
            required.push(field.name());
        }
    }
    for name in super::tables::SET_BY_SERVERS {
        properties.entry(name).or_insert_with(|| json!(true));
    }
    json!({
        "type": "object",
        "description": table.meaning,
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn property(field: &Field, name: &str) -> Value {
    let mut value = shape(field.shape);
    if let Value::Object(members) = &mut value {
        let mut told = field.meaning.to_owned();
        if let FieldDefault::Is(default) = field.default {
            told = format!("{told} Default: {default}.");
        }
        if field.name() != name {
            told = format!("{told} The same as `{}`.", field.name());
        }
        members.insert("description".to_owned(), json!(told));
        if field.default != FieldDefault::Required {
            nullable(members);
        }
    }
    value
}

/// What may be left out may be null.
fn nullable(members: &mut Map<String, Value>) {
    let types = match members.get("type") {
        Some(Value::String(one)) => vec![json!(one), json!("null")],
        Some(Value::Array(several)) => several.iter().cloned().chain([json!("null")]).collect(),
        _ => return,
    };
    members.insert("type".to_owned(), Value::Array(types));
    if let Some(Value::Array(choices)) = members.get_mut("enum") {
        choices.push(Value::Null);
    }
}

fn shape(shape: Shape) -> Value {
    let number = json!(["string", "number"]);
    match shape {
        Shape::Text => json!({"type": "string", "maxLength": 255}),
        Shape::Note => json!({"type": "string", "maxLength": 4000}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Integer(least, most) => {
            json!({"type": ["integer", "string"], "minimum": least, "maximum": most})
        }
        Shape::Decimal => json!({"type": number}),
        Shape::Date => json!({"type": "string", "format": "date"}),
        Shape::Currency => json!({"type": "string", "pattern": "^[A-Za-z]{3}$"}),
        // Names are read in any case, and so are Upodi's numbers: an editor offers ours.
        Shape::Choice(names) => json!({"anyOf": [{"enum": names}, {"type": ["integer", "string"]}]}),
        Shape::Reference(_) => json!({"type": "string"}),
        Shape::Texts => {
            json!({"type": ["array", "string", "integer"], "items": {"type": ["string", "number"]}})
        }
        Shape::TextsByName => json!({"type": "object"}),
        Shape::Amounts => {
            json!({"type": ["object", "string", "number"], "additionalProperties": {"type": number}})
        }
        Shape::Object(table) => object(table),
        Shape::TextOr(table) => json!({"anyOf": [object(table), {"type": "string"}]}),
        Shape::List(table) => json!({"type": "array", "items": object(table)}),
        Shape::Any => json!({}),
    }
}

/// Every field with type, default and meaning, as sections of a page.
pub fn reference() -> String {
    let mut page = String::new();
    for kind in ObjectKind::ALL {
        let list = if kind.name() == kind.singular() {
            String::new()
        } else {
            format!(", in the list `{}`", kind.name())
        };
        let _ = write!(
            page,
            "\n## {}\n\n`{}`{list}. {}\n",
            title(kind.singular()),
            kind.singular(),
            kind.table().meaning
        );
        fields(kind.table(), &mut page);
    }
    page
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn fields(table: &'static Table, page: &mut String) {
    page.push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
    let mut inner: Vec<(&Field, &'static Table)> = Vec::new();
    let mut not_used: Vec<String> = Vec::new();
    for field in table.fields {
        if field.default == FieldDefault::NotUsed {
            not_used.push(format!("`{}`", field.name()));
            continue;
        }
        if let Shape::Object(part) | Shape::TextOr(part) | Shape::List(part) = field.shape {
            inner.push((field, part));
        }
        let others: Vec<String> = field.other_names().map(|name| format!("`{name}`")).collect();
        let others =
            if others.is_empty() { String::new() } else { format!(" Also read as {}.", others.join(", ")) };
        let default = match field.default {
            FieldDefault::Required => "**required**",
            FieldDefault::Is(default) => default,
            FieldDefault::Nothing | FieldDefault::NotUsed => "",
        };
        let row = format!(
            "| `{}` | {} | {default} | {}{others} |",
            field.name(),
            typed(field.shape),
            field.meaning
        );
        let _ = writeln!(page, "{row}");
    }
    if !not_used.is_empty() {
        let _ = writeln!(page, "\nRead and not used: {}.", not_used.join(", "));
    }
    for (field, part) in inner {
        let _ = write!(page, "\n### `{}` of a {}\n\n{}\n", field.name(), table.name, part.meaning);
        fields(part, page);
    }
}

fn typed(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Note => "text of several lines".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Integer(least, 1_000_000) => format!("whole number from {least}"),
        Shape::Integer(least, most) => format!("whole number {least} … {most}"),
        Shape::Decimal => "decimal".to_owned(),
        Shape::Date => "date".to_owned(),
        Shape::Currency => "currency code".to_owned(),
        Shape::Choice(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Shape::Reference(kind) => format!("{} by name", kind.singular()),
        Shape::Texts => "list of texts".to_owned(),
        Shape::TextsByName => "lists of texts by name".to_owned(),
        Shape::Amounts => "decimal, or decimals by currency".to_owned(),
        Shape::Object(_) => "object, below".to_owned(),
        Shape::TextOr(_) => "text, or object, below".to_owned(),
        Shape::List(_) => "list of objects, below".to_owned(),
        Shape::Any => "object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_field_of_the_sample() {
        let schema = json_schema();
        let sample: Value = serde_json::from_str(include_str!("tests/sample.json")).unwrap();
        for (list, objects) in sample.as_object().unwrap() {
            assert!(schema["properties"].get(list).is_some(), "{list}");
            let kind = ObjectKind::ALL.iter().find(|kind| kind.name() == list).unwrap();
            let properties = &schema["$defs"][kind.singular()]["properties"];
            let objects = objects.as_array().cloned().unwrap_or_else(|| vec![objects.clone()]);
            for field in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
                assert!(properties.get(field).is_some(), "{list}: {field}");
            }
        }
        assert_eq!(schema["$defs"]["customer"]["required"], json!(["accountnumber", "fullname"]));
    }
}

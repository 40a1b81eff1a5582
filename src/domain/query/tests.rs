//! Filters as clients write them, on a small list of records.

use super::*;

static LINE: Entity = Entity {
    name: "Line",
    properties: &[
        Property { name: "ID", kind: Kind::Int },
        Property { name: "SKU", kind: Kind::Text },
        Property { name: "Price", kind: Kind::Exact },
    ],
    objects: &[],
    lists: &[],
};
static OWNER: Entity = Entity {
    name: "Owner",
    properties: &[Property { name: "ID", kind: Kind::Int }, Property { name: "Name", kind: Kind::Text }],
    objects: &[],
    lists: &[],
};
static ORDER: Entity = Entity {
    name: "Order",
    properties: &[
        Property { name: "ID", kind: Kind::Int },
        Property { name: "Key", kind: Kind::Guid },
        Property { name: "Name", kind: Kind::Text },
        Property { name: "Total", kind: Kind::Exact },
        Property { name: "Open", kind: Kind::Flag },
        Property { name: "Day", kind: Kind::Day },
        Property { name: "At", kind: Kind::Instant },
        Property { name: "StateCode", kind: Kind::Int },
    ],
    objects: &[("Owner", &OWNER)],
    lists: &[("Lines", &LINE)],
};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn exact(text: &str) -> Value {
    Value::Exact(text.parse().unwrap())
}

/// Three orders: the last one has neither name, day, owner nor lines.
fn orders() -> Vec<Record> {
    let line = |id, sku: &str, price| Record {
        values: vec![Value::Int(id), text(sku), exact(price)],
        ..Record::default()
    };
    let owner =
        |id, name: &str| Some(Record { values: vec![Value::Int(id), text(name)], ..Record::default() });
    let at = |hour| Value::read(&format!("2026-01-0{hour}T1{hour}:30:15Z"), Kind::Instant).unwrap();
    let record = |id, name, total, day: &str, owner, lines| Record {
        values: vec![
            Value::Int(id),
            Value::Guid(uuid::Uuid::from_u128(u128::try_from(id).unwrap())),
            name,
            exact(total),
            Value::Flag(id == 1),
            if day.is_empty() { Value::Null } else { Value::read(day, Kind::Day).unwrap() },
            at(id),
            Value::Int(id * 5),
        ],
        objects: vec![owner],
        lists: vec![lines],
    };
    vec![
        record(
            1,
            text("It's Æble"),
            "12.50",
            "2026-01-31",
            owner(1, "Anna"),
            vec![line(1, "A", "1"), line(2, "B", "20")],
        ),
        record(2, text("banana"), "100", "2025-12-31", owner(2, "bo"), vec![line(3, "B", "0.5")]),
        record(3, Value::Null, "-3", "", None, Vec::new()),
    ]
}

fn passing(filter: &str) -> Result<Vec<i64>, String> {
    let filter = super::filter(filter, &ORDER).map_err(|fault| fault.message)?;
    let passes = |record: &Record| filter.as_ref().is_none_or(|filter| filter.holds(record));
    let id = |record: &Record| match record.id() {
        Value::Int(id) => *id,
        _ => 0,
    };
    Ok(orders().iter().filter(|record| passes(record)).map(id).collect())
}

#[test]
fn filters_hold_as_their_writers_mean_them() {
    for (filter, ids) in [
        ("", &[1, 2, 3][..]),
        ("Name eq 'It''s Æble'", &[1]),
        ("name EQ 'banana' or Total lt 0", &[2, 3]),
        ("Name eq null", &[3]),
        ("Name ne null", &[1, 2]),
        ("Name ne 'banana'", &[1, 3]),
        ("not Name eq 'banana'", &[1, 3]),
        ("Name gt 'a'", &[2]),
        ("not (Day lt datetime'2026-01-01')", &[1, 3]),
        ("Total eq 12.5M and Open", &[1]),
        ("12.50 eq Total", &[1]),
        ("StateCode eq '5'", &[1]),
        ("StateCode ge 10 and StateCode le 15", &[2, 3]),
        ("Key eq guid'00000000-0000-0000-0000-000000000002'", &[2]),
        ("Key eq 00000000-0000-0000-0000-000000000002", &[2]),
        ("Key eq '00000000000000000000000000000002'", &[2]),
        ("Day eq DateTime'2026-01-31T00:00:00Z'", &[1]),
        ("Day gt guid'2026-01-01'", &[1]),
        ("At ge datetimeoffset'2026-01-02T12:30:15Z'", &[2, 3]),
        ("year(Day) eq 2025", &[2]),
        ("hour(At) eq 13 and minute(At) eq 30 and second(At) eq 15", &[3]),
        ("startswith(tolower(Name), 'it')", &[1]),
        ("substringof('nan', Name) eq true", &[2]),
        ("contains(Name, 'Æ')", &[1]),
        ("endswith(Name,'a') eq false", &[1, 3]),
        ("length(Name) eq 9", &[1]),
        ("toupper(trim(' banana ')) eq toupper(Name)", &[2]),
        ("Owner/Name eq 'Anna'", &[1]),
        ("Owner/Name eq null", &[3]),
        ("Lines/any(l: l/SKU eq 'B')", &[1, 2]),
        ("Lines/all(o: o/SKU eq 'B')", &[2, 3]),
        ("Lines/any()", &[1, 2]),
        ("Lines/any(x: x/Price gt 5 and x/SKU eq 'A')", &[]),
        ("Open eq true or Open eq false", &[1, 2, 3]),
        ("Total gt StateCode", &[1, 2]),
    ] {
        assert_eq!(passing(filter), Ok(ids.to_vec()), "{filter}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let deep = format!("{}Open{}", "(".repeat(12), ")".repeat(12));
    let wide = vec!["Open"; 101].join(" or ");
    for (filter, message) in [
        ("Nam eq 'x'", "there is no property `Nam`"),
        ("Name eq", "a property or a literal is missing"),
        ("Name 'x'", "a comparison is missing"),
        ("Name eq 'x", "a quote is not closed"),
        ("Total eq 'abc'", "`abc` is not a number"),
        ("Key eq 'abc'", "`abc` is not a GUID"),
        ("Total eq 1 Open", "`Open` cannot stand here"),
        ("round(Total) eq 1", "there is no function `round`"),
        ("Lines/any(l: SKU eq 'A')", "`SKU` is not of the list: write `l/SKU`"),
        ("Owners/Name eq 'x'", "there is no object `Owners`"),
        ("1 eq 1", "one side of a comparison must be a property"),
        ("Name eq Total", "a text cannot be compared with a number"),
        ("Name; drop table customer", "`;` means nothing here"),
        (&deep, "the filter is nested deeper than 10 levels"),
        (&wide, "the filter has more than 100 parts"),
        (&format!("Name eq '{}'", "x".repeat(5_000)), "is longer than 4096 bytes"),
    ] {
        assert_eq!(passing(filter), Err(message.to_owned()), "{filter}");
    }
    let fault = super::filter("Open and Totl gt 1", &ORDER).unwrap_err();
    assert_eq!((fault.at, fault.hint.as_deref()), (9, Some("did you mean `Total`?")));
}

#[test]
fn orders_go_by_their_keys_and_then_by_id() {
    let sorted = |keys: &str| -> Vec<i64> {
        let keys = super::order(keys, &ORDER).unwrap();
        let mut records = orders();
        records.sort_by(|a, b| compare(&keys, a, b));
        records.iter().map(|r| if let Value::Int(id) = r.id() { *id } else { 0 }).collect()
    };
    assert_eq!(sorted(""), [1, 2, 3]);
    assert_eq!(sorted("Total desc"), [2, 1, 3]);
    assert_eq!(sorted("Name"), [3, 1, 2]);
    assert_eq!(sorted("Open asc, StateCode desc"), [3, 2, 1]);
    assert_eq!(sorted("Owner/Name desc"), [2, 1, 3]);
    assert!(super::order("Name, Name, Name, Name, Name, Name", &ORDER).is_err());
}

#[test]
fn a_filter_narrows_only_what_every_passing_record_has() {
    let narrowed = |text: &str| super::filter(text, &ORDER).unwrap().unwrap().narrowed(2).cloned();
    assert_eq!(narrowed("Name eq 'a' and Open"), Some(text("a")));
    assert_eq!(narrowed("'a' eq Name"), Some(text("a")));
    for other in
        ["Name eq 'a' or Open", "not Name eq 'a'", "Name eq null", "Owner/Name eq 'a'", "Name ge 'a'"]
    {
        assert_eq!(narrowed(other), None, "{other}");
    }
    assert_eq!(super::filter("Lines/any(l: l/SKU eq 'a')", &ORDER).unwrap().unwrap().narrowed(1), None);
}

//! Whether a record passes a filter, and which of two comes first. This is the definition; whatever a database is asked
//! may only leave out what does not pass here.

use super::{Comparison, Filter, Function, Operand, OrderKey, Path, Quantifier, Test, Value};
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use std::cmp::Ordering;

/// An object with its properties in the order of its entity, and as much of what belongs to it as was loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    pub values: Vec<Value>,
    pub objects: Vec<Option<Record>>,
    pub lists: Vec<Vec<Record>>,
}

const NOTHING: Value = Value::Null;

impl Record {
    fn value(&self, path: Path) -> &Value {
        let of = match path.object {
            None => Some(self),
            Some(object) => self.objects.get(object).and_then(Option::as_ref),
        };
        of.and_then(|record| record.values.get(path.property)).unwrap_or(&NOTHING)
    }

    /// The id: the first property.
    pub fn id(&self) -> &Value {
        self.values.first().unwrap_or(&NOTHING)
    }
}

impl Filter {
    /// Whether the record passes.
    pub fn holds(&self, record: &Record) -> bool {
        self.holds_of(record, None)
    }

    fn holds_of(&self, record: &Record, inner: Option<&Record>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds_of(record, inner)),
            Self::Or(parts) => parts.iter().any(|part| part.holds_of(record, inner)),
            Self::Not(part) => !part.holds_of(record, inner),
            Self::Is(path) => *of(record, inner, *path) == Value::Flag(true),
            Self::Compare(left, comparison, right) => {
                comparison.holds(&left.value(record, inner), &right.value(record, inner))
            }
            Self::Test(test, whole, part) => match (whole.value(record, inner), part.value(record, inner)) {
                (Value::Text(whole), Value::Text(part)) => match test {
                    Test::StartsWith => whole.starts_with(&part),
                    Test::EndsWith => whole.ends_with(&part),
                    Test::Contains => whole.contains(&part),
                },
                _ => false,
            },
            Self::Some { list, quantity, of } => {
                let list = record.lists.get(*list).map_or(&[][..], Vec::as_slice);
                let holds = |inner: &Record| of.as_ref().is_none_or(|of| of.holds_of(record, Some(inner)));
                match quantity {
                    Quantifier::Any => list.iter().any(holds),
                    Quantifier::All => list.iter().all(holds),
                }
            }
        }
    }
}

fn of<'r>(record: &'r Record, inner: Option<&'r Record>, path: Path) -> &'r Value {
    match (path.inner, inner) {
        (true, Some(inner)) => inner.value(path),
        _ => record.value(path),
    }
}

impl Comparison {
    /// Nothing is equal to nothing alone, and neither more nor less than anything.
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = left.order(right);
        let has_null = *left == Value::Null || *right == Value::Null;
        match self {
            Self::Eq => order == Ordering::Equal,
            Self::Ne => order != Ordering::Equal,
            _ if has_null => false,
            Self::Gt => order == Ordering::Greater,
            Self::Ge => order != Ordering::Less,
            Self::Lt => order == Ordering::Less,
            Self::Le => order != Ordering::Greater,
        }
    }
}

impl Operand {
    fn value(&self, record: &Record, inner: Option<&Record>) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Path(path) => of(record, inner, *path).clone(),
            Self::Call(function, operand) => function.of(operand.value(record, inner)),
        }
    }
}

impl Function {
    fn of(self, value: Value) -> Value {
        match value {
            Value::Text(text) => match self {
                Self::ToLower => Value::Text(text.to_lowercase()),
                Self::ToUpper => Value::Text(text.to_uppercase()),
                Self::Trim => Value::Text(text.trim().to_owned()),
                Self::Length => Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
                _ => Value::Null,
            },
            Value::Day(day) => self.of_day(day).unwrap_or(Value::Int(0)),
            Value::Instant(at) => self.of_day(at.date_naive()).unwrap_or_else(|| self.of_time(at)),
            _ => Value::Null,
        }
    }

    fn of_day(self, day: NaiveDate) -> Option<Value> {
        Some(Value::Int(match self {
            Self::Year => i64::from(day.year()),
            Self::Month => i64::from(day.month()),
            Self::Day => i64::from(day.day()),
            _ => return None,
        }))
    }

    fn of_time(self, at: DateTime<Utc>) -> Value {
        Value::Int(match self {
            Self::Hour => i64::from(at.hour()),
            Self::Minute => i64::from(at.minute()),
            _ => i64::from(at.second()),
        })
    }
}

/// Which of two records comes first: by the keys, then by id.
pub fn compare(keys: &[OrderKey], a: &Record, b: &Record) -> Ordering {
    for key in keys {
        let order = a.value(key.path).order(b.value(key.path));
        let order = if key.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.id().order(b.id())
}

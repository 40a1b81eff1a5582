//! The header of a table: which column means what. A column that is missing or means nothing refuses the file: half
//! a file read by a wrong header is worse than none.

use std::borrow::Cow;

/// A field of a usage record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Subject,
    Meter,
    Quantity,
    Time,
    Source,
    Corrects,
    /// A JSON object.
    Properties,
}

impl Field {
    /// Our names and Upodi's (`usagedata`), in any case.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "id" | "refkey" => Self::Id,
            "subject" | "referenceid" | "subscriptionchargeid" => Self::Subject,
            "meter" => Self::Meter,
            "quantity" | "amount" => Self::Quantity,
            "time" | "entrydate" => Self::Time,
            "source" => Self::Source,
            "corrects" => Self::Corrects,
            "properties" => Self::Properties,
            _ => return None,
        })
    }

    /// Whether the subject of this name is always one charge, which knows its meter.
    fn names_a_charge(name: &str) -> bool {
        name.eq_ignore_ascii_case("referenceid") || name.eq_ignore_ascii_case("subscriptionchargeid")
    }
}

/// What is wrong with a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Missing(&'static str),
    Unknown(String),
    Repeated(String),
}

/// Positions of the fields in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvLayout {
    pub delimiter: u8,
    /// Columns of a record that have a name; what follows them is empty.
    pub width: usize,
    /// A record without any content counts: a row of a table, not a line that a spreadsheet left behind.
    pub empty_records_count: bool,
    pub id: usize,
    pub subject: usize,
    pub meter: Option<usize>,
    /// None: whatever is counted by the number of its events needs none.
    pub quantity: Option<usize>,
    pub time: usize,
    pub source: Option<usize>,
    pub corrects: Option<usize>,
    /// A column that holds JSON objects.
    pub properties: Option<usize>,
    /// Columns `properties.NAME`: position and name.
    pub property_columns: Vec<(usize, String)>,
}

impl CsvLayout {
    /// Reads the names of a header, in any order and case.
    pub fn read(names: &[Cow<'_, str>], delimiter: u8) -> Result<Self, HeaderFault> {
        let mut found: [Option<usize>; 8] = [None; 8];
        let mut property_columns: Vec<(usize, String)> = Vec::new();
        let mut charge_subject = false;
        let width = names.iter().rposition(|name| !name.trim_ascii().is_empty()).map_or(0, |last| last + 1);
        let names = &names[..width];
        for (position, raw) in names.iter().enumerate() {
            let name = raw.trim_ascii();
            if let Some(property) = property_name(name) {
                if property.is_empty() || property_columns.iter().any(|(_, other)| other == property) {
                    return Err(HeaderFault::Repeated(name.to_owned()));
                }
                property_columns.push((position, property.to_owned()));
                continue;
            }
            let field = Field::named(name).ok_or_else(|| HeaderFault::Unknown(name.to_owned()))?;
            charge_subject |= Field::names_a_charge(name);
            if found[field as usize].replace(position).is_some() {
                return Err(HeaderFault::Repeated(name.to_owned()));
            }
        }
        if found[Field::Properties as usize].is_some() && !property_columns.is_empty() {
            return Err(HeaderFault::Repeated("properties".to_owned()));
        }
        let required = |field: Field, name| found[field as usize].ok_or(HeaderFault::Missing(name));
        let meter = found[Field::Meter as usize];
        if meter.is_none() && !charge_subject {
            return Err(HeaderFault::Missing("meter"));
        }
        Ok(Self {
            delimiter,
            width,
            empty_records_count: false,
            id: required(Field::Id, "id")?,
            subject: required(Field::Subject, "subject")?,
            meter,
            quantity: found[Field::Quantity as usize],
            time: required(Field::Time, "time")?,
            source: found[Field::Source as usize],
            corrects: found[Field::Corrects as usize],
            properties: found[Field::Properties as usize],
            property_columns,
        })
    }
}

/// `region` of `properties.region`; the name of a property keeps its case.
pub(crate) fn property_name(column: &str) -> Option<&str> {
    let (prefix, name) = column.split_at_checked("properties.".len())?;
    prefix.eq_ignore_ascii_case("properties.").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<CsvLayout, HeaderFault> {
        CsvLayout::read(&header.split(',').map(Cow::Borrowed).collect::<Vec<_>>(), b',')
    }

    #[test]
    fn columns_come_in_any_order_and_case() {
        let layout = read("Time, QUANTITY ,meter,Subject,ID,properties.Region,source").unwrap();
        assert_eq!((layout.time, layout.quantity, layout.id, layout.source), (0, Some(1), 4, Some(6)));
        assert_eq!(layout.property_columns, [(5, "Region".to_owned())]);
    }

    #[test]
    fn columns_without_a_name_at_the_end_are_passed_over_and_only_there() {
        assert_eq!(read("id,subject,meter,quantity,time,, ").unwrap().width, 5);
        assert_eq!(read("id,subject,meter,,quantity,time"), Err(HeaderFault::Unknown(String::new())));
    }

    #[test]
    fn upodi_usage_data_needs_no_meter() {
        let layout = read("refkey,subscriptionchargeid,amount,entrydate").unwrap();
        assert_eq!((layout.id, layout.subject, layout.meter), (0, 1, None));
    }

    #[test]
    fn a_wrong_header_names_its_column() {
        assert_eq!(read("id,subject,quantity,time"), Err(HeaderFault::Missing("meter")));
        assert_eq!(read("id,subject,meter,quantity"), Err(HeaderFault::Missing("time")));
        assert_eq!(read("id,subject,meter,quantity,time,price"), Err(HeaderFault::Unknown("price".into())));
        assert_eq!(
            read("id,subject,meter,quantity,time,refkey"),
            Err(HeaderFault::Repeated("refkey".into()))
        );
    }
}

//! An event that waits, as a line of a usage file: what the intake of files reads, and what is shown of it meanwhile.

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat};
use domain::Decimal;
use domain::book_file::{Node, read_body};
use metering::LiveUsage;

/// One event as it stands in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    pub source: String,
    pub id: String,
    pub subject: String,
    pub meter: String,
    pub quantity: Decimal,
    pub time_us: i64,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    /// Empty if it corrects nothing.
    pub corrects: String,
}

/// Writes the line of an event.
pub fn write(out: &mut Vec<u8>, usage: &LiveUsage) -> anyhow::Result<()> {
    let at = DateTime::from_timestamp_micros(usage.time_us);
    let at = at.context("the time of an event is out of bounds")?;
    let quantity = domain::decimal::from_quantity9(usage.quantity).to_string();
    let time = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let members = [
        ("{\"source\":", &usage.source),
        (",\"id\":", &usage.id),
        (",\"subject\":", &usage.subject),
        (",\"meter\":", &usage.meter),
        (",\"quantity\":", &quantity),
        (",\"time\":", &time),
    ];
    for (name, text) in members {
        out.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut *out, text)?;
    }
    if !usage.properties.is_empty() {
        out.extend_from_slice(b",\"properties\":");
        out.extend_from_slice(usage.properties.as_bytes());
    }
    if !usage.corrects.is_empty() {
        out.extend_from_slice(b",\"corrects\":");
        serde_json::to_writer(&mut *out, &usage.corrects)?;
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// Reads the line of an event.
pub fn read(line: &str) -> anyhow::Result<WaitingEvent> {
    let node =
        read_body(line).map_err(|_| anyhow::anyhow!("a line of usage that waits cannot be read: {line}"))?;
    let text = |name: &str| match node.member(name) {
        Some(Node::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let at: DateTime<chrono::Utc> = text("time").parse().context("the time of an event that waits")?;
    Ok(WaitingEvent {
        source: text("source"),
        id: text("id"),
        subject: text("subject"),
        meter: text("meter"),
        quantity: text("quantity").parse().context("the quantity of an event that waits")?,
        time_us: at.timestamp_micros(),
        properties: node.member("properties").map(Node::written).unwrap_or_default(),
        corrects: text("corrects"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let usage = LiveUsage {
            key: 1,
            content: 2,
            source: "a \"b\"".to_owned(),
            id: "é\n1".to_owned(),
            subject: "SUB-1".to_owned(),
            meter: "api_calls".to_owned(),
            quantity: 1_500_000_000,
            time_us: 1_767_225_600_000_001,
            properties: r#"{"rate":1.10,"region":"eu"}"#.to_owned(),
            corrects: "e0".to_owned(),
            subscription_no: 1,
            charge_no: 0,
            is_late: false,
            target: None,
        };
        for usage in
            [LiveUsage { properties: String::new(), corrects: String::new(), ..usage.clone() }, usage]
        {
            let mut line = Vec::new();
            write(&mut line, &usage).unwrap();
            let text = String::from_utf8(line).unwrap();
            assert_eq!(text.matches('\n').count(), 1);
            let read = read(text.trim_end()).unwrap();
            let quantity = domain::decimal::from_quantity9(usage.quantity);
            assert_eq!((read.id, read.source, read.quantity), (usage.id, usage.source, quantity));
            assert_eq!(
                (read.time_us, read.properties, read.corrects),
                (usage.time_us, usage.properties, usage.corrects)
            );
        }
    }
}

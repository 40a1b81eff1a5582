//! `why`: from a ledger entry, a line or an invoice back to the usage file and line.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// An invoice number, a ledger sequence number, or the id of an entry, line or invoice
    #[arg(value_name = "ID")]
    id: String,
    /// Usage events shown per line; 0 = all
    #[arg(long, default_value_t = 20)]
    events: usize,
}

/// The chain of evidence, most derived first.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let story = operations::ledger::why::why(&app.ctx, &args.id, args.events).await?;
    if output.is_json() {
        output.document(&story);
        return Ok(Exit::Done);
    }
    if let Some(entry) = &story.entry {
        output.line(&format!(
            "ledger entry {} ({}) of {}",
            entry.sequence.map_or("unsealed".to_owned(), |s| s.to_string()),
            entry.kind,
            entry.document
        ));
    }
    output.line(&format!(
        "invoice {} of {}, charge date {}, made by run {}",
        story.invoice,
        story.account,
        story.charge_date,
        story.run.map_or("–".to_owned(), |r| r.to_string())
    ));
    for line in &story.lines {
        output.line("");
        output.line(&format!(
            "line {}: {} {} for {} – {}: {}",
            line.number, line.sku, line.title, line.period_start, line.period_end, line.amount
        ));
        output.line(&format!(
            "  rated quantity {}{}",
            line.rated_quantity,
            if line.description.is_empty() { String::new() } else { format!("; {}", line.description) }
        ));
        let rows: Vec<Vec<String>> = line
            .events
            .iter()
            .map(|e| {
                vec![e.file.clone(), e.line.to_string(), e.id.clone(), e.quantity.clone(), e.time.clone()]
            })
            .collect();
        let columns = [
            Column::Left("file"),
            Column::Right("line"),
            Column::Left("event"),
            Column::Right("quantity"),
            Column::Left("time"),
        ];
        output.table(&columns, rows);
        if line.events_total > line.events.len() {
            output.say(&format!(
                "  … and {} more (all of them with --events 0)",
                line.events_total - line.events.len()
            ));
        }
    }
    Ok(Exit::Done)
}

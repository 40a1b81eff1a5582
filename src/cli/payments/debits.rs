//! `payments export`: direct debits for the bank.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::NaiveDate;
use domain::refusal::{Code, Refusal, Verb};
use operations::act::{Act, Actor};
use operations::payments::debits::{self, DebitsAsked, Version};

const FORMATS: [(&str, Version); 2] = [("pain008", Version::V08), ("pain008-02", Version::V02)];

/// The form that the bank wants.
pub fn version(format: &str) -> Result<Version, Refusal> {
    let found = FORMATS.into_iter().find(|(name, _)| *name == format).map(|(_, version)| version);
    found.ok_or_else(|| {
        let message = format!("`{format}` is no format of direct debits: pain008 or pain008-02");
        Refusal::new(Code::UnknownFormat, message).ask(Verb::ExportDebits.plain().with("format", "pain008"))
    })
}

/// Exit code 3 if something cannot be fetched.
pub async fn export(
    asked: &DebitsAsked,
    as_of: Option<NaiveDate>,
    config: &Config,
    output: &Output,
) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let on = match as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let act = Act { actor: Actor::Person(crate::cli::operator()), on };
    let exported = debits::export(&app.ctx, &act, asked).await?;
    let exit = if exported.aside.is_empty() { Exit::Done } else { Exit::SetAside };
    if output.is_json() {
        output.document(&exported);
        return Ok(exit);
    }
    for file in &exported.files {
        let again = if file.again { ", as it was made before" } else { "" };
        output.line(&format!(
            "{}: {} debits, {} {}{again}",
            file.path.display(),
            file.debits,
            amount(i128::from(file.sum.minor), file.currency),
            file.currency
        ));
        let rows = file.batches.iter().map(|batch| {
            vec![
                batch.collect_on.to_string(),
                batch.scheme.to_owned(),
                batch.sequence.to_owned(),
                batch.debits.to_string(),
                amount(i128::from(batch.sum.minor), file.currency),
            ]
        });
        let columns = [
            Column::Left("collected on"),
            Column::Left("scheme"),
            Column::Left("sequence"),
            Column::Right("debits"),
            Column::Right("sum"),
        ];
        output.table(&columns, rows.collect());
    }
    if exported.files.is_empty() {
        output.line("no direct debits are due");
    }
    if exported.waiting > 0 {
        output.say(&format!("{} debits wait for a later day", exported.waiting));
    }
    for reason in &exported.aside {
        output.say(&format!("for a person: {reason}"));
    }
    Ok(exit)
}

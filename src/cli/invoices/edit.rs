//! `invoices edit`: changes a draft before it is booked.

use super::{create, show};
use crate::app::App;
use crate::cli::act;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use domain::book_file::read_draft_edit;
use operations::act::Mode;
use operations::invoices::edit;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The draft, by its id or the beginning of it
    #[arg(value_name = "DRAFT")]
    number: String,
    /// One JSON object: reference, paymentterm, lines; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show the draft as it would be; write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Changes it, and shows it as it is now.
pub async fn run(app: &App, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let change = create::read(&args.file, "edit", read_draft_edit)?;
    let mode = if args.dry_run { Mode::Show } else { Mode::Change };
    let edited = edit::edit(&app.ctx, &act(app, None).await?, &args.number, &change, mode).await?;
    if output.is_json() {
        output.document(&edited);
        return Ok(Exit::Done);
    }
    let done = if args.dry_run { "would be; nothing is written" } else { "is now" };
    output.line(&format!("draft {} for {} {done}", edited.name, edited.draft.account_number));
    show::body(&edited.draft, output);
    Ok(Exit::Done)
}

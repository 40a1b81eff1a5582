//! `invoices edit`: changes a draft before it is booked.

use super::{Found, create, find, is_booked, show};
use crate::app::App;
use crate::cli::operator;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use domain::book_file::read_draft_edit;
use domain::invoice::InvoiceWire;
use operations::invoices::edit::Mode;
use std::path::PathBuf;
use store::draft::DraftState;

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
    let name = &args.number;
    let edit = create::read(&args.file, "edit", read_draft_edit)?;
    let key = match find(app, name).await? {
        Found::Draft(_, key) if key.state == DraftState::Open => key,
        Found::Draft(..) => {
            return Err(Failure::input("not_open", format!("draft {name} is not open any more"))
                .hint("`tallybook invoices --state draft` lists those that are"));
        }
        Found::Booked(booked) => return Err(is_booked(&booked)),
    };
    let mode = if args.dry_run { Mode::Show } else { Mode::Change };
    let draft = operations::invoices::edit::edit(&app.ctx, &key, &edit, mode, &operator())
        .await?
        .map_err(create::refused)?;
    if output.is_json() {
        output.document(&InvoiceWire::draft(&draft));
        return Ok(Exit::Done);
    }
    let done = if args.dry_run { "would be; nothing is written" } else { "is now" };
    output.line(&format!("draft {} for {} {done}", draft.id, draft.account_number));
    show::body(&draft, output);
    Ok(Exit::Done)
}

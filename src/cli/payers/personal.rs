//! `payers export`, `payers erase`: a payer's own data, out as one document, and erased as far as the law allows; `payers
//! statement`.

use crate::app::App;
use crate::cli::operator;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped};
use clap::Subcommand;
use domain::NaiveDate;
use operations::act::{Act, Actor};
use operations::book::personal::erase::{self, Plan};
use operations::book::personal::export;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// What a payer was billed and has paid, day by day, with the balance
    Statement {
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// First day; from the beginning unless given
        #[arg(long, value_name = "DATE")]
        from: Option<NaiveDate>,
        /// Last day; today unless given
        #[arg(long, value_name = "DATE")]
        to: Option<NaiveDate>,
        /// Write it to this file as PDF, with what is open and how to pay it
        #[arg(long, value_name = "FILE")]
        pdf: Option<PathBuf>,
    },
    /// All that is held of one payer, as one JSON document
    Export {
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// Write it into this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase one payer's personal data; without --yes it is only shown what would go, what stays, and why
    Erase {
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// Do it: there is no way back but a backup
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(app: &App, verb: Verb, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    match verb {
        Verb::Statement { account, from, to, pdf } => {
            super::statement::run(app, &account, (from, to), pdf.as_deref(), output).await?;
        }
        Verb::Export { account, out } => {
            let document = export::export(&app.ctx, &account).await?;
            match out {
                Some(path) => {
                    crate::out_file::write(&path, format!("{document:#}\n").as_bytes())?;
                    if !crate::out_file::is_stdout(&path) {
                        output.say(&format!("wrote {}", path.display()));
                    }
                }
                None => output.document(&document),
            }
        }
        Verb::Erase { account, yes } => {
            let act = Act { actor: Actor::Person(operator()), on: app.today().await? };
            let plan = match yes {
                true => erase::erase(&app.ctx, &act, &account).await?,
                false => erase::plan(&app.ctx, &act, &account).await?,
            };
            answer(&plan, yes, output);
        }
    }
    Ok(Exit::Done)
}

fn answer(plan: &Plan, done: bool, output: &Output) {
    if output.is_json() {
        let mut document = serde_json::to_value(plan).unwrap_or_default();
        document["erased"] = done.into();
        output.document(&document);
        return;
    }
    let what = if done { "was erased" } else { "would go" };
    output.line(&format!("{}: what {what}", plan.account));
    let goes = [
        ("fields of the book".to_owned(), plan.book.join(", ")),
        ("mails".to_owned(), format!("{} address(es), {} file(s)", plan.words.mails, plan.mailfiles)),
        ("copies in drafts".to_owned(), grouped(plan.words.drafts)),
        ("reasons of runs".to_owned(), grouped(plan.words.reasons)),
        ("transfers".to_owned(), grouped(plan.words.received)),
        ("words of the audit log".to_owned(), grouped(plan.words.audit_records)),
        (
            "invoices whose years are over".to_owned(),
            format!("{}, {} document(s)", plan.invoices, plan.documents),
        ),
        ("rejected usage records that name it".to_owned(), "in every reject file".to_owned()),
    ];
    output.table(
        &[Column::Left("what"), Column::Left("how much")],
        goes.into_iter().map(|(what, much)| vec![what, much]).collect(),
    );
    let kept = plan.kept.iter();
    let until = |day: &Option<domain::NaiveDate>| day.map_or_else(String::new, |day| day.to_string());
    output.table(
        &[Column::Left("what stays"), Column::Left("why"), Column::Left("until")],
        kept.map(|kept| vec![kept.what.clone(), kept.why.clone(), until(&kept.until)]).collect(),
    );
    if !done {
        output.say(&format!("hint: `tallybook payers erase {} --yes` does it", plan.account));
    }
}

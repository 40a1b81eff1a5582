//! `invoices create`: an invoice that a person writes, from a JSON file to a draft, and on to a booked invoice.

use super::{operate, show};
use crate::app::App;
use crate::cli::wording::way_out;
use crate::cli::{act, input};
use crate::failure::{Exit, Failure, Fault};
use crate::output::Output;
use domain::NaiveDate;
use domain::book_file::read_custom_invoice;
use operations::act::Mode;
use operations::invoices::create;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a file: a thousand lines with long descriptions are less.
const BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object: customer, date, lines of title, quantity and unitprice; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Book it at once, render it and mail it
    #[arg(long, conflicts_with = "dry_run")]
    book: bool,
    /// With --book: day of booking; today unless given
    #[arg(long, value_name = "DATE", requires = "book")]
    as_of: Option<NaiveDate>,
    /// Show the draft; write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Makes the draft, or books it at once.
pub async fn run(app: &App, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let custom = read(&args.file, "create", read_custom_invoice)?;
    let mode = if args.dry_run { Mode::Show } else { Mode::Change };
    let made = create::create(&app.ctx, &act(app, None).await?, &custom, mode).await?;
    let name = made.name.clone();
    if args.book {
        return operate::book(app, &name, args.as_of, output).await;
    }
    if args.dry_run && !output.is_json() {
        output.line(&format!("would be drafted for {}; nothing is written", made.draft.account_number));
        show::body(&made.draft, output);
        return Ok(Exit::Done);
    }
    show::draft(&made, output);
    if !args.dry_run {
        output.say(&format!(
            "hint: book it with `tallybook invoices book {name}`, or drop it with `tallybook invoices cancel {name}`"
        ));
    }
    Ok(Exit::Done)
}

/// A file that a person writes, for `invoices VERB`.
pub fn read<T>(
    path: &Path,
    verb: &str,
    parse: impl Fn(&str, &str) -> Result<T, Vec<domain::book_file::Fault>>,
) -> Result<T, Failure> {
    let mut bytes = Vec::new();
    let read = input::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| input::unreadable(path, &error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(Failure::input("too_large", format!("{} is longer than 8 MiB", path.display()))
            .hint("an invoice has at most 1000 lines: make several files of it"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::input("invoice", format!("{} is not UTF-8", path.display())).hint("save the file as UTF-8")
    })?;
    parse(&path.display().to_string(), &text).map_err(|faults| {
        let count = faults.len();
        let told = faults.into_iter().map(|f| {
            let message =
                f.hint.map_or(f.message.clone(), |hint| format!("{} ({})", f.message, way_out(&hint)));
            Fault::new(&f.pointer, message)
        });
        Failure::input("invoice", format!("{} has {count} fault(s); nothing was changed", path.display()))
            .hint(format!("fix it and run `tallybook invoices {verb}` again"))
            .with(told.collect())
    })
}

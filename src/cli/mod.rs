//! The command line: one file per command. Data on stdout, talk on stderr.

mod audit;
mod backup;
mod book;
mod books;
mod completions;
mod config;
mod demo;
mod discounts;
mod doctor;
mod export;
mod ingest;
mod init;
mod input;
mod invoices;
mod keys;
mod load;
mod mails;
mod mails_bounces;
mod man;
mod payers;
mod payments;
mod report;
mod restore;
mod run;
mod run_preview;
mod runs;
mod schedule;
mod serve;
mod simulate;
mod subscriptions;
mod upkeep;
mod verify;
mod webhooks;
mod why;
mod wording;
mod worker;

use crate::app::App;
use crate::config::{Config, Origin};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::stdout;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use domain::NaiveDate;
use operations::{Act, Actor};
use std::path::PathBuf;
use std::process::ExitCode;

/// Batch billing runs: usage files in, booked invoices and an accountant's ledger out.
#[derive(Debug, Parser)]
#[command(name = "tallybook", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done · 1 your input is at fault, nothing was changed · 2 our fault or a service is down, \
safe to run again · 3 done, but something was set aside for a person."
)]
pub struct Cli {
    /// The home folder: database, usage, documents, exports
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "TALLYBOOK_HOME",
        default_value = "./tallybook-home"
    )]
    home: PathBuf,
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a home folder with a commented tallybook.toml
    Init(init::Args),
    /// Make a sample book, bill two months, export and verify
    Demo(demo::Args),
    /// Load or update the book: tenant, plans, customers, subscriptions
    Load(load::Args),
    /// List, show, write and export the objects of the book
    Book(book::Args),
    /// Bring in usage files
    Ingest(ingest::Args),
    /// Bill everything that is due
    Run(run::Args),
    /// List and operate runs
    Runs(runs::Args),
    /// List and operate invoices
    Invoices(invoices::Args),
    /// List, show and change subscriptions
    Subscriptions(Box<subscriptions::Args>),
    /// List discount codes; apply one to a customer
    Discounts(discounts::Args),
    /// Take the dunning steps that are due; read bank files and place what came
    Payments(payments::Args),
    /// List who owes what and who gets mail
    Payers(payers::Args),
    /// List mails that wait or were refused, and send them
    Mails(mails::Args),
    /// Export the ledger
    Export(export::Args),
    /// VAT return, aged receivables, trial balance and other reports of the books
    Report(report::Args),
    /// Accounting periods: list, close, recognise deferred revenue
    Books(books::Args),
    /// Run scenarios in memory; nothing is stored
    Simulate(simulate::Args),
    /// Check every equality again, from files to ledger
    Verify(verify::Args),
    /// Walk from a ledger entry, line or invoice back to the usage file and line
    Why(why::Args),
    /// Work the queues and the timetable until told to stop
    Worker(worker::Args),
    /// Answer the HTTP API, and work the home while nobody else does
    Serve(serve::Args),
    /// Make, list and revoke keys of the HTTP API
    Keys(keys::Args),
    /// Endpoints of others that are told what has changed
    Webhooks(webhooks::Args),
    /// Show the timetable
    Schedule(schedule::Args),
    /// Prune, delete what nobody needs, compact the usage store
    Upkeep(upkeep::Args),
    /// Show every setting and where it comes from
    Config(config::Args),
    /// Look for what would keep a run from working
    Doctor(doctor::Args),
    /// Copy a home, also while it is being worked
    Backup(backup::Args),
    /// Make a home of a backup, or prove a backup
    Restore(restore::Args),
    /// Who did what, newest first
    Audit(audit::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

/// How long threads that a command has left behind are waited for.
const LEFT_BEHIND: std::time::Duration = std::time::Duration::from_secs(5);

/// Parses, runs, answers.
pub fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            if error.use_stderr() {
                match std::env::args_os().any(|argument| argument == "--json") {
                    true => Output::new(true).failure(&usage(&error)),
                    false => drop(error.print()),
                }
                return Exit::Input.into();
            }
            // `--help` and `--version` are answers.
            let text = error.render();
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
            let text = if is_terminal { text.ansi().to_string() } else { text.to_string() };
            stdout::write(text.as_bytes());
            return ended(Ok(Exit::Done), &Output::new(false));
        }
    };
    let home_origin = match matches.value_source("home") {
        Some(clap::parser::ValueSource::CommandLine) => Origin::Flag,
        Some(clap::parser::ValueSource::EnvVariable) => Origin::Env("TALLYBOOK_HOME".to_owned()),
        _ => Origin::Default,
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let output = Output::new(cli.json);
    ended(answer(cli, home_origin, &output), &output)
}

/// A command line that is not understood, as programs are told.
fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let is_hint = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more");
    let hints: Vec<&str> = lines.take_while(is_hint).collect();
    let failure = Failure::input("usage", message);
    if hints.is_empty() {
        failure.hint("`--help` shows what there is")
    } else {
        failure.hint(hints.join("; "))
    }
}

/// The exit code of a command. An answer that did not arrive is a failure of ours; what the command itself has to say
/// comes first.
fn ended(answered: Result<Exit, Failure>, output: &Output) -> ExitCode {
    let arrived = stdout::finish();
    match answered.and_then(|exit| arrived.map(|()| exit)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

fn answer(cli: Cli, home_origin: Origin, output: &Output) -> Result<Exit, Failure> {
    // What needs neither settings nor a home comes first.
    match cli.command {
        Command::Simulate(args) => return simulate::run(args, output),
        Command::Completions(args) => return completions::run(args, Cli::command()),
        Command::Man(args) => return man::run(&args, Cli::command(), output),
        _ => {}
    }
    let config = Config::settle(cli.home, home_origin)?;
    start_logging(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::fault("runtime", format!("cannot start threads: {e}")))?;
    let answered = runtime.block_on(dispatch(cli.command, config, output));
    // A thread that waits for a database that is gone must not keep the program.
    runtime.shutdown_timeout(LEFT_BEHIND);
    answered
}

/// What somebody at the keyboard does on that day; today unless they name one.
pub async fn act(app: &App, on: Option<NaiveDate>) -> Result<Act, Failure> {
    let on = match on {
        Some(day) => day,
        None => app.today().await?,
    };
    Ok(Act { actor: Actor::Person(operator()), on })
}

/// Who is at the keyboard, for the audit log.
pub fn operator() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "operator".to_owned())
}

async fn dispatch(command: Command, config: Config, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(args, &config, output),
        Command::Config(args) => self::config::run(args, &config, output),
        Command::Demo(args) => demo::run(args, config, output).await,
        Command::Load(args) => load::run(args, &config, output).await,
        Command::Book(args) => book::run(args, &config, output).await,
        Command::Ingest(args) => ingest::run(args, &config, output).await,
        Command::Run(args) => self::run::run(args, &config, output).await,
        Command::Runs(args) => runs::run(args, &config, output).await,
        Command::Invoices(args) => invoices::run(args, &config, output).await,
        Command::Subscriptions(args) => subscriptions::run(*args, &config, output).await,
        Command::Discounts(args) => discounts::run(args, &config, output).await,
        Command::Payments(args) => payments::run(args, &config, output).await,
        Command::Payers(args) => payers::run(args, &config, output).await,
        Command::Mails(args) => mails::run(args, &config, output).await,
        Command::Export(args) => export::run(args, &config, output).await,
        Command::Report(args) => report::run(args, &config, output).await,
        Command::Books(args) => books::run(args, &config, output).await,
        Command::Verify(args) => verify::run(args, &config, output).await,
        Command::Why(args) => why::run(args, &config, output).await,
        Command::Worker(args) => worker::run(args, &config, output).await,
        Command::Serve(args) => serve::run(args, &config, output).await,
        Command::Keys(args) => keys::run(args, &config, output).await,
        Command::Webhooks(args) => webhooks::run(args, &config, output).await,
        Command::Schedule(args) => schedule::run(args, &config, output).await,
        Command::Upkeep(args) => upkeep::run(args, &config, output).await,
        Command::Doctor(args) => doctor::run(args, &config, output).await,
        Command::Backup(args) => backup::run(args, &config, output).await,
        Command::Restore(args) => restore::run(args, output).await,
        Command::Audit(args) => audit::run(args, &config, output).await,
        Command::Simulate(_) | Command::Completions(_) | Command::Man(_) => Ok(Exit::Done),
    }
}

fn start_logging(config: &Config) {
    use tracing_subscriber::EnvFilter;
    // A statement that waits for another process's commit is not worth a line.
    let filter = format!("sqlx=error,{}", config.text("log.level"));
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(
        std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr()),
    );
    if config.text("log.format") == "json" {
        drop(builder.json().try_init());
    } else {
        drop(builder.try_init());
    }
}

//! What `doctor` finds that waits for a person, each with its way out: usage that is missing, payers and mails that are set
//! aside, drafts that nobody approves, money that is on no invoice.

use crate::book::warnings;
use crate::context::Context;
use crate::health::findings::{Check, Finding, Warned};
use crate::refusal::Stop;
use crate::usage::missing;
use crate::usage::open_rejects::OpenRejectsView;
use chrono::{DateTime, Duration, NaiveTime, Utc};
use domain::refusal::{Verb, WayOut};
use domain::run::{MailCounts, RunState};
use domain::warning::Warning;
use store::open_drafts::{self, OpenDrafts};
use store::parked::{self, Parking};
use store::run::notices::{self, Channel, Notice};
use store::{bank, debit, delivery, run};

/// A draft that nobody has looked at for so long is told.
const DRAFT_DAYS: i64 = 3;

/// Files that were refused, and records of files that went in.
pub(super) async fn usage(ctx: &Context) -> Result<[Finding; 2], Stop> {
    let waiting = missing::waiting(ctx).await?;
    let names: Vec<String> = waiting.refused_files.into_iter().map(|file| file.file).collect();
    let rejects: Vec<String> = waiting.open_rejects.iter().map(OpenRejectsView::in_words).collect();
    let missing = |what, code, names: Vec<String>| {
        if names.is_empty() {
            return Finding::for_a_person(true, what, code, "none".to_owned());
        }
        let mend = WayOut::from("fix each and bring it in under its name, or ");
        let way_out = mend.ask(Verb::IngestUsage.plain().with("forget", "FILE"));
        Finding::for_a_person(false, what, code, names.join(", ")).way_out(way_out)
    };
    Ok([
        missing(Check::RefusedFiles, "usage_files_refused", names),
        missing(Check::RejectedUsage, "usage_records_rejected", rejects),
    ])
}

/// Drafts that wait for days, by the run that made them.
pub(super) async fn drafts(ctx: &Context) -> anyhow::Result<Vec<Finding>> {
    let mut tx = ctx.store.read().await?;
    let open = open_drafts::by_run(&mut tx).await?;
    let before = (ctx.now)() - Duration::days(DRAFT_DAYS);
    Ok(open.into_iter().filter_map(|drafts| waits_long(drafts, before)).collect())
}

fn waits_long(open: OpenDrafts, before: DateTime<Utc>) -> Option<Finding> {
    let written = open.first_invoice_date.and_time(NaiveTime::MIN).and_utc();
    let since = open.run.as_ref().map_or(written, |run| run.opened_at);
    // A run that is open books by itself.
    let is_at_work = open.run.as_ref().is_some_and(|run| run.state == RunState::Open);
    if since > before || is_at_work {
        return None;
    }
    let (count, day) = (open.drafts, since.format("%Y-%m-%d"));
    let list = Verb::ListDrafts.plain();
    let (found, way_out) = match open.run {
        Some(run) if run.state == RunState::Review => {
            let found = format!("{count} draft(s) of run {} wait for approval since {day}", run.ordinal);
            (found, WayOut::from(Verb::ApproveRun.on(run.ordinal)))
        }
        Some(run) => {
            let found = format!("{count} draft(s) of run {} wait since {day}", run.ordinal);
            let books = WayOut::from(list.with("run", run.ordinal)).words(" lists them, ");
            (found, books.ask(Verb::BookDraft.on("DRAFT")).words(" books one"))
        }
        None => {
            let found = format!("{count} draft(s) that people wrote wait since {day}");
            (
                found,
                WayOut::from(list)
                    .words(" lists them, ")
                    .ask(Verb::BookDraft.on("DRAFT"))
                    .words(" books one"),
            )
        }
    };
    Some(Finding::for_a_person(false, Check::Drafts, "drafts_waiting", found).way_out(way_out))
}

/// What the book will not bill or deliver rightly (rules I10). All of it is read.
pub(super) async fn book(ctx: &Context) -> anyhow::Result<Vec<Finding>> {
    let warned = |w: Warning| {
        let pointer = match w.kind.singular() {
            kind if kind == w.key => w.key, // there is one tenant
            kind => format!("{kind} {}", w.key),
        };
        let found = format!("{pointer}: {}", w.message);
        let warning = Some(Warned { code: w.code, pointer, message: w.message });
        Finding { warning, ..Finding::needed(false, Check::Book, found) }
    };
    Ok(warnings::of_book(ctx).await?.into_iter().map(warned).collect())
}

/// Who is not billed, what has not reached its buyer or its reader, and money that is on no invoice.
pub(super) async fn payers(ctx: &Context) -> anyhow::Result<Vec<Finding>> {
    let mut tx = ctx.store.read().await?;
    let parked = parked::all(&mut tx).await?.into_iter();
    let mut findings: Vec<Finding> = parked.map(|(account, parking)| waits(&account, &parking)).collect();
    findings.extend(undelivered(delivery::open_counts(&mut tx).await?));
    let waiting = bank::waiting(&mut tx).await?;
    if waiting > 0 {
        let found = format!("{waiting} payment(s) of bank files are on no invoice");
        findings.push(
            Finding::for_a_person(false, Check::MoneyReceived, "payments_not_placed", found)
                .way_out(Verb::ListReceived.plain().with("state", "open")),
        );
    }
    let (_, unwritten) = debit::waiting(&mut tx).await?;
    if unwritten > 0 {
        let found =
            format!("{unwritten} file(s) of direct debits were made, and nobody has written them down");
        let finding = Finding::for_a_person(false, Check::DirectDebits, "debits_not_written", found);
        findings.push(finding.way_out(Verb::ExportDebits.plain()));
    }
    for notice in notices::open(&mut tx).await? {
        let run = run::by_id(&mut tx, notice.run).await?.map_or(0, |run| run.ordinal);
        findings.push(untold(run, notice));
    }
    Ok(findings)
}

/// A payer whom no run bills until a person lets it through (rules I9).
fn waits(account: &str, parking: &Parking) -> Finding {
    let run = parking.run_ordinal;
    let found = format!("{account} is parked since run {run}: {}", parking.reason);
    let release = Verb::ReleaseRun.on(run.to_string()).with("customer", account);
    Finding::for_a_person(false, Check::Parked, "parked", found).way_out(release)
}

/// A report or a ping of a run that did not arrive.
fn untold(run: u64, notice: Notice) -> Finding {
    let reason = notice.reason.unwrap_or_default();
    if notice.channel == Channel::Report {
        let found = format!("report of run {run} to {}: {reason}", notice.address);
        let way_out = Verb::SendMails.plain().switch("refused");
        return Finding::for_a_person(false, Check::Reports, "report_unsent", found).way_out(way_out);
    }
    let found = format!("run {run} could not be reported to the monitor: {reason}");
    Finding::for_a_person(false, Check::Ping, "ping_unanswered", found)
        .way_out(WayOut::from("fix ").setting("ping.url"))
}

fn undelivered(mails: MailCounts) -> impl Iterator<Item = Finding> {
    let list = |state| Verb::ListMails.plain().with("state", state);
    let table = [
        (mails.waiting, "mails_waiting", "mail(s) wait", Verb::SendMails.plain()),
        (mails.refused, "mails_refused", "mail(s) were refused", list("refused")),
        (mails.nobody, "no_address", "invoice(s) have nobody to be mailed to", list("nobody")),
    ];
    let open = table.into_iter().filter(|(count, ..)| *count > 0);
    open.map(|(count, code, words, way_out)| {
        Finding::for_a_person(false, Check::Mails, code, format!("{count} {words}")).way_out(way_out)
    })
}

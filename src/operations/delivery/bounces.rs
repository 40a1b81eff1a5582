//! Mails that relays had taken and that came back: the reports of a mailbox are read, and what was not delivered is on the list
//! of what has not reached its buyer (rules I10).
//!
//! Idempotency key: the state of the delivery; a report that is read twice changes nothing the second time.

use crate::act::{Act, note};
use crate::context::Context;
use crate::refusal::Stop;
use domain::audit::Action;
use domain::delivery_report::{self, ReportOutcome};
use serde::Serialize;
use store::delivery::{self, DeliveryState};
use store::invoice;

/// What became of the reports.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BouncesView {
    /// Mails that were read.
    pub mails: u64,
    /// Those that tell of a mail of ours which will not be delivered, and was taken for sent.
    pub bounced: Vec<BouncedMail>,
    /// Reports that were noted before.
    pub known: u64,
    /// Reports of a delay or of a delivery: nothing is to be done.
    pub passing: u64,
    /// Mails that are no report, or are about a mail of somebody else.
    pub others: u64,
}

/// A mail that came back.
#[derive(Debug, Clone, Serialize)]
pub struct BouncedMail {
    pub invoice: String,
    /// What was mailed: `invoice`, `reminder-2`.
    pub what: String,
    pub address: String,
    pub reason: String,
}

/// Reads the mails of these files, each one mail or an mbox.
pub async fn read(ctx: &Context, act: &Act, files: &[String]) -> Result<BouncesView, Stop> {
    let mut view = BouncesView::default();
    for mail in files.iter().flat_map(|file| delivery_report::mails_of(file)) {
        view.mails += 1;
        match delivery_report::read(mail) {
            None => view.others += 1,
            Some(report) if report.outcome == ReportOutcome::Passing => view.passing += 1,
            Some(report) => came_back(ctx, act, &report, &mut view).await?,
        }
    }
    Ok(view)
}

async fn came_back(
    ctx: &Context,
    act: &Act,
    report: &delivery_report::DeliveryReport,
    view: &mut BouncesView,
) -> Result<(), Stop> {
    let reason = format!("came back: {}", report.reason);
    let mut tx = ctx.store.begin().await?;
    let Some(ours) = delivery::by_message_id(&mut tx, &report.message_id).await? else {
        view.others += 1;
        return Ok(());
    };
    if ours.state != DeliveryState::Sent || !delivery::came_back(&mut tx, &ours, &reason).await? {
        view.known += 1;
        return Ok(());
    }
    let booked = invoice::by_ids(&mut tx, &[ours.invoice]).await?.pop();
    let number = booked.map(|booked| booked.invoice.number).unwrap_or_default();
    note(ctx, &mut tx, &number, Action::MailCameBack, act).await?;
    tx.commit().await?;
    view.bounced.push(BouncedMail { invoice: number, what: ours.channel, address: ours.address, reason });
    Ok(())
}

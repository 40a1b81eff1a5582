//! What is told of a run that has ended, or is stuck: its report by mail to the operator, and a ping of the monitor that
//! notices a missing night. Neither changes what became of the run: the intent is written in the transaction of its cause,
//! and a relay or monitor that cannot be reached delays it.
//!
//! Idempotency key: run, attempt, channel and address.

use crate::context::Context;
use crate::delivery::claims::{LOOK, OTHERS, Pass};
use crate::delivery::deliver::{SECOND_TRY, after_answer};
use crate::usage::missing::MissingUsage;
use crate::usage::open_rejects::OpenRejectsView;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use documents::RunMail;
use domain::catalogue::Catalogue;
use domain::ids::RunId;
use domain::mail::run_message_id;
use domain::run::{ItemState, RunState, RunSummary};
use gateways::Delivery as Answer;
use gateways::ping::PingSignal;
use serde::Serialize;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use store::Tx;
use store::delivery::DeliveryState;
use store::run::notices::{self, Channel, Notice};
use store::run::{self, Run, attempts};

/// What was told of a run, or waits to be told.
#[derive(Debug, Clone, Serialize)]
pub struct NoticeView {
    pub attempt: u32,
    pub channel: Channel,
    pub address: Option<String>,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub tries: u32,
    #[serde(rename = "nexttry")]
    pub next_try: Option<DateTime<Utc>>,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self {
            attempt: notice.attempt,
            channel: notice.channel,
            address: Some(notice.address).filter(|address| !address.is_empty()),
            state: notice.state,
            reason: notice.reason,
            tries: notice.tries,
            next_try: notice.due_at,
        }
    }
}

/// How often a worker looks for notices that are due.
const LOOK_FOR_DUE: Duration = Duration::from_secs(2);

/// Plans what is told of a run that has just been closed.
pub async fn plan_ended(ctx: &Context, tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    if ctx.settings.report_to.is_empty() && ctx.ping.is_none() {
        return Ok(());
    }
    let run = run::by_id(tx, run.id).await?.context("the run is gone")?;
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let summary = run::summary(tx, &run).await?;
    let files = store::refused_file::waiting(tx).await?;
    let attempt = attempts::latest(tx, run.id).await?;
    let mut planned = reports(ctx, &catalogue, run.id, attempt);
    if ctx.ping.is_some() {
        let is_well = files.is_empty() && ended_well(&summary);
        planned.push(ping(run.id, attempt, if is_well { Channel::Ping } else { Channel::PingFail }));
    }
    notices::plan(tx, &planned).await.map(drop)
}

/// Plans that the monitor is told of a run that is stuck: once per attempt, however often it is tried.
pub async fn plan_stuck(ctx: &Context, tx: &mut Tx, run: RunId) -> anyhow::Result<()> {
    if ctx.ping.is_none() {
        return Ok(());
    }
    let attempt = attempts::latest(tx, run).await?;
    notices::plan(tx, &[ping(run, attempt, Channel::PingFail)]).await.map(drop)
}

/// Nothing of it is for a person. What waits for another try of its own is well.
fn ended_well(summary: &RunSummary) -> bool {
    summary.state == RunState::Closed && summary.failed + summary.parked + summary.mails.set_aside() == 0
}

fn reports(ctx: &Context, catalogue: &Catalogue, run: RunId, attempt: u32) -> Vec<Notice> {
    let from = sender(ctx, catalogue).unwrap_or_default();
    let report = |address: &String| Notice {
        address: address.clone(),
        message_id: run_message_id(run, attempt, address, from),
        ..ping(run, attempt, Channel::Report)
    };
    ctx.settings.report_to.iter().map(report).collect()
}

fn ping(run: RunId, attempt: u32, channel: Channel) -> Notice {
    Notice {
        run,
        attempt,
        channel,
        address: String::new(),
        message_id: String::new(),
        state: DeliveryState::Pending,
        reason: None,
        tries: 0,
        due_at: None,
    }
}

fn sender<'a>(ctx: &'a Context, catalogue: &'a Catalogue) -> Option<&'a str> {
    ctx.settings.mail_from.as_deref().or(catalogue.tenant.email.as_deref())
}

/// Tells what is due for as long as the worker works.
pub async fn keep(ctx: Context) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_FOR_DUE).await;
        // What others have in hand is looked at again anyway.
        if let Err(error) = tell_due(&ctx, Duration::ZERO).await {
            tracing::warn!(error = format!("{error:#}"), "cannot tell of runs that have ended");
        }
    }
}

/// Tells the operator and the monitor of a run that this process has worked. That neither could be reached is no fault of
/// the run; that the run stands still is told even where it could not be written down.
pub async fn tell_ended(ctx: &Context, is_stuck: bool) {
    let told = tell_due(ctx, OTHERS).await;
    if let Err(error) = &told {
        tracing::warn!(error = format!("{error:#}"), "cannot tell of the run");
    }
    if let (true, Err(_), Some(ping)) = (is_stuck, told, &ctx.ping) {
        drop(ping.call(PingSignal::Failed, "a run is stuck").await);
    }
}

/// Tells what is due now.
async fn tell_due(ctx: &Context, patience: Duration) -> anyhow::Result<()> {
    let mut tx = ctx.store.read().await?;
    let due = notices::due(&mut tx, Some((ctx.now)())).await?;
    drop(tx);
    tell(ctx, due, patience).await.map(drop)
}

/// A report that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentReport {
    pub address: String,
    pub reason: String,
    /// It is tried again by itself.
    pub waits: bool,
}

/// Tells all that waits, because a person asks; with `refused` also reports that were refused. Returns the reports that did
/// not arrive.
pub async fn tell_all(ctx: &Context, refused: bool) -> anyhow::Result<Vec<UnsentReport>> {
    let mut tx = ctx.store.begin().await?;
    if refused {
        notices::retry(&mut tx).await?;
    }
    let due = notices::due(&mut tx, None).await?;
    tx.commit().await?;
    let reports =
        tell(ctx, due, OTHERS).await?.into_iter().filter(|notice| notice.channel == Channel::Report);
    let untold = reports.map(|notice| UnsentReport {
        address: notice.address,
        reason: notice.reason.unwrap_or_default(),
        waits: notice.state == DeliveryState::Pending,
    });
    Ok(untold.collect())
}

/// Sends these, each claimed first and tried twice; returns those that did not arrive. What another process has in hand is
/// waited for: one that was killed is known to be gone only moments later, and must not leave a report behind until the
/// next run.
async fn tell(ctx: &Context, due: Vec<Notice>, patience: Duration) -> anyhow::Result<Vec<Notice>> {
    let mut unsent = Vec::new();
    if due.is_empty() {
        return Ok(unsent);
    }
    let pass = Pass::begin(ctx).await?;
    let until = Instant::now() + patience;
    let mut waiting = due;
    loop {
        let mut tx = ctx.store.begin().await?;
        pass.free_abandoned(&mut tx).await?;
        let claimed = notices::claim(&mut tx, waiting.clone(), pass.new_claim()).await?;
        tx.commit().await?;
        waiting.retain(|notice| !claimed.contains(notice));
        for notice in claimed {
            unsent.extend(tell_one(ctx, &pass, notice).await?);
        }
        if waiting.is_empty() || Instant::now() >= until {
            return Ok(unsent);
        }
        tokio::time::sleep(LOOK).await;
        let untold = notices::due(&mut ctx.store.read().await?, None).await?;
        waiting.retain(|notice| untold.contains(notice));
    }
}

/// Hands a claimed notice over and writes what became of it; the notice, if it did not arrive.
async fn tell_one(ctx: &Context, pass: &Pass, mut notice: Notice) -> anyhow::Result<Option<Notice>> {
    let mut answer = hand_over(ctx, &notice).await?;
    if matches!(answer, Answer::Transient(_) | Answer::Unreachable(_)) {
        tokio::time::sleep(SECOND_TRY).await;
        answer = hand_over(ctx, &notice).await?;
    }
    (notice.state, notice.reason, notice.due_at) = after_answer(&answer, notice.tries, (ctx.now)());
    notice.tries += 1;
    let mut tx = ctx.store.begin().await?;
    notices::answer(&mut tx, &notice, pass.name()).await?;
    tx.commit().await?;
    if notice.state == DeliveryState::Sent {
        return Ok(None);
    }
    let (what, reason) = (notice.channel.name(), notice.reason.as_deref().unwrap_or_default());
    tracing::warn!(what, reason, tries = notice.tries, "a run's notice did not arrive");
    Ok(Some(notice))
}

/// Makes the mail or the call as the run stands now.
async fn hand_over(ctx: &Context, notice: &Notice) -> anyhow::Result<Answer> {
    let mut tx = ctx.store.read().await?;
    let run = run::by_id(&mut tx, notice.run).await?.context("the run of a notice is gone")?;
    let summary = run::summary(&mut tx, &run).await?;
    if notice.channel != Channel::Report {
        let Some(ping) = &ctx.ping else {
            return Ok(Answer::Permanent("ping.url is not set any more".to_owned()));
        };
        let said = if notice.channel == Channel::Ping { PingSignal::Well } else { PingSignal::Failed };
        drop(tx);
        return Ok(ping.call(said, &RunMail::headline(&summary, said == PingSignal::Failed)).await);
    }
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let items = run::items(&mut tx, run.id, None).await?;
    let missing = MissingUsage::of(&mut tx, None).await?;
    drop(tx);
    let aside = items
        .into_iter()
        .filter(|i| matches!(i.state, ItemState::Failed | ItemState::Parked))
        .filter_map(|i| i.reason.map(|reason| (i.account_number, i.state.name().to_owned(), reason)));
    let mail = RunMail {
        message_id: notice.message_id.clone(),
        seller: &catalogue.tenant.fullname,
        from: sender(ctx, &catalogue),
        to: &notice.address,
        summary: &summary,
        aside: aside.collect(),
        refused_files: missing.refused_files.into_iter().map(|file| file.message).collect(),
        open_rejects: missing.open_rejects.iter().map(OpenRejectsView::in_words).collect(),
        at: (ctx.now)(),
    };
    Ok(match ctx.renderer()?.run_report(&mail) {
        Ok(mail) => ctx.mail.send(&mail).await,
        Err(error) => Answer::Permanent(error.to_string()),
    })
}

//! One run: its figures, its steps, its attempts, and who was set aside and why.

use crate::context::Context;
use crate::delivery::open::{self, Filter, OpenMail};
use crate::refusal::Stop;
use crate::runs::find::find;
use crate::runs::notices::NoticeView;
use crate::runs::view::{PayerAside, RunAnswer, RunView, StepView};
use crate::usage::missing::MissingUsage;
use chrono::{DateTime, Utc};
use domain::run::{ItemState, UsageCounts};
use serde::Serialize;
use store::Tx;
use store::run::attempts::{self, AttemptKind, RunAttempt};
use store::run::{self, Run, RunItem};
use store::slice;

/// All that is to be said of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunShown {
    #[serde(flatten)]
    pub run: RunView,
    pub steps: Vec<StepView>,
    pub aside: Vec<SetAsideView>,
    pub attempts: Vec<AttemptView>,
    /// Of slices that failed and rest.
    pub errors: Vec<String>,
    /// What was told of it to the operator and the monitor.
    pub notices: Vec<NoticeView>,
    #[serde(flatten)]
    pub missing: MissingUsage,
}

/// What is set aside: a payer, or a mail that has not gone out.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum SetAsideView {
    Payer(PayerAside),
    Mail(OpenMail),
}

/// A try of a run after its first: a rerun, or a release.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptView {
    pub attempt: u32,
    pub kind: AttemptKind,
    pub actor: String,
    pub at: DateTime<Utc>,
    pub hash: Option<String>,
    pub usage: Option<UsageCounts>,
    /// What the run had said of its payers.
    pub before: Vec<BeforeView>,
}

/// A payer as it stood before an attempt.
#[derive(Debug, Clone, Serialize)]
pub struct BeforeView {
    pub account: String,
    pub state: ItemState,
    pub reason: Option<String>,
}

impl RunShown {
    /// Whether something of it, or a file that is missing in it, waits for a person.
    pub fn is_set_aside(&self) -> bool {
        self.run.is_set_aside() || self.missing.is_set_aside()
    }

    /// The payers among what is set aside.
    pub fn payers(&self) -> impl Iterator<Item = &PayerAside> {
        self.aside.iter().filter_map(|aside| match aside {
            SetAsideView::Payer(payer) => Some(payer),
            SetAsideView::Mail(_) => None,
        })
    }

    /// The mails among what is set aside.
    pub fn mails(&self) -> impl Iterator<Item = &OpenMail> {
        self.aside.iter().filter_map(|aside| match aside {
            SetAsideView::Mail(mail) => Some(mail),
            SetAsideView::Payer(_) => None,
        })
    }
}

/// The run of this number.
pub async fn show(ctx: &Context, name: &str) -> Result<RunShown, Stop> {
    let mut tx = ctx.store.read().await?;
    let found = find(&mut tx, name).await?;
    let items = run::items(&mut tx, found.id, None).await?;
    let is_told =
        |i: &RunItem| matches!(i.state, ItemState::Failed | ItemState::Parked) || i.reason.is_some();
    let payers = items.into_iter().filter(is_told).map(|item| SetAsideView::Payer(item.into()));
    let open = slice::open(&mut tx, found.id).await?;
    let mut shown = RunShown {
        steps: slice::progress(&mut tx, found.id).await?.into_iter().map(StepView::from).collect(),
        aside: payers.collect(),
        attempts: attempts::all(&mut tx, found.id).await?.into_iter().map(AttemptView::from).collect(),
        errors: open.into_iter().filter_map(|slice| slice.error).collect(),
        notices: run::notices::of_run(&mut tx, found.id).await?.into_iter().map(NoticeView::from).collect(),
        missing: MissingUsage::of(&mut tx, found.ended_at).await?,
        run: run::summary(&mut tx, &found).await?.into(),
    };
    drop(tx);
    let mails = open::list(ctx, &Filter { run: Some(found.id), ..Filter::default() }).await?;
    shown.aside.extend(mails.into_iter().map(SetAsideView::Mail));
    Ok(shown)
}

/// The figures of a run, and the usage files that are missing in it.
pub(crate) async fn answer(tx: &mut Tx, of: &Run) -> anyhow::Result<RunAnswer> {
    Ok(RunAnswer {
        run: run::summary(tx, of).await?.into(),
        missing: MissingUsage::of(tx, of.ended_at).await?,
    })
}

impl From<RunAttempt> for AttemptView {
    fn from(attempt: RunAttempt) -> Self {
        let before = attempt.items.into_iter();
        Self {
            attempt: attempt.attempt,
            kind: attempt.kind,
            actor: attempt.actor,
            at: attempt.asked_at,
            hash: attempt.hash,
            usage: attempt.usage,
            before: before
                .map(|i| BeforeView { account: i.account_number, state: i.state, reason: i.reason })
                .collect(),
        }
    }
}

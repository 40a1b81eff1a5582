//! What has not reached its buyer (rules I10), and sending it.

use crate::context::Context;
use crate::delivery::send::{self, MailSelection};
use crate::refusal::{Stop, insist_on_customer};
use chrono::{DateTime, Utc};
use domain::ids::RunId;
use domain::run::MailCounts;
use serde::Serialize;
use store::delivery::{self, OpenDelivery, OpenFilter, OpenState};

/// A mail that waits or was refused, or an invoice that has nobody to be mailed to.
#[derive(Debug, Clone, Serialize)]
pub struct OpenMail {
    /// Its number.
    pub invoice: String,
    pub account: String,
    /// Ordinal of the run that booked the invoice; none if a person did.
    pub run: Option<u64>,
    pub channel: String,
    pub address: Option<String>,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: u32,
    #[serde(rename = "nexttry")]
    pub next_try: Option<DateTime<Utc>>,
    #[serde(rename = "messageid")]
    pub message_id: String,
}

/// Why it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Tried again by itself.
    Waiting,
    /// Refused for good, or given up: a person decides.
    Refused,
    /// There is no address: a person decides.
    Nobody,
}

impl State {
    /// The word of tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Nobody => "nobody",
        }
    }
}

/// Which of them; every field narrows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub run: Option<RunId>,
    /// Account number of the payer.
    pub customer: Option<String>,
    /// In one of these states; none = all.
    pub states: Vec<State>,
}

/// Lists them.
pub async fn list(ctx: &Context, filter: &Filter) -> Result<Vec<OpenMail>, Stop> {
    let wanted =
        OpenFilter { run: filter.run, account_number: filter.customer.clone(), ..OpenFilter::default() };
    let mut tx = ctx.store.read().await?;
    let mut open: Vec<OpenMail> =
        delivery::list_open(&mut tx, &wanted).await?.into_iter().map(OpenMail::from).collect();
    if open.is_empty() {
        insist_on_customer(&mut tx, filter.customer.as_deref()).await?;
    }
    open.retain(|mail| filter.states.is_empty() || filter.states.contains(&mail.state));
    Ok(open)
}

/// What was sent of all that was open, and what is open now.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct SentAll {
    pub counts: MailCounts,
    /// Why mails were not sent, those with nobody first.
    #[serde(skip)]
    pub reasons: Vec<String>,
    /// Something that was tried waits for another time.
    #[serde(skip)]
    pub is_put_off: bool,
    /// Something that was tried is for a person.
    #[serde(skip)]
    pub is_set_aside: bool,
}

/// Sends all that wait, and with `refused` what was refused or given up too.
pub async fn send_all(ctx: &Context, which: MailSelection) -> Result<SentAll, Stop> {
    ctx.catalogue().await?;
    let sent = send::send_all(ctx, which).await?;
    let now_open = delivery::open_counts(&mut ctx.store.read().await?).await?;
    Ok(SentAll {
        counts: MailCounts { sent: sent.sent, ..now_open },
        reasons: sent.reasons().cloned().collect(),
        is_put_off: !sent.waiting.is_empty(),
        is_set_aside: !(sent.refused.is_empty() && sent.nobody.is_empty()),
    })
}

impl From<OpenDelivery> for OpenMail {
    fn from(open: OpenDelivery) -> Self {
        Self {
            invoice: open.number,
            account: open.account_number,
            run: open.run,
            channel: open.channel,
            address: Some(open.address).filter(|address| !address.is_empty()),
            state: match open.state {
                OpenState::Waiting => State::Waiting,
                OpenState::Refused => State::Refused,
                OpenState::Nobody => State::Nobody,
            },
            reason: open.reason,
            attempts: open.attempts,
            next_try: open.due_at,
            message_id: open.message_id,
        }
    }
}

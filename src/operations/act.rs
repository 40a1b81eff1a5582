//! Who asks, and on which day.

pub use crate::actor::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use chrono::{Days, NaiveDate};
use domain::audit::{Action, Object};
use domain::catalogue::Catalogue;
use domain::ids::CustomerId;
use domain::refusal::{Code, Refusal};
use store::Tx;

/// Who asks, and on which day it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub actor: Actor,
    pub on: NaiveDate,
}

impl Act {
    /// Refuses a day far ahead: a mistyped year would date what is booked, and nothing takes that back (rules I9).
    pub(crate) async fn insist_near(&self, ctx: &Context) -> Result<(), Stop> {
        insist_near(ctx, self.on).await
    }
}

/// See [`Act::insist_near`].
pub(crate) async fn insist_near(ctx: &Context, day: NaiveDate) -> Result<(), Stop> {
    let catalogue = ctx.catalogue().await?;
    match too_far_ahead(ctx, &catalogue, day) {
        None => Ok(()),
        Some(refusal) => {
            Err(refusal.hint("is the year right? If it is meant, raise bounds.days_ahead for it").into())
        }
    }
}

/// The refusal of a day that lies more than `bounds.days_ahead` after today.
pub(crate) fn too_far_ahead(ctx: &Context, catalogue: &Catalogue, asked: NaiveDate) -> Option<Refusal> {
    let today = ctx.today_of(catalogue);
    let days_ahead = ctx.settings.days_ahead;
    let last = today.checked_add_days(Days::new(u64::from(days_ahead)));
    let message =
        || format!("{asked} is more than {days_ahead} days (bounds.days_ahead) after today, {today}");
    last.is_some_and(|last| asked > last).then(|| Refusal::new(Code::TooFarAhead, message()))
}

/// Whether it is done, or only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Change,
    /// Nothing is written.
    Show,
}

impl Mode {
    /// The transaction in which it is done, or looked at.
    pub(crate) async fn begin(self, ctx: &Context) -> anyhow::Result<Tx> {
        match self {
            Self::Change => ctx.store.begin().await,
            Self::Show => ctx.store.read().await,
        }
    }

    /// The payer who pays for this customer; where something is done, its book stays as it is until the transaction ends.
    pub(crate) async fn payer_of(self, tx: &mut Tx, owner: CustomerId) -> anyhow::Result<CustomerId> {
        match self {
            Self::Change => store::payer::lock_of(tx, owner).await,
            Self::Show => store::book::payer_of(tx, owner).await,
        }
    }
}

/// An act on an invoice that has nothing to say but its day.
pub(crate) async fn note(
    ctx: &Context,
    tx: &mut Tx,
    number: &str,
    action: Action,
    act: &Act,
) -> anyhow::Result<()> {
    let detail = serde_json::json!({"on": act.on});
    ctx.note(tx, &act.actor, action, Object::Invoice(number), detail).await
}

/// An act on an invoice with the amount that it moves.
pub(crate) async fn note_amount(
    ctx: &Context,
    tx: &mut Tx,
    number: &str,
    action: Action,
    act: &Act,
    amount_minor: i64,
) -> anyhow::Result<()> {
    let detail = serde_json::json!({"amount_minor": amount_minor, "on": act.on});
    ctx.note(tx, &act.actor, action, Object::Invoice(number), detail).await
}

//! Who asks, and on which day.

pub use crate::actor::Actor;
use crate::context::Context;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::ids::CustomerId;
use store::Tx;

/// Who asks, and on which day it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub actor: Actor,
    pub on: NaiveDate,
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

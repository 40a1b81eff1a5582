//! Payment providers. The attempt's row is committed before a provider is called, and its id is the provider's
//! idempotency key: after a lost answer the same id is asked again, never a new one (rules Y1).
//!
//! Another provider is one file (or folder) here that implements [`PaymentGateway`], an arm of [`open`] and its settings in
//! [`Access`]. What it has to promise:
//!
//! - `charge` takes money at most once per attempt, whoever asks how often: it hands the attempt's id to the provider as idempotency key.
//!   Where the provider keeps keys for a time only, `look_up` must know what happened before that.
//! - What it answers is certain. [`ChargeAnswer::Paid`] and [`ChargeAnswer::Declined`] are the provider's own words; everything that leaves a doubt
//!   (no answer, half an answer, a failure of theirs, a state it does not know) is [`GatewayError::Unknown`], and
//!   only what surely did nothing is [`GatewayError::Refused`].
//! - A decline has its class: hard if this method must not be asked again, technical if a bank or network was away, else soft.
//! - Nothing that opens an account (keys, tokens) is in an error, a log or a `Debug`.
//! - Each call passes the doors `gateway.call.before` and `gateway.call.after`, so that the tests of crashes reach it.
//! - `tests` beside it plays a lost answer, no time, a failure and answers in another order; `payment/stripe/tests.rs` is one to copy.

mod records;
mod sandbox;
pub mod stripe;
mod webhook;

pub use records::{Charge, Outcome, Record, RecordFileError, Refund};
pub use sandbox::Sandbox;
pub use stripe::Stripe;
pub use webhook::{Event, EventFault};

use crate::{Answer, Doors};
use domain::Uuid;
use domain::ids::{AttemptId, InvoiceId};
use domain::money::Currency;
use domain::payment::Decline;
use std::path::Path;
use std::sync::Arc;

/// A charge to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct ChargeRequest {
    /// The idempotency key.
    pub attempt: AttemptId,
    /// What is paid; goes along as the merchant's reference.
    pub invoice: InvoiceId,
    /// The payment method at the provider. Never logged: [`std::fmt::Debug`] hides it.
    pub token: String,
    /// Minor units, above 0.
    pub amount_minor: i64,
    /// Currency of the amount.
    pub currency: Currency,
}

impl std::fmt::Debug for ChargeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChargeRequest")
            .field("attempt", &self.attempt)
            .field("invoice", &self.invoice)
            .field("amount_minor", &self.amount_minor)
            .field("currency", &self.currency)
            .finish_non_exhaustive()
    }
}

/// The provider's answer to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeAnswer {
    /// The money is taken.
    Paid {
        /// The provider's name for the charge.
        reference: String,
        /// What the provider keeps, minor units of the charge's currency.
        fee_minor: i64,
    },
    /// No money is taken; the class says whether trying again makes sense (rules Y2).
    Declined(Decline),
}

/// What a provider knows of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// A charge was asked for under it, and this was decided.
    Decided {
        /// The answer that may have been lost.
        answer: ChargeAnswer,
        /// Minor units of the charge.
        amount_minor: i64,
        /// Its currency.
        currency: Currency,
    },
    /// Nothing was ever asked for under it.
    NeverSeen,
}

/// Money to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// The idempotency key.
    pub id: Uuid,
    /// The charge, by the provider's name for it.
    pub reference: String,
    /// Minor units, above 0; in all at most what was charged.
    pub amount_minor: i64,
    /// Currency of the charge.
    pub currency: Currency,
}

/// The provider's answer to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundAnswer {
    /// The money is on its way back.
    Refunded {
        /// The provider's name for the refund.
        reference: String,
    },
    /// No money moves.
    Declined {
        /// For example `unknown_charge` or `exceeds_charge`.
        code: String,
    },
}

/// No answer, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// Nobody knows whether it happened: ask again with the same key.
    #[error("{gateway}: outcome unknown: {why}")]
    Unknown {
        /// The provider.
        gateway: String,
        /// What went wrong.
        why: String,
    },
    /// The request itself is at fault, and nothing happened: asking again would not help.
    #[error("{gateway}: refused: {why}")]
    Refused {
        /// The provider.
        gateway: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A payment provider.
pub trait PaymentGateway: Send + Sync {
    /// Its name in payment methods, for example `sandbox`.
    fn name(&self) -> &str;

    /// Takes money, at most once per attempt.
    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> Answer<'a, Result<ChargeAnswer, GatewayError>>;

    /// Takes money for many attempts; one answer each, in their order.
    fn charge_all<'a>(
        &'a self,
        requests: &'a [ChargeRequest],
    ) -> Answer<'a, Vec<Result<ChargeAnswer, GatewayError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                answers.push(self.charge(request).await);
            }
            answers
        })
    }

    /// What became of an attempt. Changes nothing: it is asked when the answer to a charge was lost, whatever the payer's
    /// card is by then. A provider without such a question answers [`GatewayError::Refused`].
    fn look_up(&self, attempt: AttemptId) -> Answer<'_, Result<LookedUp, GatewayError>>;

    /// Gives money back, at most once per id.
    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Result<RefundAnswer, GatewayError>>;

    /// What a webhook event of the provider says: the header with its signature, and the body as it came.
    /// It is believed only if the signature is right and fresh, and then says which attempt to ask about. `now`: seconds since 1970.
    fn event(&self, _header: &str, _payload: &[u8], _now: i64) -> Result<Event, EventFault> {
        Err(EventFault::NotSetUp)
    }

    /// Whether it could be charged with now: as far as a login, and no money moves.
    fn check(&self) -> Answer<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// With what providers are reached; one without its key is not there.
#[derive(Clone, Default)]
pub struct Access {
    /// Secret key of Stripe.
    pub stripe_key: Option<String>,
    /// With what Stripe signs its events; none = they are not believed.
    pub stripe_webhook_secret: Option<String>,
    /// Where Stripe answers; none = [`stripe::URL`].
    pub stripe_url: Option<String>,
}

/// Every provider that this program has.
pub const PROVIDERS: [&str; 2] = ["sandbox", "stripe"];

/// A provider by its name in payment methods; `None` if there is no such provider, or no key to it. The sandbox keeps its state in
/// `sandbox-payments.ndjson` in the home folder. The error says what is wrong with a setting.
pub fn open(
    name: &str,
    home: &Path,
    access: &Access,
    doors: Doors,
) -> Result<Option<Arc<dyn PaymentGateway>>, String> {
    Ok(match (name, &access.stripe_key) {
        ("sandbox", _) => Some(Arc::new(Sandbox::new(home.join("sandbox-payments.ndjson"), doors))),
        ("stripe", Some(key)) => {
            let url = access.stripe_url.as_deref().unwrap_or(stripe::URL);
            let opened = Stripe::new(url, key.clone(), doors).map_err(|why| format!("stripe.url {why}"))?;
            Some(Arc::new(opened.believing(access.stripe_webhook_secret.clone())))
        }
        _ => None,
    })
}

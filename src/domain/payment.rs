//! Payment attempts and decline classes (rules Y1, Y2, Y4); what comes after a decline is [`crate::dunning`].

use crate::direct_debit::SEPA;
use crate::exact::Exact;
use crate::ids::{AttemptId, CustomerId, InvoiceId};
use crate::invoice::Draft;
use crate::money::Currency;
use crate::refusal::{Code, Command, Refusal, Verb};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// An attempt to collect an invoice; the row is committed before the provider is called (rules Y1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Also the provider's idempotency key.
    pub id: AttemptId,
    pub invoice: InvoiceId,
    pub customer: CustomerId,
    /// From 1 per invoice.
    pub ordinal: u32,
    pub amount_minor: i64,
    pub currency: Currency,
    /// Refkey of the method and its gateway.
    pub method: String,
    pub gateway: String,
    /// Day of the attempt.
    pub on: NaiveDate,
    pub state: AttemptState,
    pub provider_reference: Option<String>,
    pub decline_code: Option<String>,
    pub fee_minor: i64,
}

impl Attempt {
    /// An attempt without an answer as it ends when a person who has asked the provider says so.
    pub fn overruled(&self) -> Self {
        let decline_code = Some("overruled_by_hand".to_owned());
        Self { state: AttemptState::Technical, decline_code, ..self.clone() }
    }

    /// The n-th refund of a document, made outside; its id follows from the document.
    pub fn refund(draft: &Draft, ordinal: u32, amount_minor: i64, on: NaiveDate) -> Self {
        let id = AttemptId::of(&format!("{}\u{1f}refund\u{1f}{ordinal}", draft.id));
        Self::outside(draft, id, ordinal, amount_minor, on)
    }

    /// Money that moved elsewhere, by bank transfer or in cash, and is noted by a person.
    pub fn outside(draft: &Draft, id: AttemptId, ordinal: u32, amount_minor: i64, on: NaiveDate) -> Self {
        Self {
            id,
            invoice: draft.id,
            customer: draft.payer,
            ordinal,
            amount_minor,
            currency: draft.currency,
            method: MANUAL.to_owned(),
            gateway: MANUAL.to_owned(),
            on,
            state: AttemptState::Paid,
            provider_reference: None,
            decline_code: None,
            fee_minor: 0,
        }
    }
}

/// Gateway of what was paid outside.
pub const MANUAL: &str = "manual";
/// Method of what a bank statement tells of.
pub const BY_BANK: &str = "bank";

/// State of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Written, not yet answered: ask again with the same id.
    Pending,
    Paid,
    /// Declined, may be retried.
    SoftDecline,
    /// Declined for good: the method is unhealthy.
    HardDecline,
    /// The provider could not be reached or failed.
    Technical,
}

/// Nothing is done about an invoice while an attempt on it has no answer.
pub fn under_way(invoice: &str, attempt: &Attempt) -> Refusal {
    let (message, hint) = if attempt.gateway == SEPA {
        let message = format!("a direct debit of {invoice} is under way: the bank answers with a file");
        (message, "read what the bank has sent with ")
    } else {
        (format!("a payment of {invoice} is under way and has no answer yet"), "ask for the answer with ")
    };
    Refusal::new(Code::PaymentUnderWay, message).hint(hint).ask(ask_for(attempt))
}

/// How the answer to an attempt is found out: the provider is asked, or the bank answers with a file.
pub fn ask_for(attempt: &Attempt) -> Command {
    if attempt.gateway == SEPA { Verb::ImportPayments.on("FILE") } else { Verb::RetryPayments.plain() }
}

impl AttemptState {
    /// The word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::SoftDecline => "soft_decline",
            Self::HardDecline => "hard_decline",
            Self::Technical => "technical",
        }
    }
}

/// Minutes after which a technical failure is tried again, with the same attempt id (rules Y2).
pub const TECHNICAL_LADDER_MINUTES: [u32; 4] = [1, 5, 15, 60];

/// Attempts that card schemes allow on one method in 30 days (rules Y2).
pub const ATTEMPTS_MAX_30_DAYS: usize = 20;
/// Attempts that card schemes allow on one method in 24 hours (rules Y2).
pub const ATTEMPTS_MAX_24_HOURS: usize = 10;

/// If a cap of the card schemes is reached, the instant from which the method may be charged again (rules Y2).
/// `attempts` are the instants of all attempts on the method, in any order.
pub fn blocked_until(attempts: &[DateTime<Utc>], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = |max: usize, window: TimeDelta| {
        let mut recent: Vec<_> = attempts.iter().copied().filter(|at| *at > now - window).collect();
        recent.sort_unstable_by(|a, b| b.cmp(a));
        recent.get(max - 1).map(|oldest| *oldest + window)
    };
    until(ATTEMPTS_MAX_24_HOURS, TimeDelta::hours(24)).max(until(ATTEMPTS_MAX_30_DAYS, TimeDelta::days(30)))
}

/// Why a charge was declined (rules Y2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineClass {
    /// Never retried; the method is unhealthy.
    Hard,
    /// Retried along the dunning ladder.
    Soft,
    /// The provider failed; retried along its own short ladder.
    Technical,
}

impl DeclineClass {
    /// The state that an attempt so declined has.
    pub fn state(self) -> AttemptState {
        match self {
            Self::Hard => AttemptState::HardDecline,
            Self::Soft => AttemptState::SoftDecline,
            Self::Technical => AttemptState::Technical,
        }
    }
}

/// A decline as the provider words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    pub class: DeclineClass,
    /// For example `insufficient_funds`.
    pub code: String,
    /// What the provider says about trying again.
    pub advice: Option<String>,
}

impl Decline {
    fn new(class: DeclineClass, code: &str, advice: Option<&str>) -> Self {
        Self { class, code: code.to_owned(), advice: advice.map(str::to_owned) }
    }
}

/// What the sandbox does with a charge (catalogue.md). Shared by the gateway and `simulate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxAnswer {
    Paid {
        fee_minor: i64,
    },
    /// Paid, but the first answer never arrives: asked again with the same key it says so.
    PaidAnswerLost {
        fee_minor: i64,
    },
    Declined(Decline),
}

/// The sandbox's decision: a function of the token, the amount, and how often it has declined this invoice softly
/// with this token before. An unknown token is a hard decline.
///
/// ```
/// # use domain::payment::{sandbox_answer, SandboxAnswer};
/// assert!(matches!(sandbox_answer("tok_ok_after_2", 19_900, 1), SandboxAnswer::Declined(_)));
/// assert_eq!(sandbox_answer("tok_ok_after_2", 19_900, 2), SandboxAnswer::Paid { fee_minor: 0 });
/// ```
pub fn sandbox_answer(token: &str, amount_minor: i64, prior_soft_declines: u32) -> SandboxAnswer {
    let soft = || {
        let decline = Decline::new(DeclineClass::Soft, "insufficient_funds", Some("try_again_later"));
        SandboxAnswer::Declined(decline)
    };
    let hard = |code, advice| SandboxAnswer::Declined(Decline::new(DeclineClass::Hard, code, Some(advice)));
    match token {
        "tok_ok" => SandboxAnswer::Paid { fee_minor: 0 },
        "tok_ok_fee" => SandboxAnswer::Paid { fee_minor: sandbox_fee(amount_minor) },
        "tok_soft_decline" => soft(),
        "tok_hard_decline" => hard("stolen_card", "do_not_retry"),
        "tok_expired" => hard("expired_card", "update_method"),
        "tok_ok_after_2" if prior_soft_declines < 2 => soft(),
        "tok_ok_after_2" => SandboxAnswer::Paid { fee_minor: 0 },
        "tok_timeout_once" => SandboxAnswer::PaidAnswerLost { fee_minor: 0 },
        _ => hard("invalid_token", "update_method"),
    }
}

/// The fee of `tok_ok_fee`: 1.4 % of the amount, rounded half away from zero, once.
fn sandbox_fee(amount_minor: i64) -> i64 {
    Exact::int(i128::from(amount_minor)).times(Exact::ratio(14, 1000)).round_half_away(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_scheme_caps_block_until_the_window_has_passed() {
        let now = DateTime::from_timestamp(1_770_000_000, 0).unwrap();
        let ago = |hours: i64| now - TimeDelta::hours(hours);
        let nine: Vec<_> = (0..9).map(ago).collect();
        assert_eq!(blocked_until(&nine, now), None);
        let ten: Vec<_> = (0..10).map(ago).collect();
        assert_eq!(blocked_until(&ten, now), Some(ago(9) + TimeDelta::hours(24)));
        let twenty: Vec<_> = (1..=20).map(|n| ago(n * 30)).collect();
        assert_eq!(blocked_until(&twenty, now), Some(ago(600) + TimeDelta::days(30)));
        assert_eq!(blocked_until(&twenty[..19], now), None);
    }

    #[test]
    fn the_sandbox_tokens_do_what_the_catalogue_says() {
        let declined = |token, prior| match sandbox_answer(token, 10_000, prior) {
            SandboxAnswer::Declined(decline) => Some((decline.class, decline.code)),
            _ => None,
        };
        assert_eq!(declined("tok_ok", 0), None);
        for prior in [0, 1, 9] {
            let expected = (DeclineClass::Soft, "insufficient_funds".to_owned());
            assert_eq!(declined("tok_soft_decline", prior), Some(expected));
        }
        assert_eq!(declined("tok_hard_decline", 0).unwrap().0, DeclineClass::Hard);
        assert_eq!(declined("tok_expired", 0), Some((DeclineClass::Hard, "expired_card".to_owned())));
        assert_eq!(declined("tok_ok_after_2", 0).unwrap().0, DeclineClass::Soft);
        assert_eq!(declined("tok_ok_after_2", 1).unwrap().0, DeclineClass::Soft);
        assert_eq!(declined("tok_ok_after_2", 2), None);
        assert_eq!(sandbox_answer("tok_timeout_once", 1, 0), SandboxAnswer::PaidAnswerLost { fee_minor: 0 });
        assert_eq!(sandbox_answer("tok_ok_fee", 19_950, 0), SandboxAnswer::Paid { fee_minor: 279 });
        assert_eq!(declined("tok_nonsense", 0).unwrap().1, "invalid_token");
    }
}

//! Stripe: cards that payers have left there are charged without them (off-session PaymentIntents).
//!
//! A small client of ours on the HTTP library that is there. The one library that is kept (`async-stripe`) is generated from
//! Stripe's whole API, for the five calls below; what we need of an answer that was lost is a key, a form and the status.

mod answers;
mod webhook;

pub use webhook::{EVENT_AGE_MAX, event};

use super::{
    ChargeAnswer, ChargeRequest, Event, EventFault, GatewayError, LookedUp, PaymentGateway, RefundAnswer,
    RefundRequest,
};
use crate::http::told;
use crate::{Answer, Doors};
use answers::{charge_answer, looked_up, refund_answer};
use domain::ids::AttemptId;
use domain::money::Currency;
use futures_util::StreamExt;
use reqwest::{Client, Method, StatusCode, Url, redirect};
use serde_json::Value;
use std::time::Duration;

const NAME: &str = "stripe";
/// Where Stripe answers, unless a setting says otherwise.
pub const URL: &str = "https://api.stripe.com";
/// The version of the API whose answers are read here.
const VERSION: &str = "2024-06-20";
/// After so long an answer is lost, and asked for again under the same key.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Charges under way at once; Stripe takes 25 requests a second of a test account.
const AT_ONCE: usize = 8;
/// Pauses before a request is sent again that Stripe had no time for. Such a request has done nothing.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Under what the attempt stands at Stripe.
pub(super) const ATTEMPT: &str = "tallybook_attempt";

/// Stripe with a secret key.
pub struct Stripe {
    url: Url,
    key: String,
    webhook_secret: Option<String>,
    doors: Doors,
    pauses: &'static [Duration],
}

/// An answer that has arrived.
pub(super) struct Answered {
    pub status: StatusCode,
    pub body: Value,
}

impl Stripe {
    /// At this URL with this secret key. The error is the reason, and never holds the key.
    pub fn new(url: &str, key: String, doors: Doors) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|e| format!("is not a URL: {e}"))?;
        let is_this_machine = url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1");
        if url.scheme() != "https" && !(url.scheme() == "http" && is_this_machine) {
            return Err("is not an https:// URL".to_owned());
        }
        Ok(Self { url, key, webhook_secret: None, doors, pauses: &PAUSES })
    }

    /// Believing events that are signed with this secret.
    #[must_use]
    pub fn believing(self, webhook_secret: Option<String>) -> Self {
        Self { webhook_secret, ..self }
    }

    /// Sends a form, again for as long as Stripe says that it has no time. An answer that does not arrive is unknown.
    async fn call(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, String)],
        idempotency_key: Option<String>,
    ) -> Result<Answered, GatewayError> {
        let mut pauses = self.pauses.iter();
        loop {
            self.doors.pass("gateway.call.before");
            let answered = self.once(method.clone(), path, form, idempotency_key.as_deref()).await;
            self.doors.pass("gateway.call.after");
            let answered = answered.map_err(unknown)?;
            match pauses.next() {
                Some(pause) if answered.status == StatusCode::TOO_MANY_REQUESTS => {
                    tokio::time::sleep(*pause).await
                }
                _ => return Ok(answered),
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, String)],
        idempotency_key: Option<&str>,
    ) -> Result<Answered, String> {
        let is_question = method == Method::GET;
        let mut url = self.url.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(form);
        let encoded = url.query().unwrap_or_default().to_owned();
        if !is_question {
            url.set_query(None);
        }
        // Made when it is needed: it reads the authorities of the machine.
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tallybook/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(told)?;
        let request = client.request(method, url).bearer_auth(&self.key).header("Stripe-Version", VERSION);
        let request = match is_question {
            true => request,
            false => request.header("Content-Type", "application/x-www-form-urlencoded").body(encoded),
        };
        let request = match idempotency_key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        let mut response = request.send().await.map_err(told)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err("its answer is too long".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        let body =
            serde_json::from_slice(&bytes).map_err(|e| format!("it answered {status} without JSON: {e}"))?;
        Ok(Answered { status, body })
    }
}

impl PaymentGateway for Stripe {
    fn name(&self) -> &str {
        NAME
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> Answer<'a, Result<ChargeAnswer, GatewayError>> {
        Box::pin(async move {
            let (customer, method) = match request.token.split_once('/') {
                Some((customer, method)) => (Some(customer), method),
                None => (None, request.token.as_str()),
            };
            let mut form = vec![
                ("amount", stripe_amount(request.amount_minor, request.currency)?),
                ("currency", request.currency.code().to_ascii_lowercase()),
                ("payment_method", method.to_owned()),
                ("confirm", "true".to_owned()),
                ("off_session", "true".to_owned()),
                ("metadata[tallybook_attempt]", request.attempt.to_string()),
                ("metadata[tallybook_invoice]", request.invoice.to_string()),
                ("expand[]", "latest_charge.balance_transaction".to_owned()),
            ];
            form.extend(customer.map(|customer| ("customer", customer.to_owned())));
            let key = Some(request.attempt.to_string());
            let answered = self.call(Method::POST, "/v1/payment_intents", &form, key).await?;
            charge_answer(&answered, request)
        })
    }

    fn charge_all<'a>(
        &'a self,
        requests: &'a [ChargeRequest],
    ) -> Answer<'a, Vec<Result<ChargeAnswer, GatewayError>>> {
        // Whichever answers first: each goes to the place of its request.
        Box::pin(async move {
            let charges: Vec<_> = requests.iter().map(|request| self.charge(request)).collect();
            futures_util::stream::iter(charges).buffered(AT_ONCE).collect().await
        })
    }

    /// By the id that stands in its metadata. The index behind the search is some seconds late; what it does not know yet is
    /// charged again under the same key, which Stripe answers as the first time for at least a day.
    fn look_up(&self, attempt: AttemptId) -> Answer<'_, Result<LookedUp, GatewayError>> {
        Box::pin(async move {
            let form = [
                ("query", format!("metadata['{ATTEMPT}']:'{attempt}'")),
                ("expand[]", "data.latest_charge.balance_transaction".to_owned()),
            ];
            let answered = self.call(Method::GET, "/v1/payment_intents/search", &form, None).await?;
            looked_up(&answered, attempt)
        })
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Result<RefundAnswer, GatewayError>> {
        Box::pin(async move {
            let form = [
                ("payment_intent", request.reference.clone()),
                ("amount", stripe_amount(request.amount_minor, request.currency)?),
            ];
            let key = Some(request.id.to_string());
            refund_answer(&self.call(Method::POST, "/v1/refunds", &form, key).await?)
        })
    }

    fn event(&self, header: &str, payload: &[u8], now: i64) -> Result<Event, EventFault> {
        let secret = self.webhook_secret.as_deref().ok_or(EventFault::NotSetUp)?;
        event(payload, header, secret, now)
    }

    /// Asks for one charge: that takes a key that may charge.
    fn check(&self) -> Answer<'_, Result<(), String>> {
        Box::pin(async move {
            let form = [("limit", "1".to_owned())];
            match self.call(Method::GET, "/v1/payment_intents", &form, None).await {
                Ok(answered) if answered.status.is_success() => Ok(()),
                Ok(answered) => Err(answers::why(&answered)),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

/// An amount as Stripe counts it: minor units, but for currencies that it counts otherwise.
fn stripe_amount(minor: i64, currency: Currency) -> Result<String, GatewayError> {
    match (currency.code(), currency.decimals()) {
        // Two zeros that the currencies themselves do not have.
        ("ISK" | "UGX", 0) => Ok(minor.saturating_mul(100).to_string()),
        (code, 3) if minor % 10 != 0 => {
            Err(refused(format!("amounts of {code} must end with 0 there, this one does not")))
        }
        _ => Ok(minor.to_string()),
    }
}

/// The opposite of [`stripe_amount`].
pub(super) fn minor_of(stripe: i64, currency: Currency) -> i64 {
    match (currency.code(), currency.decimals()) {
        ("ISK" | "UGX", 0) => stripe / 100,
        _ => stripe,
    }
}

pub(super) fn unknown(why: String) -> GatewayError {
    GatewayError::Unknown { gateway: NAME.to_owned(), why }
}

pub(super) fn refused(why: String) -> GatewayError {
    GatewayError::Refused { gateway: NAME.to_owned(), why }
}

#[cfg(test)]
mod tests;

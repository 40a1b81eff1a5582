//! What Stripe's answers mean: paid, declined and of which class, unknown, or refused.

use super::{ATTEMPT, Answered, minor_of, refused, unknown};
use crate::payment::{ChargeAnswer, ChargeRequest, GatewayError, LookedUp, RefundAnswer};
use domain::ids::AttemptId;
use domain::money::Currency;
use domain::payment::{Decline, DeclineClass};
use reqwest::StatusCode;
use serde_json::Value;

/// Decline codes after which a card is not asked again: it is gone, reported, or its holder must do something.
const HARD: &[&str] = &[
    "authentication_required",
    "card_not_supported",
    "currency_not_supported",
    "expired_card",
    "fraudulent",
    "incorrect_cvc",
    "incorrect_number",
    "invalid_account",
    "invalid_cvc",
    "invalid_expiry_month",
    "invalid_expiry_year",
    "invalid_number",
    "lost_card",
    "merchant_blacklist",
    "mobile_device_authentication_required",
    "new_account_information_available",
    "no_such_payment_method",
    "pickup_card",
    "restricted_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "security_violation",
    "stolen_card",
    "stop_payment_order",
    "testmode_decline",
    "transaction_not_allowed",
];

/// Codes of a bank or network that cannot be reached.
const TECHNICAL: &[&str] = &[
    "approve_with_id",
    "issuer_not_available",
    "processing_error",
    "reenter_transaction",
    "try_again_later",
];

/// The answer to a charge.
pub(super) fn charge_answer(
    answered: &Answered,
    request: &ChargeRequest,
) -> Result<ChargeAnswer, GatewayError> {
    let body = &answered.body;
    match answered.status {
        status if status.is_success() => {
            let said = body["metadata"][ATTEMPT].as_str();
            if said != Some(request.attempt.to_string().as_str()) {
                return Err(unknown(format!("it answered for attempt {said:?}, not {}", request.attempt)));
            }
            intent(body, request.currency)
        }
        StatusCode::PAYMENT_REQUIRED => Ok(ChargeAnswer::Declined(decline(&body["error"]))),
        // The card is not there: nothing was asked of any bank.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST if is_missing_method(&body["error"]) => {
            let code = "no_such_payment_method".to_owned();
            Ok(ChargeAnswer::Declined(Decline { class: DeclineClass::Hard, code, advice: None }))
        }
        _ => Err(not_answered(answered)),
    }
}

/// What an intent says: paid, declined, or not decided yet.
fn intent(body: &Value, currency: Currency) -> Result<ChargeAnswer, GatewayError> {
    let reference = body["id"].as_str().filter(|id| !id.is_empty());
    let error = &body["last_payment_error"];
    match (body["status"].as_str().unwrap_or_default(), reference) {
        ("succeeded", Some(id)) => {
            Ok(ChargeAnswer::Paid { reference: id.to_owned(), fee_minor: fee_minor(body, currency) })
        }
        ("requires_action" | "requires_confirmation", Some(_)) => {
            let (code, advice) = ("authentication_required".to_owned(), Some("update_method".to_owned()));
            Ok(ChargeAnswer::Declined(Decline { class: DeclineClass::Hard, code, advice }))
        }
        ("requires_payment_method", Some(_)) => Ok(ChargeAnswer::Declined(decline(error))),
        ("canceled", Some(_)) => {
            let code = "canceled".to_owned();
            Ok(ChargeAnswer::Declined(Decline { class: DeclineClass::Technical, code, advice: None }))
        }
        ("processing", Some(_)) => Err(unknown("the charge is being processed".to_owned())),
        (status, _) => Err(unknown(format!("it answered with an intent in state `{status}`"))),
    }
}

/// What Stripe keeps, where it says so in the charge's own currency.
fn fee_minor(body: &Value, currency: Currency) -> i64 {
    let transaction = &body["latest_charge"]["balance_transaction"];
    let is_same = transaction["currency"].as_str().is_some_and(|c| c.eq_ignore_ascii_case(currency.code()));
    let fee = transaction["fee"].as_i64().filter(|fee| is_same && *fee >= 0).unwrap_or(0);
    minor_of(fee, currency)
}

/// A decline: the bank's code if Stripe passes it on, else Stripe's. Advice never to try again beats the code.
fn decline(error: &Value) -> Decline {
    let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty());
    let code = text("decline_code").or(text("code")).unwrap_or("declined");
    let advice = text("advice_code");
    let class = match (advice, code) {
        (Some("do_not_try_again" | "confirm_card_data"), _) => DeclineClass::Hard,
        (_, code) if HARD.contains(&code) => DeclineClass::Hard,
        (_, code) if TECHNICAL.contains(&code) => DeclineClass::Technical,
        _ => DeclineClass::Soft,
    };
    Decline { class, code: code.to_owned(), advice: advice.map(str::to_owned) }
}

fn is_missing_method(error: &Value) -> bool {
    let param = error["param"].as_str().unwrap_or_default();
    error["code"].as_str() == Some("resource_missing") && matches!(param, "payment_method" | "customer")
}

/// What an answer that decides nothing means: whoever has no time, or has failed, may have done it all the same.
fn not_answered(answered: &Answered) -> GatewayError {
    let why = why(answered);
    match answered.status {
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => unknown(why),
        status if status.is_client_error() => refused(why),
        _ => unknown(why),
    }
}

/// Its words, which name no card and no key.
pub(super) fn why(answered: &Answered) -> String {
    let error = &answered.body["error"];
    let message = error["message"].as_str().unwrap_or("no reason given");
    // A wrong key stands in the message with its last letters.
    let message = if answered.status == StatusCode::UNAUTHORIZED { "the key is not taken" } else { message };
    format!("it answered {}: {message}", answered.status)
}

/// The answer to a look-up. Several intents under one attempt are nobody's doing but a person's.
pub(super) fn looked_up(answered: &Answered, attempt: AttemptId) -> Result<LookedUp, GatewayError> {
    if !answered.status.is_success() {
        return Err(not_answered(answered));
    }
    let found =
        answered.body["data"].as_array().ok_or_else(|| unknown("it answered without a list".to_owned()))?;
    let is_asked =
        |intent: &&Value| intent["metadata"][ATTEMPT].as_str() == Some(attempt.to_string().as_str());
    let own: Vec<&Value> = found.iter().filter(is_asked).collect();
    let body = match own.as_slice() {
        [] => return Ok(LookedUp::NeverSeen),
        [only] => only,
        _ => return Err(unknown(format!("it has {} charges of one attempt", own.len()))),
    };
    let currency = body["currency"].as_str().unwrap_or_default().to_ascii_uppercase();
    let currency: Currency =
        currency.parse().map_err(|_| unknown(format!("it says the charge is in `{currency}`")))?;
    let amount = body["amount"].as_i64().ok_or_else(|| unknown("it gives no amount".to_owned()))?;
    let answer = intent(body, currency)?;
    Ok(LookedUp::Decided { answer, amount_minor: minor_of(amount, currency), currency })
}

/// The answer to a refund.
pub(super) fn refund_answer(answered: &Answered) -> Result<RefundAnswer, GatewayError> {
    let body = &answered.body;
    if answered.status.is_success() {
        let reference = body["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
        return match (body["status"].as_str().unwrap_or_default(), reference) {
            ("succeeded" | "pending", Some(reference)) => Ok(RefundAnswer::Refunded { reference }),
            ("failed" | "canceled", _) => {
                let code = body["failure_reason"].as_str().unwrap_or("failed").to_owned();
                Ok(RefundAnswer::Declined { code })
            }
            (status, _) => Err(unknown(format!("it answered with a refund in state `{status}`"))),
        };
    }
    let error = &body["error"];
    if matches!(
        answered.status,
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::PAYMENT_REQUIRED
    ) && error["type"].as_str() != Some("idempotency_error")
    {
        let code = error["code"].as_str().or(error["message"].as_str()).unwrap_or("refused").to_owned();
        return Ok(RefundAnswer::Declined { code });
    }
    Err(not_answered(answered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> ChargeRequest {
        ChargeRequest {
            attempt: AttemptId::of("a"),
            invoice: domain::ids::InvoiceId::of("INV-1"),
            token: "cus_1/pm_1".to_owned(),
            amount_minor: 24_875,
            currency: "DKK".parse().unwrap(),
        }
    }

    fn answered(status: u16, body: Value) -> Answered {
        Answered { status: StatusCode::from_u16(status).unwrap(), body }
    }

    fn class(error: Value) -> DeclineClass {
        match charge_answer(&answered(402, json!({ "error": error })), &request()) {
            Ok(ChargeAnswer::Declined(decline)) => decline.class,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_decline_has_its_class_and_advice_beats_the_code() {
        for (error, expected) in [
            (json!({"code": "card_declined", "decline_code": "insufficient_funds"}), DeclineClass::Soft),
            (json!({"code": "card_declined", "decline_code": "do_not_honor"}), DeclineClass::Soft),
            (json!({"code": "card_declined", "decline_code": "stolen_card"}), DeclineClass::Hard),
            (json!({"code": "expired_card"}), DeclineClass::Hard),
            (json!({"code": "authentication_required"}), DeclineClass::Hard),
            (
                json!({"code": "card_declined", "decline_code": "issuer_not_available"}),
                DeclineClass::Technical,
            ),
            (json!({"code": "processing_error"}), DeclineClass::Technical),
            (
                json!({"decline_code": "generic_decline", "advice_code": "do_not_try_again"}),
                DeclineClass::Hard,
            ),
            (
                json!({"decline_code": "generic_decline", "advice_code": "try_again_later"}),
                DeclineClass::Soft,
            ),
            (json!({}), DeclineClass::Soft),
        ] {
            assert_eq!(class(error.clone()), expected, "{error}");
        }
    }

    #[test]
    fn an_intent_is_paid_only_when_it_has_succeeded_and_is_ours() {
        let own = AttemptId::of("a").to_string();
        let intent = |status: &str, attempt: &str| {
            let fee = json!({"balance_transaction": {"fee": 425, "currency": "dkk"}});
            let body =
                json!({"id": "pi_1", "status": status, "metadata": {ATTEMPT: attempt}, "latest_charge": fee});
            charge_answer(&answered(200, body), &request())
        };
        assert_eq!(
            intent("succeeded", &own),
            Ok(ChargeAnswer::Paid { reference: "pi_1".to_owned(), fee_minor: 425 })
        );
        assert!(matches!(intent("succeeded", "another"), Err(GatewayError::Unknown { .. })));
        assert!(matches!(intent("processing", &own), Err(GatewayError::Unknown { .. })));
        assert!(matches!(intent("new_state", &own), Err(GatewayError::Unknown { .. })));
        assert!(matches!(intent("requires_action", &own), Ok(ChargeAnswer::Declined(_))));
    }

    #[test]
    fn what_may_have_happened_is_unknown_and_what_cannot_have_is_refused() {
        let of = |status: u16, error: Value| {
            charge_answer(&answered(status, json!({ "error": error })), &request())
        };
        for status in [409, 429, 500, 502, 503] {
            assert!(matches!(of(status, json!({})), Err(GatewayError::Unknown { .. })), "{status}");
        }
        for status in [400, 401, 403] {
            assert!(matches!(of(status, json!({})), Err(GatewayError::Refused { .. })), "{status}");
        }
        let gone = json!({"code": "resource_missing", "param": "payment_method"});
        let Ok(ChargeAnswer::Declined(decline)) = of(404, gone) else { panic!("a card that is gone") };
        assert_eq!((decline.class, decline.code.as_str()), (DeclineClass::Hard, "no_such_payment_method"));
        let Err(key) = of(401, json!({"message": "Invalid API Key provided: sk_live_***1234"})) else {
            panic!("a wrong key")
        };
        assert!(!key.to_string().contains("1234"), "{key}");
    }
}

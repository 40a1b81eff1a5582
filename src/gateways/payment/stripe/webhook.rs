//! What Stripe tells of its own accord. An event is believed if its signature is right and fresh; what it says is only
//! which attempt to ask about, so that a repeated or late one changes nothing.

use super::ATTEMPT;
use crate::payment::{Event, EventFault};
use domain::ids::AttemptId;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Seconds after which an event is too old to be believed: somebody may be playing it again.
pub const EVENT_AGE_MAX: i64 = 300;

/// Reads an event: `header` is that of `Stripe-Signature`, `now` seconds since 1970.
///
/// ```
/// # use gateways::payment::EventFault;
/// # use gateways::payment::stripe::event;
/// let forged = event(b"{}", "t=1700000000,v1=00", "whsec_secret", 1_700_000_000);
/// assert_eq!(forged, Err(EventFault::Forged));
/// ```
pub fn event(payload: &[u8], header: &str, secret: &str, now: i64) -> Result<Event, EventFault> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").and_then(|(_, time)| time.parse::<i64>().ok());
    let time = time.ok_or_else(|| EventFault::Header("it has no time".to_owned()))?;
    let is_right =
        parts().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| bytes_of(hex)).any(|signature| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
            mac.update(time.to_string().as_bytes());
            mac.update(b".");
            mac.update(payload);
            mac.verify_slice(&signature).is_ok()
        });
    if !is_right || secret.is_empty() {
        return Err(EventFault::Forged);
    }
    // A clock that is ahead here or there is no attack.
    let age = now.saturating_sub(time);
    if age.abs() > EVENT_AGE_MAX {
        return Err(EventFault::Old(age));
    }
    let body: Value = serde_json::from_slice(payload).map_err(|e| EventFault::Unreadable(e.to_string()))?;
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let missing = |name: &str| EventFault::Unreadable(format!("it has no {name}"));
    let attempt = body["data"]["object"]["metadata"][ATTEMPT].as_str();
    Ok(Event {
        id: text("id").ok_or_else(|| missing("id"))?,
        kind: text("type").ok_or_else(|| missing("type"))?,
        attempt: attempt.and_then(|id| id.parse().ok()).map(AttemptId),
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let is_whole = hex.len().is_multiple_of(2) && hex.is_ascii();
    let pairs = (0..hex.len()).step_by(2);
    is_whole.then(|| pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_test_secret";
    const NOW: i64 = 1_700_000_000;

    fn signed(payload: &str, secret: &str, time: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{payload}").as_bytes());
        let hex = domain::hex::hex(&mac.finalize().into_bytes());
        format!("t={time},v1={hex}")
    }

    #[test]
    fn only_what_is_signed_and_fresh_is_believed() {
        let attempt = AttemptId::of("a");
        let payload = format!(
            r#"{{"id":"evt_1","type":"payment_intent.succeeded","data":{{"object":{{"metadata":{{"{ATTEMPT}":"{attempt}"}}}}}}}}"#
        );
        let of = |payload: &str, header: &str, now| event(payload.as_bytes(), header, SECRET, now);
        let header = signed(&payload, SECRET, NOW);
        let right = of(&payload, &header, NOW + 10).unwrap();
        assert_eq!((right.id.as_str(), right.attempt), ("evt_1", Some(attempt)));
        // A secret that is being replaced signs beside the new one.
        let both =
            format!("{},v1={}", signed(&payload, "whsec_old", NOW), header.split("v1=").nth(1).unwrap());
        assert!(of(&payload, &both, NOW).is_ok());
        assert_eq!(of(&payload.replace("evt_1", "evt_2"), &header, NOW), Err(EventFault::Forged));
        assert_eq!(of(&payload, &signed(&payload, "whsec_other", NOW), NOW), Err(EventFault::Forged));
        assert_eq!(of(&payload, &header, NOW + 301), Err(EventFault::Old(301)));
        assert_eq!(
            of(&payload, &header.replace(&NOW.to_string(), &(NOW + 300).to_string()), NOW + 301),
            Err(EventFault::Forged)
        );
        for header in ["", "v1=00", "t=x,v1=00"] {
            assert!(matches!(of(&payload, header, NOW), Err(EventFault::Header(_))), "{header}");
        }
        for header in
            [format!("t={NOW}"), format!("t={NOW},v1=zz"), format!("t={NOW},v1=é"), format!("t={NOW},v0=00")]
        {
            assert_eq!(of(&payload, &header, NOW), Err(EventFault::Forged), "{header}");
        }
        let empty = event(b"{}", &signed("{}", "", NOW), "", NOW);
        assert_eq!(empty, Err(EventFault::Forged), "no secret believes nobody");
        assert!(matches!(of("[]", &signed("[]", SECRET, NOW), NOW), Err(EventFault::Unreadable(_))));
    }
}

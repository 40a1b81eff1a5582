//! Charges whose answer was lost: the provider is asked what became of the key, before anything is charged under it
//! again. So money that was taken is booked whatever card the payer has today (rules Y1).
//!
//! Idempotency key: the attempt's id, the provider's idempotency key; a look-up changes nothing.

use crate::context::Context;
use crate::payments::tried::CommittedAttempt;
use domain::money::Money;
use domain::payment::{Decline, DeclineClass};
use gateways::{ChargeAnswer, GatewayError, LookedUp};
use store::payment;

type Answered = (CommittedAttempt, Result<ChargeAnswer, GatewayError>);

/// Parts what has been asked before into what is known by now and what is to be charged; what is new is to be charged.
pub(crate) async fn sort(
    ctx: &Context,
    begun: Vec<CommittedAttempt>,
) -> anyhow::Result<(Vec<Answered>, Vec<CommittedAttempt>)> {
    let (mut known, mut to_charge) = (Vec::new(), Vec::new());
    let mut other_token = Vec::new();
    for mut begun in begun {
        if !begun.asked_before {
            to_charge.push(begun);
            continue;
        }
        match look_up(ctx, &begun).await {
            Ok(LookedUp::NeverSeen) => match never_seen(ctx, &begun) {
                Some(answer) => known.push((begun, answer)),
                None => {
                    other_token.push((begun.attempt.id, begun.token().to_owned()));
                    to_charge.push(begun);
                }
            },
            // What was decided was decided on the card that was asked.
            Ok(LookedUp::Decided { answer, .. }) => {
                begun.method.token = begun.asked_with.take().or(begun.method.token);
                known.push((begun, Ok(answer)));
            }
            // This provider cannot be asked: the same request under the same key says what became of it.
            Err(GatewayError::Refused { .. }) => {
                begun.method.token = begun.asked_with.take().or(begun.method.token);
                to_charge.push(begun);
            }
            Err(error) => known.push((begun, Err(error))),
        }
    }
    if !other_token.is_empty() {
        let mut tx = ctx.store.begin().await?;
        payment::asked_with(&mut tx, &other_token).await?;
        tx.commit().await?;
    }
    Ok((known, to_charge))
}

async fn look_up(ctx: &Context, begun: &CommittedAttempt) -> Result<LookedUp, GatewayError> {
    let attempt = &begun.attempt;
    let unknown = |why: String| GatewayError::Unknown { gateway: attempt.gateway.clone(), why };
    let Some(gateway) = ctx.gateways.get(&attempt.gateway) else {
        return Err(unknown("no such gateway".to_owned()));
    };
    let found = gateway.look_up(attempt.id).await?;
    if let LookedUp::Decided { amount_minor, currency, .. } = &found
        && (*amount_minor, *currency) != (attempt.amount_minor, attempt.currency)
    {
        let (theirs, ours) =
            (Money::new(*amount_minor, *currency), Money::new(attempt.amount_minor, attempt.currency));
        return Err(unknown(format!("it says the charge was of {theirs}, the books say {ours}")));
    }
    Ok(found)
}

/// The provider has never heard of the key. It may be charged, with the payer's method of today, unless there is none:
/// then the attempt ends the day after, when no request can be on its way any more.
fn never_seen(ctx: &Context, begun: &CommittedAttempt) -> Option<Result<ChargeAnswer, GatewayError>> {
    if begun.has_method {
        return None;
    }
    if (ctx.now)().date_naive() > begun.attempt.on {
        let code = "never_asked".to_owned();
        return Some(Ok(ChargeAnswer::Declined(Decline {
            class: DeclineClass::Technical,
            code,
            advice: None,
        })));
    }
    let why =
        format!("it does not know the charge yet, and method {} is gone from the book", begun.attempt.method);
    Some(Err(GatewayError::Unknown { gateway: begun.attempt.gateway.clone(), why }))
}

//! Typed ids. Objects of the book get a v5 UUID of their natural key when they are loaded; what a run makes
//! gets a v8 UUID of the run's ordinal and a hash of its natural key, so that it sorts by run and a retry
//! makes the same one (rules S5).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// Namespace of every v5 id that tallybook derives.
const NAMESPACE: Uuid = Uuid::from_u128(0x7a11_b00c_0000_5000_8000_7a11_b00c_0001);

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of the object that has this natural key; the same key always gives the same id.
            pub fn of(key: &str) -> Self {
                Self(natural($kind, key))
            }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id_types! {
    /// A customer; natural key: account number.
    CustomerId "customer";
    /// A subscription; natural key: subscription number.
    SubscriptionId "subscription";
    /// A product plan; natural key: SKU.
    PlanId "plan";
    /// One logical charge of a subscription over all its billing cycles (Upodi `referenceid`).
    ChargeReference "charge_reference";
    /// A discount; natural key: refkey.
    DiscountId "discount";
    /// A payment method; natural key: account number and refkey.
    PaymentMethodId "payment_method";
    /// An invoice or credit note, from draft to paid.
    InvoiceId "invoice";
    /// A line of an invoice.
    LineId "line";
    /// A ledger entry.
    EntryId "entry";
    /// A key of a program that asks over HTTP.
    ApiKeyId "api_key";
    /// A payment attempt; also the provider's idempotency key (rules Y1).
    AttemptId "attempt";
    /// A billing run.
    RunId "run";
}

fn natural(kind: &str, key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}\u{1f}{key}").as_bytes())
}

impl ChargeReference {
    /// v5 of (subscription, anchor code else charge SKU, ordinal); it survives a plan switch that pairs by
    /// anchor code (rules S5). `ordinal` counts repeats of one optional charge from 0.
    pub fn for_charge(subscription: SubscriptionId, anchor_or_sku: &str, ordinal: u32) -> Self {
        Self::of(&format!("{subscription}\u{1f}{anchor_or_sku}\u{1f}{ordinal}"))
    }
}

/// A v8 UUID that sorts by the run's ordinal and is a function of the natural key alone (rules S5).
/// `run_ordinal` counts runs from 1; acts outside a run use the ordinal of the newest run.
pub fn run_made(run_ordinal: u64, kind: &str, natural_key: &str) -> Uuid {
    let digest = Sha256::digest(format!("{kind}\u{1f}{natural_key}").as_bytes());
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&run_ordinal.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&digest[..10]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_makes_the_same_id_and_later_runs_sort_later() {
        assert_eq!(run_made(7, "invoice", "a"), run_made(7, "invoice", "a"));
        assert!(run_made(7, "invoice", "z") < run_made(8, "invoice", "a"));
        assert_ne!(run_made(7, "invoice", "a"), run_made(7, "line", "a"));
    }
}

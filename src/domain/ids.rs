//! Typed ids. Objects of the book get a v5 UUID of their natural key when they are loaded; what a run makes
//! gets a v8 UUID of the run's ordinal, the payer's place in that run and a hash of its natural key, so that rows sort as
//! they are written and a retry makes the same one (rules S5).

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
    /// A payment attempt; also the provider's idempotency key (rules Y1).
    AttemptId "attempt";
    /// A billing run.
    RunId "run";
}

/// The id of an object of the book, made once from its natural key (rules S5).
pub fn book_id(kind: crate::book_file::ObjectKind, key: &str) -> Uuid {
    use crate::book_file::ObjectKind;
    match kind {
        ObjectKind::Customer => CustomerId::of(key).0,
        ObjectKind::Subscription => SubscriptionId::of(key).0,
        ObjectKind::ProductPlan => PlanId::of(key).0,
        ObjectKind::Discount => DiscountId::of(key).0,
        other => natural(other.singular(), key),
    }
}

fn natural(kind: &str, key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}\u{1f}{key}").as_bytes())
}

/// The id of a part of the book that has no type of its own: a unit of measure, a tax rule.
pub fn book_part(kind: &str, natural_key: &str) -> Uuid {
    natural(kind, natural_key)
}

impl ChargeReference {
    /// v5 of (subscription, anchor code else charge SKU, ordinal); it survives a plan switch that pairs by
    /// anchor code (rules S5). `ordinal` counts repeats of one optional charge from 0.
    pub fn for_charge(subscription: SubscriptionId, anchor_or_sku: &str, ordinal: u32) -> Self {
        Self::of(&format!("{subscription}\u{1f}{anchor_or_sku}\u{1f}{ordinal}"))
    }
}

impl AttemptId {
    /// The id of an invoice's n-th attempt: two workers who begin the same one ask with the same key.
    pub fn nth(invoice: InvoiceId, ordinal: u32) -> Self {
        Self::of(&format!("{invoice}\u{1f}{ordinal}"))
    }
}

/// The payer's place in its run, fixed when the run opens: 28 bits of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u32);

impl Place {
    /// Of what a person does outside a run: after every payer.
    pub const OUTSIDE_RUN: Self = Self(0x0fff_ffff);

    /// A payer's place, counted from 0. Beyond 268 million the ids are as good, they only sort together.
    pub fn of(position: u32) -> Self {
        Self(position.min(Self::OUTSIDE_RUN.0 - 1))
    }
}

/// A v8 UUID that sorts by the run's ordinal and the payer's place, and else is a function of the natural key alone (rules S5).
/// `run_ordinal` counts runs from 1; acts outside a run use the ordinal of the newest run.
///
/// Bits: 32 ordinal, 16 of the place, 4 version, 12 of the place, 2 variant, 62 hash.
pub fn run_made(run_ordinal: u64, place: Place, kind: &str, natural_key: &str) -> Uuid {
    let digest = Sha256::digest(format!("{kind}\u{1f}{natural_key}").as_bytes());
    let ordinal = run_ordinal.to_be_bytes();
    let mut bytes = [0u8; 16];
    bytes[..4].copy_from_slice(&ordinal[4..]);
    // The version stands in the upper half of the seventh byte.
    bytes[4..6].copy_from_slice(&(place.0 >> 12).to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(place.0 & 0xfff).to_be_bytes()[2..]);
    bytes[8..].copy_from_slice(&digest[..8]);
    Uuid::new_v8(bytes)
}

/// An id that sorts beside the one it belongs to: its first half, and a hash of both (rules S5).
pub fn made_beside(owner: Uuid, kind: &str, natural_key: &str) -> Uuid {
    let digest = Sha256::digest(format!("{kind}\u{1f}{owner}\u{1f}{natural_key}").as_bytes());
    let mut bytes = *owner.as_bytes();
    bytes[8..].copy_from_slice(&digest[..8]);
    Uuid::new_v8(bytes)
}

/// The ids that may stand beside this one: the first and the last of them.
pub fn owners_beside(id: Uuid) -> (Uuid, Uuid) {
    // The version stands behind the sixth byte.
    let (mut first, mut last) = (*id.as_bytes(), *id.as_bytes());
    first[6..].fill(0);
    last[6..].fill(0xff);
    (Uuid::from_bytes(first), Uuid::from_bytes(last))
}

/// Whether an id can have been made beside its owner's.
pub fn is_beside(owner: Uuid, id: Uuid) -> bool {
    owner.as_bytes()[..6] == id.as_bytes()[..6]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_makes_the_same_id_and_later_runs_and_places_sort_later() {
        let made = |run, place, kind, key| run_made(run, Place::of(place), kind, key);
        assert_eq!(made(7, 3, "invoice", "a"), made(7, 3, "invoice", "a"));
        assert_ne!(made(7, 3, "invoice", "a"), made(7, 3, "line", "a"));
        let mut before = made(7, 0, "invoice", "a");
        for place in [1, 4_095, 4_096, 70_000, 1 << 27, u32::MAX] {
            let next = made(7, place, "invoice", "a");
            assert!(before < next, "{place}");
            assert_eq!(next.get_version_num(), 8);
            before = next;
        }
        let outside = run_made(7, Place::OUTSIDE_RUN, "invoice", "a");
        assert!(before < outside && outside < made(8, 0, "invoice", "a"));
        let entry = made_beside(before, "entry", "booking");
        assert_eq!(entry.as_bytes()[..8], before.as_bytes()[..8]);
        assert_ne!(entry, before);
        let (first, last) = owners_beside(entry);
        assert!(is_beside(before, entry) && first <= before && before <= last);
    }
}

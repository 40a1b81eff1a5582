//! What endpoints of others are told, how it is signed, and when it is tried again. Pure: who sends it stands elsewhere.

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv6Addr};
use uuid::Uuid;

/// A change that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// `Customer`, `Invoice`, …
    pub kind: &'static str,
    /// `create`, `book`, …
    pub action: &'static str,
    pub object: Uuid,
}

/// Every kind with its actions.
pub const EVENTS: &[(&str, &[&str])] = &[
    ("Customer", &["create", "update", "delete"]),
    ("Contact", &["create", "update", "delete"]),
    ("PaymentMethod", &["create", "update", "delete"]),
    ("ProductPlan", &["create", "update", "delete"]),
    (
        "Subscription",
        &[
            "create",
            "update",
            "delete",
            "activate",
            "cancel",
            "reactivate",
            "expire",
            "hold",
            "resume",
            "renew",
            "switchplan",
            "setamount",
            "setprice",
            "addoptionalcharge",
            "removecharge",
            "togglecharge",
            "holdcharge",
            "resumecharge",
            "setpaymentmethod",
            "setnextchargedate",
            "skipnextcharge",
            "settrialend",
            "applydiscount",
            "cleardiscount",
        ],
    ),
    ("SubscriptionCharge", &["create", "update", "delete"]),
    (
        "Invoice",
        &[
            "create",
            "cancel",
            "book",
            "paid",
            "partlypaid",
            "credit",
            "refund",
            "declined",
            "dunning",
            "email",
        ],
    ),
    ("Transaction", &["create"]),
    ("Discount", &["create", "update", "delete"]),
    ("UoM", &["create", "update", "delete"]),
    ("BusinessUnit", &["create", "update", "delete"]),
    ("Run", &["close"]),
    ("Webhook", &["ping"]),
];

/// Whether a pattern means an event: `Invoice.book`, `Invoice.*`, `*`.
pub fn means(pattern: &str, kind: &str, action: &str) -> bool {
    let (of, what) = pattern.split_once('.').unwrap_or((pattern, "*"));
    (of == "*" || of.eq_ignore_ascii_case(kind)) && (what == "*" || what.eq_ignore_ascii_case(action))
}

/// What is wrong with a pattern, if anything is.
pub fn pattern_fault(pattern: &str) -> Option<String> {
    let is_known =
        EVENTS.iter().any(|(kind, actions)| actions.iter().any(|action| means(pattern, kind, action)));
    (!is_known).then(|| format!("`{pattern}` means no event: write for example Invoice.*, Invoice.book or *"))
}

/// How long an endpoint is tried with one event, and how long one may fail before it is switched off.
pub const PATIENCE: Duration = Duration::hours(72);
/// How long the secret before the last change still signs.
pub const FORMER_SIGNS: Duration = Duration::hours(24);

/// How long after its n-th failure an event is tried again, give or take a tenth; `dice` is any number of the event's.
pub fn again_after(failures: u32, dice: u64) -> Duration {
    let seconds: i64 = match failures {
        0 | 1 => 5,
        2 => 60,
        3 => 300,
        4 => 1_800,
        _ => 3 * 3_600,
    };
    let tenth = seconds * 1_000 / 10;
    let off = i64::try_from(dice % 2_001).unwrap_or(1_000) - 1_000;
    Duration::milliseconds(seconds * 1_000 + tenth * off / 1_000)
}

/// `100 ns since 1601`, as Upodi writes instants in webhooks.
pub fn filetime(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() * 10 + 116_444_736_000_000_000
}

/// HMAC-SHA256 (RFC 2104) of what is signed by Standard Webhooks: id, time and body with points between.
pub fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut key = [0u8; BLOCK];
    if secret.len() > BLOCK {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let pad = |byte: u8| key.map(|b| b ^ byte);
    let inner =
        Sha256::new().chain_update(pad(0x36)).chain_update(format!("{id}.{timestamp}.{body}")).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Whether an address is for everybody: nothing of a house's own network, of the machine itself, or reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_assigned = a == 192 && b == 0 && c == 0;
            let is_measured = a == 198 && (b == 18 || b == 19);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || is_shared
                || is_assigned
                || is_measured)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let first = v6.segments()[0];
    let is_documentation = first == 0x2001 && v6.segments()[1] == 0xdb8;
    // 6to4 and NAT64 hide an address of the old kind.
    let carries_v4 = first == 0x2002 || first == 0x64;
    (first & 0xe000) == 0x2000 && !is_documentation && !carries_v4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_it_says() {
        assert!(
            means("Invoice.*", "Invoice", "book")
                && means("*", "Run", "close")
                && means("invoice", "Invoice", "book")
        );
        assert!(!means("Invoice.book", "Invoice", "paid") && !means("Customer.*", "Invoice", "book"));
        assert!(pattern_fault("Invoice.booked").is_some() && pattern_fault("Invoice.book").is_none());
    }

    #[test]
    fn signatures_are_hmac_sha256() {
        let hex = crate::hex::hex(&signature(b"Jefe", "what do ya want", 0, ""));
        // python3: hmac.new(b"Jefe", b"what do ya want.0.", "sha256").hexdigest()
        assert_eq!(hex, "d2af716e9687080967b761fc51711c5efa1268d26be5e1630dbe89a62ee17f6f");
    }

    #[test]
    fn only_addresses_for_everybody_are_public() {
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn tries_come_further_apart() {
        let seconds: Vec<i64> = (1..7).map(|n| again_after(n, 1_000).num_seconds()).collect();
        assert_eq!(seconds, [5, 60, 300, 1_800, 10_800, 10_800]);
        assert!((0..5_000).all(|dice| (4_500..=5_500).contains(&again_after(1, dice).num_milliseconds())));
        let at = DateTime::from_timestamp(0, 0).unwrap();
        assert_eq!(filetime(at), 116_444_736_000_000_000);
    }
}

//! Money that comes to a bank account: what a bank says of it, and which invoice it is for (rules Y6).

mod allocation;
mod placing;

pub use allocation::{amount_of, expect_payable, open_or_newest};
pub use placing::*;

use crate::money::Currency;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Money that came, as a bank says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Follows from what the bank says of it: the same entry in another file has the same one.
    pub id: Uuid,
    /// The account that it came to: an IBAN, or what the bank calls it.
    pub account: String,
    pub booked_on: NaiveDate,
    /// Above 0.
    pub amount_minor: i64,
    pub currency: Currency,
    pub name: Option<String>,
    /// The account that it came from.
    pub from: Option<String>,
    /// The structured reference, as delivered.
    pub reference: Option<String>,
    /// What the payer wrote.
    pub text: String,
    /// The bank's own name for it.
    pub bank_reference: Option<String>,
}

/// Tells entries apart. What two files say of one entry is the same; two entries of which a file says the same differ by
/// their place among them.
#[derive(Debug, Default)]
pub struct EntryIds {
    seen: std::collections::BTreeMap<Uuid, u32>,
}

impl EntryIds {
    /// Gives the next entry of a file its id.
    pub fn give(&mut self, received: &mut Received) {
        let r = &*received;
        let own = |text: &Option<String>| text.clone().unwrap_or_default();
        let said = match &r.bank_reference {
            Some(reference) => vec![reference.clone()],
            None => vec![own(&r.name), own(&r.from), own(&r.reference), r.text.clone()],
        };
        let day = r.booked_on.to_string();
        let natural =
            [&[r.account.clone(), day, r.amount_minor.to_string(), r.currency.to_string()][..], &said]
                .concat()
                .join("\u{1f}");
        let first = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("bank entry\u{1f}{natural}").as_bytes());
        let times = self.seen.entry(first).or_insert(0);
        *times += 1;
        received.id = match *times {
            1 => first,
            n => Uuid::new_v5(&first, n.to_string().as_bytes()),
        };
    }
}

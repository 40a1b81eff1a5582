//! What people call a draft: the last digits of its id, eight, or more where another draft ends in the same. Its first
//! digits are those of the run, and the same for all of its drafts.

use domain::ids::InvoiceId;
use std::collections::BTreeMap;
use store::{Tx, draft};

/// Digits of a name at least.
pub(crate) const DIGITS: usize = 8;

/// The names of drafts among each other.
pub(crate) struct Names(BTreeMap<InvoiceId, String>);

impl Names {
    /// Of all that are open or set aside.
    pub async fn all(tx: &mut Tx) -> anyhow::Result<Self> {
        Ok(Self::of(draft::open_ids(tx).await?))
    }

    fn of(ids: Vec<InvoiceId>) -> Self {
        let mut backwards: Vec<(String, InvoiceId)> =
            ids.into_iter().map(|id| (digits(id).chars().rev().collect(), id)).collect();
        backwards.sort_unstable();
        backwards.dedup();
        let shared =
            |one: &str, other: &str| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let name = |place: usize| {
            let own = &backwards[place].0;
            let before = place.checked_sub(1).map_or(0, |place| shared(own, &backwards[place].0));
            let after = backwards.get(place + 1).map_or(0, |(next, _)| shared(own, next));
            let length = DIGITS.max(before.max(after) + 1).min(own.len());
            own.chars().take(length).collect::<Vec<char>>().into_iter().rev().collect()
        };
        Self((0..backwards.len()).map(|place| (backwards[place].1, name(place))).collect())
    }

    /// Of one of them; of others the whole id.
    pub fn name(&self, id: InvoiceId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// The name of a draft that is open or set aside; of others the whole id.
pub(crate) async fn name_of(tx: &mut Tx, id: InvoiceId) -> anyhow::Result<String> {
    let digits = digits(id);
    Ok(Names::of(draft::ids_ending(tx, &digits[digits.len() - DIGITS..]).await?).name(id))
}

/// Ids of drafts, open or set aside, that end in these digits.
pub(crate) async fn named(tx: &mut Tx, name: &str) -> anyhow::Result<Vec<InvoiceId>> {
    let name = name.replace('-', "").to_ascii_lowercase();
    if !(DIGITS..=32).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Vec::new());
    }
    let mut found = draft::ids_ending(tx, &name[name.len() - DIGITS..]).await?;
    found.retain(|id| digits(*id).ends_with(&name));
    Ok(found)
}

fn digits(id: InvoiceId) -> String {
    id.0.simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_name_is_as_long_as_it_must_be() {
        let ids = [0x1000_aaaa_bbbb_u128, 0x2000_aaaa_bbbb, 0x3111_aaaa_bbbb, 0x5555_cccc_dddd]
            .map(|id| InvoiceId(Uuid::from_u128(id)));
        let names = Names::of(ids.to_vec());
        let told = ids.map(|id| names.name(id));
        assert_eq!(told, ["1000aaaabbbb", "2000aaaabbbb", "1aaaabbbb", "ccccdddd"]);
        let other = InvoiceId(Uuid::from_u128(7));
        assert_eq!(names.name(other), other.to_string());
    }
}

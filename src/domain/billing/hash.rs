//! What is billed as a hash: lines and amounts, not ids, numbers or times. A preview and its posting have the same.

use crate::hex::hex;
use crate::invoice::Draft;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Hash of one payer's drafts.
pub(super) fn payer_hash(drafts: &[Draft]) -> String {
    let mut text = String::new();
    for draft in drafts {
        let _ = writeln!(text, "draft {} {} {}", draft.currency, draft.charge_date, draft.invoice_date);
        for line in &draft.lines {
            let key = line.key.as_ref();
            let _ = writeln!(
                text,
                "line {} {} {} {} {} {} {} {} {} {} {} {}",
                key.map_or(String::new(), |k| k.charge.to_string()),
                line.period.start,
                line.period.end,
                key.map_or("custom", |k| k.kind.name()),
                key.map_or(0, |k| k.ordinal),
                line.sku,
                line.rated_quantity.normalize(),
                line.subtotal_minor,
                line.discount_minor,
                line.vat_minor,
                line.tax_category.code(),
                line.tax_pct.normalize(),
            );
        }
    }
    hex(&Sha256::digest(text.as_bytes()))
}

/// Hash of a run: over (account number, payer's hash) in payer order; empty if nobody is billed.
pub fn run_hash<'a>(payers: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hasher = Sha256::new();
    let mut any = false;
    for (account, hash) in payers {
        any = true;
        hasher.update(account.as_bytes());
        hasher.update([0x1f]);
        hasher.update(hash.as_bytes());
        hasher.update([b'\n']);
    }
    if any { hex(&hasher.finalize()) } else { String::new() }
}

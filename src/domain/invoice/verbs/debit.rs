//! Direct debits: which invoices go into the next file of the bank, and what its answers do (rules Y8).

use super::charge::{Choice, choose, new_attempt};
use super::money::{fee, paid_online};
use super::{Account, Answer, Books, Effects, Occasion, PayerHistory, answered};
use crate::customer::PaymentMethod;
use crate::direct_debit::class_of;
use crate::invoice::Settlement;
use crate::ledger::PostingFault;
use crate::payment::{Attempt, AttemptState, Decline, DeclineClass};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// What becomes of an invoice that waits for a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Debiting {
    /// Nothing is to be fetched any more: it was paid, or a debit of it is under way.
    Nothing,
    /// It goes into the file; the attempt is kept before the file is written (rules Y1).
    Take(Box<FileEntry>),
    /// It cannot be fetched, and its dunning goes on.
    Unusable(String, Settlement),
}

/// A debit of the next file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    pub attempt: Attempt,
    pub method: PaymentMethod,
    /// The marks while the bank has not answered.
    pub settlement: Settlement,
}

/// Decides. `used` has the last day on which money was fetched with each mandate; `collect_on` is the day for this one.
pub fn debit(
    account: &Account<'_>,
    known: &PayerHistory,
    used: &BTreeMap<String, NaiveDate>,
    collect_on: NaiveDate,
    today: NaiveDate,
) -> Debiting {
    let Some(payer) = account.payer else { return Debiting::Nothing };
    if account.open_minor() <= 0 || account.pending().is_some() {
        return Debiting::Nothing;
    }
    let unusable = |refkey: &str, why: &str, class| {
        let (policy, payable_by) = (account.policy, account.invoice.payable_by);
        let after = account.settlement.declined(policy, payable_by, class, 0, today);
        let named = if refkey.is_empty() { String::new() } else { format!("method {refkey}: ") };
        Debiting::Unusable(format!("{named}{why}"), after)
    };
    let method = match choose(account.invoice, payer, &account.attempts, known, Occasion::Booking, collect_on)
    {
        Choice::Method(method) => method,
        Choice::Manual => return unusable("", "the payer has no direct debit any more", DeclineClass::Hard),
        Choice::Unusable(refkey, why) => return unusable(&refkey, &why, DeclineClass::Hard),
    };
    let Some(mandate) = &method.mandate else {
        return unusable(&method.refkey, "the payer pays otherwise by now", DeclineClass::Soft);
    };
    if let Some(why) = mandate.ended_by(used.get(&mandate.id).copied(), collect_on) {
        return unusable(&method.refkey, why, DeclineClass::Hard);
    }
    let attempt = new_attempt(account, payer, &method, collect_on);
    let settlement = account.settlement.awaiting_answer();
    Debiting::Take(Box::new(FileEntry { attempt, method, settlement }))
}

/// A debit that was not carried out, or came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned<'a> {
    /// The bank's code.
    pub code: &'a str,
    /// What the bank keeps for it, 0 or more, minor units.
    pub fee_minor: i64,
    pub on: NaiveDate,
}

/// A debit that the bank has not carried out: a decline, and the bank's fee.
///
/// # Errors
/// If the fee cannot be posted.
pub fn rejected(
    account: &Account<'_>,
    attempt: Attempt,
    returned: Returned<'_>,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let attempt = Attempt { fee_minor: returned.fee_minor, on: returned.on, ..attempt };
    let entries = fee(account, &attempt, books)?.into_iter().collect();
    let decline = Decline { class: class_of(returned.code), code: returned.code.to_owned(), advice: None };
    let technical_in_a_row = account.technical_before(attempt.ordinal);
    Ok(Effects { entries, ..answered(account, attempt, technical_in_a_row, Answer::Declined(&decline)) })
}

/// A debit that was paid and went back: the invoice is open again, the fee is an expense, and its dunning goes on. What goes back
/// is an attempt of its own, below 0: what was answered does not change.
///
/// # Errors
/// If it cannot be posted.
pub fn given_back(
    account: &Account<'_>,
    paid: &Attempt,
    returned: Returned<'_>,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let ordinal = account.next_ordinal();
    let attempt = Attempt {
        id: crate::ids::AttemptId::nth(account.invoice.draft.id, ordinal),
        ordinal,
        amount_minor: -paid.amount_minor,
        on: returned.on,
        state: AttemptState::Paid,
        provider_reference: Some(paid.id.to_string()),
        decline_code: Some(returned.code.to_owned()),
        fee_minor: returned.fee_minor,
        ..paid.clone()
    };
    let class = class_of(returned.code);
    let mut effects = paid_online(account, attempt, books)?;
    let open = effects.settlement.take().map(|after| {
        let (policy, payable_by) = (account.policy, account.invoice.payable_by);
        match after.is_closed(account.invoice.draft.gross_minor()) {
            true => after,
            false => after.declined(policy, payable_by, class, 0, returned.on),
        }
    });
    effects.settlement = open;
    effects.declined_for_good = class == DeclineClass::Hard;
    Ok(effects)
}

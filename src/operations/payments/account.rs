//! Booked invoices as the verbs of the domain look at them.

use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::dunning::DunningPolicy;
use domain::invoice::verbs::Account;
use domain::payment::Attempt;
use std::borrow::Cow;
use store::invoice::Booked;

/// The policy that an invoice is dunned by.
pub(crate) fn policy_of<'c>(catalogue: &'c Catalogue, booked: &Booked) -> Cow<'c, DunningPolicy> {
    catalogue.dunning_policy(booked.invoice.draft.dunning_policy.as_deref())
}

/// An invoice with its attempts, out of those of several.
pub(crate) fn account<'a>(
    booked: &'a Booked,
    attempts: &'a [Attempt],
    payer: Option<&'a Customer>,
    policy: &'a DunningPolicy,
) -> Account<'a> {
    let own = attempts.iter().filter(|attempt| attempt.invoice == booked.invoice.draft.id);
    Account {
        invoice: &booked.invoice,
        settlement: &booked.settlement,
        attempts: own.collect(),
        payer,
        policy,
    }
}

//! Payers whom a step could not serve.

use domain::ids::CustomerId;
use std::collections::BTreeMap;

/// Payers that a step could not serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// A person has to do something; the payer's item fails.
    pub failed: BTreeMap<CustomerId, String>,
    /// Will be tried again by itself; the payer's item says so and does not fail.
    pub waiting: BTreeMap<CustomerId, String>,
}

impl SetAside {
    /// A person has to do something about this payer; the first reason stays.
    pub fn fail(&mut self, payer: CustomerId, reason: impl Into<String>) {
        self.failed.entry(payer).or_insert_with(|| reason.into());
    }

    /// This payer waits for another try; the first reason stays.
    pub fn wait(&mut self, payer: CustomerId, reason: impl Into<String>) {
        self.waiting.entry(payer).or_insert_with(|| reason.into());
    }

    /// Adds what another part of the step found.
    pub fn extend(&mut self, other: SetAside) {
        other.failed.into_iter().for_each(|(payer, reason)| self.fail(payer, reason));
        other.waiting.into_iter().for_each(|(payer, reason)| self.wait(payer, reason));
    }
}

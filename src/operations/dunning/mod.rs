//! What is done about invoices that are not paid: retries, reminders, and the steps of a policy.

mod late_charges;
pub mod retry;
pub mod steps;

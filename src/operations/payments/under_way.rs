//! What is said of a payment that has no answer yet, and who knows the answer: the provider, who is asked, or the bank,
//! which answers a direct debit with a file.

pub use domain::payment::{ask_for, under_way as refusal};

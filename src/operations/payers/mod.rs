//! Payers: who owes what, and who gets mail.

pub mod list;
pub mod show;
pub mod statement;
pub mod view;

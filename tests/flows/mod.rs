//! From files to ledger, as an operator would do it.

mod book_changes;
mod buckets;
mod crash;
mod custom;
mod dunning;
mod flights;
mod fuzz;
mod golden;
mod homes;
mod journal;
mod kill;
mod lost_answers;
mod mail;
mod money;
mod month;
mod operate;
mod postgres;
mod private;
mod rebill;
mod reference;
mod review;
mod subscriptions;
mod tamper;
mod tls;
mod together;
mod xml;

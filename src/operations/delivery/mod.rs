//! What reaches the payer: documents and mails.

pub mod bounces;
pub mod claims;
pub mod deliver;
mod late_charges;
pub mod open;
pub mod plan;
pub mod render;
pub mod send;

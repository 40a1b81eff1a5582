//! How the home fares: what a person looks for, and what monitors ask.

pub mod doctor;
pub mod figures;
pub mod findings;
mod waiting;

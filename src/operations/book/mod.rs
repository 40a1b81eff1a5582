//! The book: files in and out, its objects one by one, and discounts of customers.

pub mod discount;
pub mod documents;
pub mod export;
pub mod load;
pub mod metadata;
pub mod objects;
pub mod personal;
pub mod warnings;

//! The book: loading files, and discounts of customers.

pub mod discount;
pub mod load;
pub mod personal;
pub mod warnings;

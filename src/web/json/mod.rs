//! JSON with exact numbers: what comes in is the book file's reader ([`domain::book_file::Node`]); what goes out is a
//! [`Tree`], whose amounts keep their digits.

mod tree;

pub use tree::Tree;

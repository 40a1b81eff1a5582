//! What strangers hand to tallybook, as bytes: a book file, a scenario, and in `usage_entry.rs` a usage file. Whatever the
//! bytes are, the answer is a result or a refusal, never a panic; and what was read is accounted for.

use domain::book_file::{StoredBook, read_text};

/// `tallybook load`.
pub fn book_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(faults) = read_text("book.json", &text, &StoredBook::default()) {
        assert!(!faults.is_empty(), "refused without a reason");
    }
}

/// `tallybook simulate`, which loads, takes in usage, acts, bills, books and posts.
pub fn scenario(bytes: &[u8]) {
    let answer = domain::simulate::simulate(&String::from_utf8_lossy(bytes), |_| String::new());
    for step in answer["steps"].as_array().into_iter().flatten() {
        let is_told = step["ok"] == true || step["error"]["code"].is_string();
        assert!(is_told, "a step without an answer: {step}");
    }
}

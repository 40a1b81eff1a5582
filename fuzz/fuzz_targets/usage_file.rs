#![no_main]

#[path = "../usage_entry.rs"]
#[allow(dead_code)]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::usage_file(bytes));

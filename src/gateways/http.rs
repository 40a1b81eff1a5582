//! What every caller of a server of others says when it did not answer.

use std::error::Error;

/// The chain of causes, without the URL: it may be a secret.
pub(crate) fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

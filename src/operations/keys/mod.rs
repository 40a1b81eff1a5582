//! Keys of the HTTP API: 256 random bits that are shown once and kept as their SHA-256.

mod check;
mod create;
mod list;
mod revoke;

pub use check::{Checked, check};
pub use create::{Created, NewKey, create};
pub use domain::api_key::{Numbers, Scope};
pub use list::{KeyView, list};
pub use revoke::{Revoked, revoke};
pub use store::api_key::ApiKey;

use domain::hex::hex;
use sha2::{Digest, Sha256};

/// What is kept of a key, and looked up.
fn hash_of(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

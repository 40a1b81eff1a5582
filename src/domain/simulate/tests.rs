//! Scenarios from load to ledger.

use super::simulate;
use serde_json::{Value, json};

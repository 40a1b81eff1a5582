//! What the seller has printed besides figures, and in what form its invoices are mailed.

use super::Tenant;
use crate::einvoice::InvoiceForm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of a tenant; every part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paper {
    /// Of payers who do not say.
    pub form: InvoiceForm,
    /// Entry in a register and the like, in the foot of each page: `HRB 12345, Amtsgericht Hamburg`.
    pub registration: Option<String>,
    /// Notes by language, in place of the tenant's one for all.
    pub notes: BTreeMap<String, String>,
}

impl Tenant {
    /// The note under the totals for a reader of this language: its own, that of the language without its region, the one for
    /// all.
    pub fn note(&self, language: &str) -> Option<&str> {
        let primary = language.split(['-', '_']).next().unwrap_or(language);
        let own = [language, primary].into_iter().find_map(|name| self.paper.notes.get(name));
        own.or(self.invoice_note.as_ref()).map(String::as_str).filter(|note| !note.trim().is_empty())
    }
}

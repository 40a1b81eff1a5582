//! Documents: invoices as PDF and mails. Values in, bytes out; no I/O but the reading of templates, no clock.
//!
//! [`Templates`] holds words, colours, fonts and mail texts (built in, or from a folder); a [`Renderer`] is made of them
//! once and shared between threads; an [`InvoiceDocument`] says what to print.
//!
//! The same values always give the same bytes: PDF dates and `/ID` come from the invoice, and nothing else does.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod einvoice;
mod error;
mod figures;
mod invoice;
mod mail;
mod paper;
mod report;
mod templates;
mod transfer_code;
mod writable;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod speed;

pub use einvoice::{EInvoice, Gap};
pub use error::{DocumentError, TemplateError};
pub use figures::Figures;
pub use invoice::letter::{OpenItem, ReminderLevel, StatementDocument, StatementLine};
pub use invoice::{Collection, DebitNotice, InvoiceDocument};
pub use mail::{InvoiceMail, MailKind};
pub use report::{RunMail, run_page};
pub use templates::{Labels, Templates, Theme};
pub use writable::Unwritable;

use domain::mail::Mail;
use paper::{Fonts, Logo};

/// Makes documents of one set of templates. Fonts are parsed once; share it between threads behind a reference.
pub struct Renderer {
    templates: Templates,
    fonts: Fonts,
    logo: Option<Logo>,
    mails: mail::MailTexts,
}

impl Renderer {
    /// Parses fonts, logo and mail templates. Every fault names its file.
    pub fn new(templates: &Templates) -> Result<Self, TemplateError> {
        Ok(Self {
            fonts: Fonts::parse(templates)?,
            logo: templates.logo.as_ref().map(Logo::decode).transpose()?,
            mails: mail::MailTexts::parse(templates)?,
            templates: templates.clone(),
        })
    }

    /// The invoice, credit note or draft as PDF. Whole or not at all: a text that no font can write is refused.
    pub fn render_invoice(&self, document: &InvoiceDocument) -> Result<Vec<u8>, DocumentError> {
        let labels = self.templates.labels(&document.draft.language);
        match writable::unwritable(&self.fonts, document.texts().chain(labels.texts())) {
            Some(unwritable) => Err(DocumentError::Unwritable { document: document.name(), unwritable }),
            None => invoice::render(self, document),
        }
    }

    /// A payer's statement of account as PDF.
    pub fn render_statement(&self, statement: &StatementDocument<'_>) -> Result<Vec<u8>, DocumentError> {
        let document = &statement.newest;
        let labels = self.templates.labels(&document.draft.language);
        match writable::unwritable(&self.fonts, document.texts().chain(labels.texts())) {
            Some(unwritable) => Err(DocumentError::Unwritable { document: document.name(), unwritable }),
            None => invoice::letter::statement(self, statement),
        }
    }

    /// The mail about an invoice to one address (rules B2: in the payer's language).
    pub fn compose(&self, mail: &InvoiceMail) -> Result<Mail, DocumentError> {
        mail::compose(self, mail)
    }

    /// The report of a run to the operator.
    pub fn run_report(&self, mail: &RunMail) -> Result<Mail, DocumentError> {
        report::run_mail(self, mail)
    }

    /// Whether documents are written in this language; otherwise they are in English.
    pub fn has_language(&self, language: &str) -> bool {
        self.templates.has_language(language)
    }

    /// The first of these texts that cannot be written on an invoice.
    pub fn unwritable<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Option<Unwritable> {
        writable::unwritable(&self.fonts, texts)
    }
}

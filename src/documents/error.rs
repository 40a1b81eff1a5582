//! What can go wrong with templates and documents.

/// A template is missing or broken. An operator fixes the named file.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A folder of templates has a part of what belongs together.
    #[error("template {file} is missing")]
    Missing {
        /// The file that should be there.
        file: String,
    },
    /// The file cannot be read.
    #[error("template {file} cannot be read: {why}")]
    Unreadable {
        /// The file as it was sought.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The file is not what its name says.
    #[error("template {file} is broken: {why}")]
    Broken {
        /// The file.
        file: String,
        /// The first fault, with its place if it has one.
        why: String,
    },
}

impl TemplateError {
    pub(crate) fn broken(file: &str, why: impl std::fmt::Display) -> Self {
        Self::Broken { file: file.to_owned(), why: why.to_string().trim().to_owned() }
    }
}

/// A document cannot be made. The payer is set aside with this reason; the rest goes on.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The PDF writer reported a warning: a document that may be incomplete is not sent.
    #[error("rendering {document}: {why}")]
    Pdf {
        /// Number or draft id.
        document: String,
        /// Every warning of the writer.
        why: String,
    },
    /// A text that would show boxes (rules I10).
    #[error("{document} has no PDF: {unwritable}")]
    Unwritable {
        /// Number or draft id.
        document: String,
        /// Which text, and what of it.
        unwritable: crate::writable::Unwritable,
    },
    /// A mail template failed on this invoice.
    #[error("mail about {document}, template {template}: {why}")]
    Mail {
        /// Number or draft id.
        document: String,
        /// The template.
        template: String,
        /// The engine's reason.
        why: String,
    },
    /// Nobody to send as: neither a sender is set nor has the seller an e-mail address.
    #[error("mail about {document}: no sender; set mail.from or the tenant's email")]
    NoSender {
        /// Number or draft id.
        document: String,
    },
}

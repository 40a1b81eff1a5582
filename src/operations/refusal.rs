//! How an operation ends that gives nothing: it was refused, or something broke that nobody expected.

use domain::refusal::{Code, Refusal, Verb, WayOut};
use std::fmt;

/// Why an operation gives nothing. `?` works on both.
#[derive(Debug)]
pub enum Stop {
    /// The asker can act; nothing was changed.
    Refused(Refusal),
    /// Nobody expected it; it is safe to ask again.
    Broke(anyhow::Error),
}

impl Stop {
    /// The refusal's code, if it is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Broke(_) => None,
        }
    }

    /// What to do about a refusal, unless it is said already.
    #[must_use]
    pub fn or(self, way_out: impl Into<WayOut>) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.or(way_out)),
            broke => broke,
        }
    }

    /// As an error, for a job: nobody is there who could be refused.
    pub fn broke(self) -> anyhow::Error {
        match self {
            Self::Refused(refusal) => anyhow::Error::msg(refusal.message),
            Self::Broke(error) => error,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Broke(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Broke(error)
    }
}

impl From<metering::IntakeError> for Stop {
    fn from(error: metering::IntakeError) -> Self {
        match error {
            metering::IntakeError::Internal(error) => Self::Broke(error),
            of_the_file => Self::Refused(unread(&of_the_file)),
        }
    }
}

/// Nobody has this account number.
pub(crate) fn unknown_customer(account: &str) -> Refusal {
    Refusal::new(Code::UnknownCustomer, format!("there is no customer {account}"))
        .ask(Verb::ListBook.on("customer"))
        .hint(" lists account numbers")
}

/// No payer has this account number.
pub(crate) fn unknown_payer(account: &str) -> Refusal {
    Refusal::new(Code::UnknownCustomer, format!("there is no customer {account}"))
        .ask(Verb::ListPayers.plain())
        .hint(" lists them by account number")
}

/// A list that is empty because nobody has this account number would look like good news.
pub(crate) async fn insist_on_customer(tx: &mut store::Tx, account: Option<&str>) -> Result<(), Stop> {
    match account {
        Some(account) if store::book::customer(tx, account).await?.is_none() => {
            Err(unknown_customer(account).into())
        }
        _ => Ok(()),
    }
}

/// A usage file that is not taken in.
pub(crate) fn unread(error: &metering::IntakeError) -> Refusal {
    Refusal::new(error.code(), error.to_string()).or(error.way_out())
}

/// Whether what broke is a bucket that does not answer.
pub fn is_of_bucket(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<gateways::BucketError>())
}

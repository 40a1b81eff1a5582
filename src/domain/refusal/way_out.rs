//! What to do about a refusal, as data: each front end (the command line, HTTP) writes it in its own words.

use crate::subscription::VerbName;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Something that can be asked for instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    LoadBook,
    ListBook,
    PatchObject,
    DeactivateObject,
    DeleteObject,
    IngestUsage,
    ListRefusedUsage,
    Run,
    PreviewRun,
    ListRuns,
    ShowRun,
    ApproveRun,
    CancelRun,
    ReleaseRun,
    RerunRun,
    ReverseRun,
    ListInvoices,
    ListDrafts,
    ShowInvoice,
    CreateInvoice,
    BookDraft,
    CancelDraft,
    SendInvoice,
    MarkPaid,
    CreditInvoice,
    RefundInvoice,
    RetryPayments,
    ImportPayments,
    ExportDebits,
    ListReceived,
    AllocatePayment,
    RefundPayment,
    ListPayers,
    ListMails,
    SendMails,
    ListDiscounts,
    ListSubscriptions,
    ShowSubscription,
    ChangeSubscription(VerbName),
    ExportLedger,
    Report,
    ListPeriods,
    ClosePeriod,
    RecognizePeriod,
    Timetable,
    Doctor,
    Verify,
    Init,
    Backup,
    Restore,
}

impl Verb {
    /// Of everything, or of nothing in particular.
    pub fn plain(self) -> Command {
        Command { verb: self, subject: None, options: Vec::new() }
    }

    /// Of one thing, by the name that people use.
    pub fn on(self, subject: impl ToString) -> Command {
        Command { subject: Some(subject.to_string()), ..self.plain() }
    }
}

/// A verb, what it is asked of, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub verb: Verb,
    pub subject: Option<String>,
    /// In `snake_case`; without a value it is a switch.
    pub options: Vec<(Cow<'static, str>, Option<String>)>,
}

impl Command {
    /// With an option and its value.
    #[must_use]
    pub fn with(mut self, option: &'static str, value: impl ToString) -> Self {
        self.options.push((option.into(), Some(value.to_string())));
        self
    }

    /// With a switch.
    #[must_use]
    pub fn switch(mut self, option: &'static str) -> Self {
        self.options.push((option.into(), None));
        self
    }
}

/// A part of a [`WayOut`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phrase {
    Words(String),
    /// Ask for this.
    Do(Command),
    /// This option of what was asked, with a value if it is to have one.
    Option(Cow<'static, str>, Option<String>),
    /// This setting of the home.
    Setting(Cow<'static, str>),
}

/// What to do about a refusal: a sentence in which all that a front end has its own word for is data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayOut(pub Vec<Phrase>);

impl WayOut {
    /// Goes on in words.
    #[must_use]
    pub fn words(self, words: impl Into<String>) -> Self {
        self.then(Phrase::Words(words.into()))
    }

    /// Goes on with something to ask for.
    #[must_use]
    pub fn ask(self, command: Command) -> Self {
        self.then(Phrase::Do(command))
    }

    /// Goes on with an option of what was asked.
    #[must_use]
    pub fn option(self, name: &'static str, value: Option<String>) -> Self {
        self.then(Phrase::Option(name.into(), value))
    }

    /// Goes on with a setting.
    #[must_use]
    pub fn setting(self, name: &'static str) -> Self {
        self.then(Phrase::Setting(name.into()))
    }

    fn then(mut self, phrase: Phrase) -> Self {
        self.0.push(phrase);
        self
    }
}

impl From<&str> for WayOut {
    fn from(words: &str) -> Self {
        Self::default().words(words)
    }
}

impl From<String> for WayOut {
    fn from(words: String) -> Self {
        Self::default().words(words)
    }
}

impl From<Command> for WayOut {
    fn from(command: Command) -> Self {
        Self::default().ask(command)
    }
}

/// How a front end writes a way out.
pub type Wording = fn(&WayOut) -> String;

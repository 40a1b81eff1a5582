//! What `doctor` can find: the checks by name, and the answer of each.

use domain::refusal::WayOut;
use serde::{Serialize, Serializer};

/// Something that is looked at. Its name is a contract: `--only` takes it, and programs read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Database,
    DatabaseLink,
    DurableCommits,
    Folders,
    Privacy,
    Bucket,
    PaymentProvider,
    WorkerLock,
    Book,
    UnfinishedRuns,
    RefusedFiles,
    RejectedUsage,
    TimeZones,
    Mail,
    Parked,
    Mails,
    Drafts,
    MoneyReceived,
    DirectDebits,
    Reports,
    Ping,
    LastRun,
    LastBackup,
}

impl Check {
    /// Each with its name, and what people read.
    const TABLE: [(Self, &str, &str); 23] = [
        (Self::Database, "database", "database"),
        (Self::DatabaseLink, "database-link", "database link"),
        (Self::DurableCommits, "durable-commits", "durable commits"),
        (Self::Folders, "folders", "folder"),
        (Self::Privacy, "privacy", "who may read the home"),
        (Self::Bucket, "bucket", "bucket"),
        (Self::PaymentProvider, "payment-provider", "payment provider"),
        (Self::WorkerLock, "worker-lock", "worker lock"),
        (Self::Book, "book", "book"),
        (Self::UnfinishedRuns, "unfinished-runs", "unfinished runs"),
        (Self::RefusedFiles, "refused-files", "refused usage files"),
        (Self::RejectedUsage, "rejected-usage", "rejected usage"),
        (Self::TimeZones, "time-zones", "time zones"),
        (Self::Mail, "mail", "mail"),
        (Self::Parked, "parked", "payer"),
        (Self::Mails, "mails", "mails"),
        (Self::Drafts, "drafts", "drafts"),
        (Self::MoneyReceived, "money-received", "money received"),
        (Self::DirectDebits, "direct-debits", "direct debits"),
        (Self::Reports, "reports", "report by mail"),
        (Self::Ping, "ping", "ping"),
        (Self::LastRun, "last-run", "last closed run"),
        (Self::LastBackup, "last-backup", "last good backup"),
    ];

    /// All names, as they are typed.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::TABLE.iter().map(|(_, name, _)| *name)
    }

    /// The check of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, known, _)| *known == name).map(|(check, ..)| *check)
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        Self::TABLE[self as usize]
    }

    /// The word that programs read.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What people read.
    pub fn what(self) -> &'static str {
        self.row().2
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    pub ok: bool,
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub ok: bool,
    pub check: Check,
    pub what: &'static str,
    pub found: String,
    /// Who has to do something: not ok and none means that the program or a service is at fault.
    #[serde(flatten)]
    pub warning: Option<Warned>,
    /// What to do about it.
    #[serde(skip)]
    pub way_out: Option<WayOut>,
}

/// What a person has to look at.
#[derive(Debug, Clone, Serialize)]
pub struct Warned {
    pub code: &'static str,
    pub pointer: String,
    pub message: String,
}

impl Findings {
    /// Whether something would keep a run from working.
    pub fn is_fault(&self) -> bool {
        self.findings.iter().any(|finding| !finding.ok && finding.warning.is_none())
    }
}

impl Finding {
    /// Something that keeps runs from working unless it is fine.
    pub(crate) fn needed(ok: bool, check: Check, found: impl Into<String>) -> Self {
        Self { ok, check, what: check.what(), found: found.into(), warning: None, way_out: None }
    }

    /// Something that keeps no run from working: a person looks at it if it is not fine.
    pub(crate) fn for_a_person(ok: bool, check: Check, code: &'static str, found: String) -> Self {
        let pointer = check.what().to_owned();
        let warning = (!ok).then(|| Warned { code, pointer, message: found.clone() });
        Self { warning, ..Self::needed(ok, check, found) }
    }

    pub(crate) fn way_out(self, way_out: impl Into<WayOut>) -> Self {
        Self { way_out: Some(way_out.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_stands_in_its_row_and_has_a_name_of_its_own() {
        for (row, name) in Check::TABLE.iter().zip(Check::names()) {
            assert_eq!(row.0.name(), name, "the table is in the order of the enum");
            assert_eq!(Check::parse(name), Some(row.0), "{name} twice");
        }
    }
}

//! What a person has settled: folders of the home, sizes, bounds, the timetable.

pub use banking::{CsvMapping, DATE_FORMATS};
use domain::task::TimedJob;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings that jobs look at.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads for usage work, 1 or more.
    pub threads: usize,
    /// Payers per slice at most, 1 to 5000; see [`Settings::slice_of`].
    pub slice_payers: usize,
    /// Periods per charge that one run may catch up.
    pub catch_up_max: u32,
    /// Beyond them a payer is parked for a person.
    pub bounds: domain::billing::bounds::Bounds,
    /// How many days after today a run may bill, and after its last tick the timetable.
    pub days_ahead: u32,
    /// Cron pattern per job of the timetable, or `off`.
    pub timetable: BTreeMap<TimedJob, String>,
    /// Years, after the one of its date, for which bookkeeping law asks for an invoice with its buyer.
    pub retention_years: u32,
    /// Numbers of the tax adviser and of the client there, in files for DATEV.
    pub datev: (u32, u32),
    /// Sender of mails; none = the tenant's address.
    pub mail_from: Option<String>,
    /// Where the system keeps fonts, for names in scripts that ours have not.
    pub fonts_folder: Option<PathBuf>,
    /// Who gets the report of each run by mail.
    pub report_to: Vec<String>,
    /// A file of the inbox is taken once nobody has changed it for so long.
    pub inbox_still: std::time::Duration,
    pub backup: BackupPlan,
    /// What the columns of the bank's CSV files are.
    pub bank: CsvMapping,
}

/// Slices of a step, so that one is read, one computed and one written at any moment.
const SLICES_MIN: usize = 6;

/// A slice smaller than this is not worth its transaction.
const SLICE_MIN: usize = 500;

impl Settings {
    /// So many of `all` payers or drafts are in one slice: a large slice saves transactions, and a run has several of them, so
    /// that they are worked side by side.
    pub fn slice_of(&self, all: usize) -> u32 {
        let several = all.div_ceil(SLICES_MIN).max(SLICE_MIN);
        u32::try_from(several.min(self.slice_payers)).unwrap_or(u32::MAX)
    }
}

/// Backups of the timetable.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    pub folder: PathBuf,
    /// How many stay.
    pub keep: usize,
}

/// Folders of a home.
#[derive(Debug, Clone)]
pub struct Folders {
    pub root: PathBuf,
    pub usage: PathBuf,
    pub inbox: PathBuf,
    pub rejects: PathBuf,
    pub documents: PathBuf,
    pub mail: PathBuf,
    pub exports: PathBuf,
}

impl Folders {
    /// The folders of the home at `root`.
    pub fn at(root: PathBuf) -> Self {
        let below = |name: &str| root.join(name);
        Self {
            usage: below("usage"),
            inbox: below("inbox"),
            rejects: below("rejects"),
            documents: below("documents"),
            mail: below("mail"),
            exports: below("exports"),
            root,
        }
    }
}

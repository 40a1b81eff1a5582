//! A disk that fails, for one process: `faulty_disk.c`, compiled once and preloaded.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("faulty_disk.c");

/// The library; the C compiler that links Rust programs is there wherever these tests are.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, made) = (folder.join("faulty_disk.c"), folder.join("faulty_disk.so"));
        if std::fs::read_to_string(&source).is_ok_and(|text| text == SOURCE) && made.exists() {
            return made;
        }
        std::fs::write(&source, SOURCE).unwrap();
        let new = folder.join(format!("faulty_disk.{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&new)
            .arg(&source)
            .arg("-ldl")
            .status();
        assert!(built.unwrap().success(), "cc");
        std::fs::rename(&new, &made).unwrap();
        made
    })
}

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// No room from the n-th write on.
    Full,
    /// The n-th write or sync fails.
    Failing,
    /// The n-th read fails.
    Unread,
    /// Every read and write does half of what was asked: that is no fault, and must change nothing.
    Short,
    /// In the n-th read of a usage file or document one bit is another.
    Flipped,
}

impl Disk {
    pub const ALL: [Self; 5] = [Self::Full, Self::Failing, Self::Unread, Self::Short, Self::Flipped];

    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "disk full",
            Self::Failing => "write failed",
            Self::Unread => "read failed",
            Self::Short => "short reads and writes",
            Self::Flipped => "flipped bit in a read",
        }
    }

    /// Puts it below a folder for one command; `seen` is made when the fault happens.
    pub fn below(self, command: &mut Command, folder: &Path, at: u64, seen: &Path) {
        let kind = match self {
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Unread => "unread",
            Self::Short => "short",
            Self::Flipped => "flipped",
        };
        command
            .env("LD_PRELOAD", library())
            .env("FAULTY_DISK_KIND", kind)
            .env("FAULTY_DISK_UNDER", folder)
            .env("FAULTY_DISK_AT", at.to_string())
            .env("FAULTY_DISK_SEEN", seen);
    }
}

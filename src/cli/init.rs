//! `init`: make a home, write a commented `tallybook.toml`.

use crate::config::{Config, commented_file};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::Output;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a small commented book and a usage file to begin with
    #[arg(long)]
    sample: bool,
}

/// The small book and its usage, by file name.
const SAMPLE: [(&str, &str); 2] = [
    ("book.ndjson", include_str!("../sample/book.ndjson")),
    ("usage.csv", include_str!("../sample/usage.csv")),
];

/// A home, and whether its settings were made now.
#[derive(Serialize)]
struct Answer<'a> {
    home: &'a Path,
    settings: &'a Path,
    created: bool,
    /// The files to begin with, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'a [PathBuf]>,
}

/// Running it again changes nothing.
pub fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let home = Home::at(&config.home);
    home.make()?;
    let settings = home.settings();
    // It may come to hold passwords.
    let mut new = std::fs::OpenOptions::new();
    new.write(true).create_new(true).mode(0o600);
    let wrote = match new.open(&settings) {
        Ok(mut file) => {
            file.write_all(commented_file().as_bytes())
                .map_err(|e| Failure::fault("home", format!("cannot write {}: {e}", settings.display())))?;
            true
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(Failure::input("home", format!("cannot write {}: {e}", settings.display()))),
    };
    let sample = if args.sample { write_sample(&home)? } else { Vec::new() };
    if output.is_json() {
        let sample = args.sample.then_some(sample.as_slice());
        output.document(&Answer { home: &home.root, settings: &settings, created: wrote, sample });
    } else {
        let word = if wrote { "made" } else { "kept" };
        output.line(&format!("{word} {}", settings.display()));
        let book = sample.first().map_or_else(|| "book.json".to_owned(), |path| path.display().to_string());
        sample.iter().for_each(|path| output.line(&format!("sample {}", path.display())));
        output.say(&format!("next: tallybook --home {} load {book}", home.root.display()));
    }
    Ok(Exit::Done)
}

/// Files that are there already stay as they are: they may be somebody's own by now.
fn write_sample(home: &Home) -> Result<Vec<PathBuf>, Failure> {
    let folder = home.folder("example");
    let failed = |path: &Path, e: std::io::Error| {
        Failure::fault("home", format!("cannot write {}: {e}", path.display()))
    };
    std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let mut paths = Vec::new();
    for (name, text) in SAMPLE {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
        }
        paths.push(path);
    }
    Ok(paths)
}

//! `init`: make a home, write a commented `tallybook.toml`.

use crate::config::{Config, commented_file};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::Output;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {}

/// A home, and whether its settings were made now.
#[derive(Serialize)]
struct Answer<'a> {
    home: &'a Path,
    settings: &'a Path,
    created: bool,
}

/// Running it again changes nothing.
pub fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
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
    if output.is_json() {
        output.document(&Answer { home: &home.root, settings: &settings, created: wrote });
    } else {
        let word = if wrote { "made" } else { "kept" };
        output.line(&format!("{word} {}", settings.display()));
        output.say(&format!("next: tallybook --home {} load book.json", home.root.display()));
    }
    Ok(Exit::Done)
}

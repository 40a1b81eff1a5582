//! `mails bounces`: reports of mails that came back, from files or a mailbox folder.

use super::input;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use operations::act::{Act, Actor};
use operations::delivery::bounces;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a file: an mbox of some thousand reports.
const BYTES_MAX: u64 = 256 << 20;

/// Exit code 3 if something came back: a person is asked.
pub async fn run(app: &App, paths: &[PathBuf], output: &Output) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in files_of(paths)? {
        let mut bytes = Vec::new();
        let read = input::open(&path)?.take(BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|error| input::unreadable(&path, &error))?;
        files.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    let act = Act { actor: Actor::Person(super::operator()), on: app.ctx.today().await? };
    let view = bounces::read(&app.ctx, &act, &files).await?;
    if output.is_json() {
        output.document(&view);
    } else {
        let row = |mail: &bounces::BouncedMail| {
            vec![mail.invoice.clone(), mail.what.clone(), mail.address.clone(), mail.reason.clone()]
        };
        let columns = ["invoice", "what", "mail to", "reason"].map(Column::Left);
        output.table(&columns, view.bounced.iter().map(row).collect());
        output.line(&format!(
            "{} mail(s) read: {} came back, {} known before, {} of a delay or delivery, {} about no mail of ours",
            view.mails,
            view.bounced.len(),
            view.known,
            view.passing,
            view.others
        ));
        if !view.bounced.is_empty() {
            output.say("hint: load the right address and `tallybook mails send --refused`");
        }
    }
    Ok(if view.bounced.is_empty() { Exit::Done } else { Exit::SetAside })
}

/// Files as they are; of a folder its files, and those in `new` and `cur` of a Maildir, in the order of their names.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        for folder in [path.clone(), path.join("new"), path.join("cur")] {
            if folder == *path || folder.is_dir() {
                files.extend(files_in(&folder)?);
            }
        }
    }
    Ok(files)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| input::unreadable(folder, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

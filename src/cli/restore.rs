//! `restore`: a backup becomes a home again, or is proved to be one.

use crate::app::App;
use crate::config::{Config, Origin};
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped};
use jobs::backup_home;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["check", "to"])))]
pub struct Args {
    /// A folder that `backup` made
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Change nothing: compare every file with the manifest, open the books and verify them
    #[arg(long)]
    check: bool,
    /// The home to make; it must not exist
    #[arg(long, value_name = "HOME")]
    to: Option<PathBuf>,
}

/// Exit code 2 if the backup is damaged.
pub async fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    match &args.to {
        Some(home) => restore(&args.folder, home, output),
        None => check(&args.folder, output).await,
    }
}

fn restore(folder: &Path, home: &Path, output: &Output) -> Result<Exit, Failure> {
    if home.exists() {
        return Err(Failure::input("home_exists", format!("{} exists", home.display()))
            .hint("restore into a new folder, look at it, then move it to its place"));
    }
    backup_home::manifest(folder).map_err(not_a_backup)?;
    let manifest = backup_home::restore(folder, home).map_err(|e| {
        Failure::fault("restore", format!("{e:#}")).hint(format!(
            "remove {} and run `tallybook restore --check {}`",
            home.display(),
            folder.display()
        ))
    })?;
    if output.is_json() {
        output.document(
            &serde_json::json!({"home": home, "files": manifest.files.len(), "madeat": manifest.made_at}),
        );
    } else {
        output.line(&format!("{} is the home of {} again", home.display(), manifest.made_at));
        output.say(&format!("next: `tallybook --home {} verify`", home.display()));
    }
    Ok(Exit::Done)
}

async fn check(folder: &Path, output: &Output) -> Result<Exit, Failure> {
    let (manifest, wrong) = backup_home::check(folder).map_err(not_a_backup)?;
    let mut differences = wrong;
    if differences.is_empty() {
        let at = std::env::temp_dir().join(format!("tallybook-check-{}", domain::Uuid::new_v4().simple()));
        backup_home::stand_in(folder, &at)?;
        let verified = verify(&at).await;
        drop(std::fs::remove_dir_all(&at));
        differences = verified?;
    }
    let ok = differences.is_empty();
    if output.is_json() {
        output.document(&serde_json::json!({
            "ok": ok, "files": manifest.files.len(), "bytes": manifest.bytes, "madeat": manifest.made_at, "differences": differences,
        }));
    } else {
        for difference in differences.iter().take(20) {
            output.line(difference);
        }
        let files = grouped(u64::try_from(manifest.files.len()).unwrap_or(u64::MAX));
        let word = if ok { "is whole and its books agree" } else { "is damaged" };
        output.line(&format!("the backup of {} with {files} files {word}", manifest.made_at));
    }
    Ok(if ok { Exit::Done } else { Exit::Fault })
}

/// The first differences of the books that stand at this home.
async fn verify(home: &Path) -> Result<Vec<String>, Failure> {
    let config = Config::settle_sqlite(home.to_owned(), Origin::Default)?;
    let app = App::open_existing(&config).await?;
    let checks = jobs::verify::verify(&app.ctx).await?;
    app.store.close().await;
    let differing = checks.into_iter().filter(|c| !c.ok);
    Ok(differing.map(|c| format!("{}: {}", c.name, c.difference.unwrap_or_default())).collect())
}

fn not_a_backup(error: anyhow::Error) -> Failure {
    Failure::input("not_a_backup", format!("{error:#}")).hint("make one with `tallybook backup DIR`")
}

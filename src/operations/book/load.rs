//! Brings book files in, all or nothing. Reading and converting needs no lock; what the files are checked against is
//! read in the transaction that writes, so that no act between the two is lost.
//!
//! Key that makes a repeat quiet: the content that was loaded last, per object.

use crate::context::Context;
use domain::book_file::{Fault, LoadReport, ObjectKind, Parsed, Pointers};
use domain::journal::{Action, Object};
use domain::refusal::WayOut;
use domain::warning::Warning;
use std::io::Read;
use store::{Tx, erasure, run};

/// Files by name.
pub type Files = Vec<(String, Box<dyn Read + Send>)>;

/// Why nothing was loaded.
#[derive(Debug)]
pub enum Refusal {
    Faults(Vec<Fault>),
    /// The load would move prices, and the drafts of this run are made and not all booked.
    RunStands(u64),
}

/// What a load did.
#[derive(Debug)]
pub struct Loaded {
    pub report: LoadReport,
    /// What will keep a payer from a right invoice, of what was touched.
    pub warnings: Vec<Warning>,
    pub pointers: Pointers,
}

/// Loads files; `Err` holds why not, and nothing is changed then.
pub async fn load(ctx: &Context, files: Files, actor: &str) -> anyhow::Result<Result<Loaded, Refusal>> {
    let parsed = tokio::task::spawn_blocking(|| Parsed::read(files)).await?;
    let mut tx = ctx.store.begin().await?;
    let known = store::book::locked_known(&mut tx, &parsed).await?;
    let set = match parsed.merge(&known) {
        Ok(set) => set,
        Err(faults) => return Ok(Err(Refusal::Faults(faults))),
    };
    drop(known);
    let erased = erased(&mut tx, &set.pointers).await?;
    if !erased.is_empty() {
        return Ok(Err(Refusal::Faults(erased)));
    }
    if set.is_empty() {
        return Ok(Ok(Loaded { report: set.report, warnings: Vec::new(), pointers: set.pointers }));
    }
    if !set.reach.is_nobody()
        && let Some(run) = run::between_drafts_and_booking(&mut tx).await?
    {
        return Ok(Err(Refusal::RunStands(run.ordinal)));
    }
    store::book::save_load(&mut tx, &set).await?;
    let detail = serde_json::to_value(&set.report)?;
    ctx.note(&mut tx, actor, Action::LoadBook, Object::Book, detail).await?;
    tx.commit().await?;
    let warnings = crate::book::warnings::of_load(ctx, &set).await?;
    Ok(Ok(Loaded { report: set.report, warnings, pointers: set.pointers }))
}

/// Who was erased does not come back by an old file.
async fn erased(tx: &mut Tx, pointers: &Pointers) -> anyhow::Result<Vec<Fault>> {
    let customers = pointers.keys().filter(|(kind, _)| *kind == ObjectKind::Customer);
    let accounts: Vec<&str> = customers.map(|(_, account)| account.as_str()).collect();
    let erased = erasure::of_accounts(tx, &accounts).await?;
    let fault = |e: erasure::Erasure| {
        let key = (ObjectKind::Customer, e.account_number);
        Fault {
            file: String::new(),
            pointer: pointers.get(&key).cloned().unwrap_or_default(),
            message: format!("{} was erased on {}", key.1, e.erased_on),
            hint: Some(
                WayOut::default()
                    .words("take it out of the file; who comes back gets another account number"),
            ),
        }
    };
    Ok(erased.into_iter().map(fault).collect())
}

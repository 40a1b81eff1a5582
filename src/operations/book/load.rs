//! Brings book files in, all or nothing. Reading needs no lock; what the files are checked against is read in the
//! transaction that writes, so that no act between the two is lost.
//!
//! Idempotency key: the content that was loaded last, per object.

use crate::act::Actor;
use crate::context::Context;
use crate::refusal::Stop;
use domain::audit::{Action, Object};
use domain::book_file::{self, LoadReport, ObjectKind, Parsed, Pointers};
use domain::ids::CustomerId;
use domain::refusal::{Code, Fault, Refusal, Verb, WayOut};
use domain::run;
use domain::warning::Warning;
use std::io::Read;
use store::book_object::{Source, Writer};
use store::load::{Loaded as Changed, Outcome};
use store::{Tx, erasure};

/// Customers and subscriptions from which a load leaves a log behind that is worth folding at once.
const LARGE: usize = 2_000;

/// Files by name.
pub type Files = Vec<(String, Box<dyn Read + Send>)>;

/// What a load did.
#[derive(Debug)]
pub struct Loaded {
    pub report: LoadReport,
    /// What will keep a payer from a right invoice, of what was touched.
    pub warnings: Vec<Warning>,
    pub pointers: Pointers,
}

/// Loads files.
pub async fn load(ctx: &Context, actor: &Actor, files: Files) -> Result<Loaded, Stop> {
    let parsed = tokio::task::spawn_blocking(|| Parsed::read(files)).await.map_err(anyhow::Error::from)?;
    let mut tx = ctx.store.begin().await?;
    let changed = write(ctx, &mut tx, parsed, actor, Source::File).await?;
    if changed.is_nothing() {
        return Ok(Loaded { report: changed.report, warnings: Vec::new(), pointers: changed.pointers });
    }
    let detail = serde_json::to_value(&changed.report).map_err(anyhow::Error::from)?;
    ctx.note(&mut tx, actor, Action::LoadBook, Object::Book, detail).await?;
    tx.commit().await?;
    if changed.touched.len() > LARGE {
        ctx.store.fold_log().await?;
    }
    let warnings = crate::book::warnings::of_load(ctx, &changed).await?;
    Ok(Loaded { report: changed.report, warnings, pointers: changed.pointers })
}

/// Judges what was written and saves it; what is refused is rolled back by the caller, who drops the transaction.
pub(crate) async fn write(
    ctx: &Context,
    tx: &mut Tx,
    parsed: Parsed,
    actor: &Actor,
    source: Source,
) -> Result<Changed, Stop> {
    let by = actor.to_string();
    let writer = Writer { at: (ctx.now)(), by: &by, source };
    match store::load::load(tx, parsed, &writer).await? {
        Outcome::Loaded(changed) => match erased(tx, &changed).await? {
            faults if faults.is_empty() => Ok(changed),
            faults => Err(faulty(faults, source).into()),
        },
        Outcome::RunStands(run) => Err(run::stands(run.ordinal, run.state, &run.scope).into()),
        Outcome::Faulty(faults) => Err(faulty(faults, source).into()),
    }
}

fn faulty(faults: Vec<book_file::Fault>, source: Source) -> Refusal {
    let count = faults.len();
    let several = faults.iter().any(|fault| fault.file != faults[0].file);
    let told = faults.into_iter().map(|fault| Fault {
        pointer: if several { format!("{} {}", fault.file, fault.pointer) } else { fault.pointer },
        message: fault.message,
        way_out: fault.hint,
    });
    let told = told.collect();
    match source {
        Source::File => {
            Refusal::new(Code::FaultyBook, format!("the book has {count} fault(s); nothing was changed"))
                .hint("fix the file and run the same ")
                .ask(Verb::LoadBook.plain())
                .hint(" again")
        }
        Source::Request => {
            Refusal::new(Code::FaultyBook, format!("the object has {count} fault(s); nothing was changed"))
                .hint("fix what each of them names, and ask again")
        }
    }
    .with(told)
}

/// Who was erased does not come back by an old file.
async fn erased(tx: &mut Tx, changed: &Changed) -> anyhow::Result<Vec<book_file::Fault>> {
    let customers = changed.pointers.keys().filter(|(kind, _)| *kind == ObjectKind::Customer);
    let accounts = customers.map(|(_, account)| account.as_str());
    let accounts: Vec<&str> =
        accounts.filter(|account| changed.touched.contains(&CustomerId::of(account))).collect();
    let erased = erasure::of_accounts(tx, &accounts).await?;
    let fault = |e: erasure::Erasure| {
        let key = (ObjectKind::Customer, e.account_number);
        book_file::Fault {
            file: String::new(),
            pointer: changed.pointers.get(&key).cloned().unwrap_or_default(),
            message: format!("{} was erased on {}", key.1, e.erased_on),
            hint: Some(WayOut::from("take it out of the file; who comes back gets another account number")),
        }
    };
    Ok(erased.into_iter().map(fault).collect())
}

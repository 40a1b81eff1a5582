//! A transaction that is lent for a while: what reads the books meanwhile, in the same task, reads in it, and sees what is
//! not committed yet. So what shows an object also shows it as a transaction is about to leave it.

use crate::tx::Tx;
use anyhow::{Context, ensure};
use sqlx::{Database, Postgres, Sqlite, Transaction};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a lent transaction lies while nobody reads in it.
type Place<DB> = Arc<Mutex<Option<Transaction<'static, DB>>>>;

/// A transaction, and where it goes back to if it is lent.
pub struct Held<DB: Database> {
    transaction: Option<Transaction<'static, DB>>,
    lent_from: Option<Place<DB>>,
}

impl<DB: Database> Held<DB> {
    pub(crate) fn new(transaction: Transaction<'static, DB>) -> Self {
        Self { transaction: Some(transaction), lent_from: None }
    }

    /// The transaction, to end it: not one that is lent.
    pub(crate) fn taken(mut self) -> anyhow::Result<Transaction<'static, DB>> {
        ensure!(self.lent_from.is_none(), "a lent transaction is ended by its owner");
        self.transaction.take().context("the transaction is lent")
    }

    fn lend(&mut self) -> Place<DB> {
        Arc::new(Mutex::new(self.transaction.take()))
    }

    fn take_back(&mut self, place: &Place<DB>) -> anyhow::Result<()> {
        let back = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.transaction = Some(back.context("a lent transaction did not come back")?);
        Ok(())
    }

    fn borrowed(place: &Place<DB>) -> anyhow::Result<Self> {
        let transaction = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let transaction = transaction.context("somebody reads in the lent transaction already")?;
        Ok(Self { transaction: Some(transaction), lent_from: Some(Arc::clone(place)) })
    }
}

impl<DB: Database> Deref for Held<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        let Some(transaction) = &self.transaction else { unreachable!("{LENT}") };
        transaction
    }
}

impl<DB: Database> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        let Some(transaction) = &mut self.transaction else { unreachable!("{LENT}") };
        transaction
    }
}

const LENT: &str = "nobody works in a transaction while it is lent";

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if let (Some(place), Some(transaction)) = (&self.lent_from, self.transaction.take()) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(transaction);
        }
    }
}

#[derive(Clone)]
enum Lent {
    Sqlite(Place<Sqlite>),
    Postgres(Place<Postgres>),
}

tokio::task_local! {
    static LENT_NOW: Lent;
}

/// The transaction that is lent to this task, to read in it; none if none is.
pub(crate) fn borrowed() -> anyhow::Result<Option<Tx>> {
    let Ok(lent) = LENT_NOW.try_with(Clone::clone) else { return Ok(None) };
    Ok(Some(match lent {
        Lent::Sqlite(place) => Tx::Sqlite(Held::borrowed(&place)?),
        Lent::Postgres(place) => Tx::Postgres(Held::borrowed(&place)?),
    }))
}

/// Whether a transaction is lent to this task.
pub(crate) fn is_lent() -> bool {
    LENT_NOW.try_with(|_| ()).is_ok()
}

/// Does some work whose reads of the books are made in this transaction.
pub(crate) async fn while_lent<W: Future>(tx: &mut Tx, work: W) -> anyhow::Result<W::Output> {
    let lent = match tx {
        Tx::Sqlite(held) => Lent::Sqlite(held.lend()),
        Tx::Postgres(held) => Lent::Postgres(held.lend()),
    };
    let output = LENT_NOW.scope(lent.clone(), work).await;
    match (tx, &lent) {
        (Tx::Sqlite(held), Lent::Sqlite(place)) => held.take_back(place)?,
        (Tx::Postgres(held), Lent::Postgres(place)) => held.take_back(place)?,
        _ => anyhow::bail!("a transaction is lent as what it is"),
    }
    Ok(output)
}

//! One transaction type for both drivers, so that every statement is written once.
//!
//! `on!(tx, c => expr)` expands `expr` per driver; what the drivers cannot agree on is a [`PerDriver`] text or one
//! of the newtypes of [`crate::value`].

use crate::lent::Held;
use sqlx::{Postgres, Sqlite};

/// A transaction on either database. Dropped without [`Tx::commit`] it rolls back.
pub enum Tx {
    /// SQLite: `begin immediate` on the one writer, or a snapshot on a reader.
    Sqlite(Held<Sqlite>),
    /// PostgreSQL.
    Postgres(Held<Postgres>),
}

/// `on!(tx, c => expr)`: `c` is `&mut SqliteConnection` in one arm, `&mut PgConnection` in the other.
macro_rules! on {
    ($tx:expr, $c:ident => $body:expr) => {
        match $tx {
            $crate::tx::Tx::Sqlite(t) => {
                let $c = &mut **t;
                $body
            }
            $crate::tx::Tx::Postgres(t) => {
                let $c = &mut **t;
                $body
            }
        }
    };
}
pub(crate) use on;

/// The few texts that must differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerDriver {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// `by_keys!("select … where id", uuid, " order by id")`: the rows whose column is in the list bound to `$1`.
/// The kinds are those of [`crate::value::Ids`] (`uuid`) and [`crate::value::Texts`] (`text`).
macro_rules! by_keys {
    ($before:expr, uuid, $after:expr) => {
        $crate::tx::PerDriver {
            sqlite: concat!($before, " in (select unhex(value) from json_each($1))", $after),
            postgres: concat!($before, " = any($1)", $after),
        }
    };
    ($before:expr, text, $after:expr) => {
        $crate::tx::PerDriver {
            sqlite: concat!($before, " in (select value from json_each($1))", $after),
            postgres: concat!($before, " = any($1)", $after),
        }
    };
}
pub(crate) use by_keys;

impl Tx {
    /// The text for this transaction's driver.
    pub(crate) fn pick(&self, sql: &PerDriver) -> &'static str {
        match self {
            Tx::Sqlite(_) => sql.sqlite,
            Tx::Postgres(_) => sql.postgres,
        }
    }

    /// Makes everything durable, with the answer to the request that it is done for. The door `store.commit` of the crash
    /// tests: nothing has an effect before it.
    pub async fn commit(mut self) -> anyhow::Result<()> {
        crate::request::answer(&mut self).await?;
        crate::crash::point("store.commit");
        match self {
            Tx::Sqlite(t) => t.taken()?.commit().await?,
            Tx::Postgres(t) => t.taken()?.commit().await?,
        }
        crate::crash::point("store.commit");
        Ok(())
    }

    /// Keeps fewer pages of a SQLite file in memory, or as many as usual: what is written once and in order needs few.
    pub(crate) async fn keep_pages(&mut self, kibibytes: &'static str) -> anyhow::Result<()> {
        if let Tx::Sqlite(t) = self {
            let sql = format!("pragma cache_size = {kibibytes}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **t).await?;
        }
        Ok(())
    }

    /// Undoes everything now, instead of when the transaction is dropped.
    pub async fn rollback(self) -> anyhow::Result<()> {
        match self {
            Tx::Sqlite(t) => t.taken()?.rollback().await?,
            Tx::Postgres(t) => t.taken()?.rollback().await?,
        }
        Ok(())
    }

    /// Whether the transaction runs on SQLite.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Tx::Sqlite(_))
    }
}

/// Whether trying again later may help: the database was busy, restarting, or two writers met.
pub fn is_transient(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<sqlx::Error>() {
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed,
        ) => true,
        Some(sqlx::Error::Database(e)) => e.code().is_some_and(|code| {
            // SQLite: busy, locked. PostgreSQL: serialization, deadlock, shutdown, too many connections.
            matches!(
                code.as_ref(),
                "5" | "6" | "261" | "517" | "40001" | "40P01" | "57P01" | "57P03" | "53300"
            )
        }),
        _ => false,
    })
}

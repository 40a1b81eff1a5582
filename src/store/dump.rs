//! The books of a PostgreSQL database as files, one per table, and back into an empty one. `copy` in text form is what
//! the server itself guarantees to read again; everything is read in one snapshot, while others work on.
//!
//! The queue's tables stay behind: a task is a hint, and the slices say what there is to do.

use crate::open::{OpenError, POSTGRES_MIGRATIONS, Store};
use crate::postgres_url;
use crate::tx::Tx;
use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use uuid::Uuid;

/// What the tables are, in the folder of their files.
pub const TABLES: &str = "tables.json";
/// Bytes sent at once.
const CHUNK: usize = 1 << 20;

/// A dump of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// The migration that the books stood at.
    pub version: i64,
    pub tables: Vec<Table>,
}

/// One table; its rows are in `<name>.copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
    pub rows: u64,
}

/// Writes every table of the books into a new folder, as they stand in this snapshot; PostgreSQL only.
pub async fn write(tx: &mut Tx, folder: &Path) -> anyhow::Result<Dump> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making {}", folder.display()))?;
    let Tx::Postgres(tx) = tx else {
        anyhow::bail!("only books in PostgreSQL are written table by table");
    };
    let mut tables = Vec::new();
    for (name, columns) in tables_of(tx).await? {
        let statement = format!("copy {} ({}) to stdout", quoted(&name), list(&columns));
        let rows = write_rows(tx, &statement, &folder.join(format!("{name}.copy"))).await;
        tables.push(Table { rows: rows.with_context(|| format!("copying {name}"))?, name, columns });
    }
    let dump = Dump { version: newest(), tables };
    let mut file = private(&folder.join(TABLES))?;
    file.write_all(&serde_json::to_vec_pretty(&dump)?)?;
    file.sync_all()?;
    Ok(dump)
}

/// A PostgreSQL database that a dump may be brought into.
pub struct Server(PgConnectOptions);

impl Server {
    /// The database of this URL.
    pub fn of_url(url: &str) -> Result<Self, OpenError> {
        postgres_url::options(url).map(Self)
    }

    /// The database that the books are in; none on SQLite.
    pub fn of(store: &Store) -> Option<Self> {
        store.postgres_options().map(|options| Self((*options).clone()))
    }

    /// Brings a dump into the empty database, all or nothing. The books stand at the migration of the dump then; opening
    /// them brings them on.
    pub async fn load(&self, folder: &Path) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.0).await?;
        bring_in(&mut connection, folder).await?;
        Ok(connection.close().await?)
    }

    /// Brings a dump into a new schema of the database, to look at it. What dead processes have left of this kind goes
    /// first: a schema's name is locked as long as its process lives.
    pub async fn stand(&self, folder: &Path) -> anyhow::Result<ScratchSchema> {
        let schema = format!("{STANDING}{}", Uuid::new_v4().simple());
        let mut guard = PgConnection::connect_with(&self.0).await?;
        sweep(&mut guard).await?;
        sqlx::query("select pg_advisory_lock(hashtextextended($1, 7))")
            .bind(&schema)
            .execute(&mut guard)
            .await?;
        let standing = ScratchSchema { server: Self(self.0.clone()), schema, guard };
        let mut connection = PgConnection::connect_with(&self.0).await?;
        let statement = format!("create schema {0}; set search_path to {0}", quoted(&standing.schema));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        if let Err(error) = bring_in(&mut connection, folder).await {
            drop(standing.fall().await);
            return Err(error);
        }
        connection.close().await?;
        Ok(standing)
    }
}

/// Books in a schema for as long as somebody looks at them.
pub struct ScratchSchema {
    server: Server,
    schema: String,
    /// Its session holds the lock of the name.
    guard: PgConnection,
}

impl ScratchSchema {
    /// Opens the books, without a queue: to look at them.
    pub async fn open(&self) -> Result<Store, OpenError> {
        Store::open_schema(self.server.0.clone(), &self.schema).await
    }

    /// Drops the schema.
    pub async fn fall(mut self) -> anyhow::Result<()> {
        drop_schema(&mut self.guard, &self.schema).await?;
        Ok(self.guard.close().await?)
    }
}

/// Begins the names of schemas in which books stand to be looked at.
const STANDING: &str = "tallybook_check_";

/// Drops the schemas whose processes are gone.
async fn sweep(connection: &mut PgConnection) -> anyhow::Result<()> {
    let schemas: Vec<String> = sqlx::query_scalar(
        "select nspname::text
         from pg_namespace
         where starts_with(nspname::text, $1)
           and pg_has_role(nspowner, 'usage')",
    )
    .bind(STANDING)
    .fetch_all(&mut *connection)
    .await?;
    for schema in schemas {
        let is_left_behind: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 7))")
            .bind(&schema)
            .fetch_one(&mut *connection)
            .await?;
        if is_left_behind {
            drop_schema(connection, &schema).await?;
            let unlocked = sqlx::query("select pg_advisory_unlock(hashtextextended($1, 7))");
            unlocked.bind(&schema).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn drop_schema(connection: &mut PgConnection, schema: &str) -> anyhow::Result<()> {
    let statement = format!("drop schema if exists {} cascade", quoted(schema));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Brings a dump into the empty schema of a connection.
async fn bring_in(connection: &mut PgConnection, folder: &Path) -> anyhow::Result<()> {
    let dump = read(folder)?;
    let known = newest();
    ensure!(
        dump.version <= known,
        "the backup is of a newer version ({}) than this program knows ({known})",
        dump.version
    );
    let found = tables_of(connection).await?;
    ensure!(found.is_empty(), "the database is not empty: it has the table {}", found[0].0);
    POSTGRES_MIGRATIONS.run_to(dump.version, &mut *connection).await?;
    let mut tx = connection.begin().await?;
    fill(&mut tx, &dump, folder).await?;
    tx.commit().await?;
    Ok(())
}

/// What a dump holds.
pub fn read(folder: &Path) -> anyhow::Result<Dump> {
    let path = folder.join(TABLES);
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
}

/// Every table gets its rows; what the migrations have put in goes first, and triggers sleep: what they would do has been
/// done.
async fn fill(tx: &mut PgConnection, dump: &Dump, folder: &Path) -> anyhow::Result<()> {
    let by_name: BTreeMap<&str, &Table> =
        dump.tables.iter().map(|table| (table.name.as_str(), table)).collect();
    let order = parents_first(tx).await?;
    let known: BTreeSet<&str> = order.iter().map(String::as_str).collect();
    let strange = by_name.keys().find(|name| !known.contains(*name));
    ensure!(strange.is_none(), "the backup has a table {strange:?} that version {} has not", dump.version);
    for name in order.iter().rev() {
        let statement = format!("alter table {0} disable trigger user; delete from {0}", quoted(name));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    for name in &order {
        let Some(table) = by_name.get(name.as_str()) else { continue };
        let statement = format!("copy {} ({}) from stdin", quoted(name), list(&table.columns));
        let rows = read_rows(tx, &statement, &folder.join(format!("{name}.copy"))).await;
        let rows = rows.with_context(|| format!("bringing back {name}"))?;
        ensure!(rows == table.rows, "{name}: {rows} rows came back instead of {}", table.rows);
    }
    for name in &order {
        let statement = format!("alter table {} enable trigger user", quoted(name));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    Ok(())
}

/// The tables of the books with their columns, by name.
async fn tables_of(connection: &mut PgConnection) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    Ok(sqlx::query_as(
        "select c.relname::text, array_agg(a.attname::text order by a.attnum)
         from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
         where c.relnamespace = current_schema()::regnamespace
           and c.relkind = 'r'
           and c.relname <> '_sqlx_migrations'
         group by c.relname
         order by c.relname",
    )
    .fetch_all(connection)
    .await?)
}

/// The tables of the books, each after those that it refers to.
async fn parents_first(connection: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let parents: Vec<(String, String)> = sqlx::query_as(
        "select child.relname::text, parent.relname::text
         from pg_constraint k
         join pg_class child on child.oid = k.conrelid
         join pg_class parent on parent.oid = k.confrelid
         where k.contype = 'f'
           and k.conrelid <> k.confrelid
           and k.connamespace = current_schema()::regnamespace",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut waiting: Vec<String> = tables_of(connection).await?.into_iter().map(|(name, _)| name).collect();
    let mut order: Vec<String> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_ready = |name: &String| {
            parents.iter().filter(|(child, _)| child == name).all(|(_, parent)| order.contains(parent))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_ready);
        ensure!(!ready.is_empty(), "tables refer to each other in a circle: {rest:?}");
        order.extend(ready);
        waiting = rest;
    }
    Ok(order)
}

async fn write_rows(connection: &mut PgConnection, statement: &str, path: &Path) -> anyhow::Result<u64> {
    let mut file = private(path)?;
    let mut rows: u64 = 0;
    let mut stream = connection.copy_out_raw(statement).await?;
    while let Some(chunk) = stream.try_next().await? {
        // A line end within a value is written `\n`: each byte that is one ends a row.
        rows += chunk.iter().filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>();
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    Ok(rows)
}

async fn read_rows(connection: &mut PgConnection, statement: &str, path: &Path) -> anyhow::Result<u64> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut chunk = vec![0_u8; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(copy.finish().await?),
            read => drop(copy.send(&chunk[..read]).await?),
        }
    }
}

fn private(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("writing {}", path.display()))
}

fn newest() -> i64 {
    POSTGRES_MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

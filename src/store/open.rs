//! Opening a database: create, check the version, migrate, and set what makes it durable.

use crate::lent::{self, Held};
use crate::postgres_url;
use crate::request;
use crate::tx::Tx;
use anyhow::{Context, ensure};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqliteConnection, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");
pub(crate) static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// How long a statement waits for the writer before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long apalis waits: longer, because a worker that meets an error dies.
const QUEUE_BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// Prepared statements kept per SQLite connection: bulk inserts have four texts per table.
const STATEMENTS_KEPT: usize = 400;
const READERS: u32 = 4;
/// Pages that the one writer keeps, in KiB, below zero as SQLite wants it: 256 MiB.
pub(crate) const WRITER_CACHE: &str = "-262144";
/// Pages of 4 KiB in the write-ahead log before they are folded into the file: a page that a run writes many times is then
/// written there once.
const PAGES_IN_LOG: &str = "10000";
/// Rows that SQLite's thread may read ahead of us: each row alone would wake two threads.
const ROWS_AHEAD: usize = 1_000;
/// Bytes of the write-ahead log that stay once its content is in the file.
const LOG_BYTES_KEPT: &str = "67108864";
/// How long a fold of the log waits for who reads.
const FOLD_TIMEOUT: Duration = Duration::from_secs(1);
const FOLD: &str = "pragma wal_checkpoint(truncate)";
const POSTGRES_CONNECTIONS: u32 = 16;
/// A process that is frozen in the middle of a transaction, ours or one of apalis', would hold its locks for ever: the
/// server ends a session that says nothing for so long.
const POSTGRES_SILENCE: (&str, &str) = ("idle_in_transaction_session_timeout", "30s");
/// A transaction that reads holds nobody up, and may wait for files.
const POSTGRES_READ: &str = "begin isolation level repeatable read, read only; \
     set local idle_in_transaction_session_timeout = '1h'";

/// Where the books are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file; created with mode 0600 if it is not there.
    Sqlite { path: PathBuf },
    /// A server of version 15 or later; the database must exist.
    Postgres { url: String },
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A later tallybook has migrated it.
    #[error("the database is of version {found}, this program knows version {known} at most")]
    Newer { found: i64, known: i64 },
    /// A migration that was applied differs from ours: another program, or a damaged file.
    #[error("migration {version} of the database is not the one of this program")]
    Changed { version: i64 },
    /// PostgreSQL before 15.
    #[error("PostgreSQL {found} is too old: version 15 or later is needed")]
    TooOld { found: String },
    /// The URL cannot be read.
    #[error("the database URL cannot be read: {0}")]
    Url(String),
    /// No file, no permission, no server, no database.
    #[error("the database cannot be opened: {0}")]
    Unreachable(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
}

#[derive(Debug, Clone)]
enum Pools {
    Sqlite { writer: SqlitePool, reader: SqlitePool, queue: SqlitePool },
    Postgres(PgPool),
}

/// How the connection to a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// The server is on this machine, as far as the URL says.
    pub is_local: bool,
    /// TLS, as the server itself says.
    pub is_encrypted: bool,
    /// The server's certificate is checked.
    pub is_verified: bool,
}

/// The pool on which apalis works.
#[derive(Debug, Clone)]
pub enum QueuePool {
    /// Two connections of their own, durable, with a long busy timeout.
    Sqlite(SqlitePool),
    /// The store's pool.
    Postgres(PgPool),
}

impl Store {
    /// Opens or creates the database and brings it to this program's version.
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        let store = match database {
            Database::Sqlite { path } => Self::open_sqlite(path).await?,
            Database::Postgres { url } => Self::open_postgres(url).await?,
        };
        store.write_documents().await?;
        Ok(store)
    }

    /// Books of a version that did not keep documents get them, once.
    async fn write_documents(&self) -> anyhow::Result<()> {
        let mut tx = self.read().await?;
        if !crate::book_object::is_to_be_written(&mut tx).await? {
            return Ok(());
        }
        drop(tx);
        let mut tx = self.begin().await?;
        crate::book_object::write_missing(&mut tx).await.context("writing the documents of the book")?;
        tx.commit().await
    }

    /// Begins a transaction that writes. On SQLite it holds the write lock from here on: keep it under a second.
    pub async fn begin(&self) -> anyhow::Result<Tx> {
        ensure!(!lent::is_lent(), "what shows an object does not write");
        let mut tx = match &self.pools {
            Pools::Sqlite { writer, .. } => {
                Tx::Sqlite(Held::new(writer.begin_with("begin immediate").await?))
            }
            Pools::Postgres(pool) => Tx::Postgres(Held::new(pool.begin().await?)),
        };
        request::begun(&mut tx).await?;
        Ok(tx)
    }

    /// Begins a read: one consistent snapshot that neither waits for writers nor holds them up. Writing in it fails. While a
    /// transaction is lent to this task, the read is made in it.
    pub async fn read(&self) -> anyhow::Result<Tx> {
        if let Some(lent) = lent::borrowed()? {
            return Ok(lent);
        }
        Ok(match &self.pools {
            Pools::Sqlite { reader, .. } => Tx::Sqlite(Held::new(reader.begin().await?)),
            Pools::Postgres(pool) => Tx::Postgres(Held::new(pool.begin_with(POSTGRES_READ).await?)),
        })
    }

    /// The pool for apalis.
    pub fn queue_pool(&self) -> QueuePool {
        match &self.pools {
            Pools::Sqlite { queue, .. } => QueuePool::Sqlite(queue.clone()),
            Pools::Postgres(pool) => QueuePool::Postgres(pool.clone()),
        }
    }

    /// Folds the write-ahead log into the file and empties it: after a transaction of hundreds of megabytes it would stay as
    /// large as that. Who reads meanwhile is waited for a while, then left in peace. A server has no such file.
    pub async fn fold_log(&self) -> anyhow::Result<()> {
        let Pools::Sqlite { writer, .. } = &self.pools else { return Ok(()) };
        let mut connection = writer.acquire().await?;
        let waits = |time: Duration| format!("pragma busy_timeout = {}", time.as_millis());
        for statement in [waits(FOLD_TIMEOUT), FOLD.to_owned(), waits(BUSY_TIMEOUT)] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Rewrites the file, so that nothing of what was deleted is left in its free pages or in the log beside it. It
    /// fails while another process writes. A server does it by itself in time.
    pub async fn scrub(&self) -> anyhow::Result<()> {
        if let Pools::Sqlite { writer, .. } = &self.pools {
            sqlx::query("vacuum").execute(writer).await?;
        }
        self.fold_log().await
    }

    /// Whether the books are a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.pools, Pools::Sqlite { .. })
    }

    /// Writes the books as they stand at one moment into a new SQLite file, while others work on; SQLite only.
    pub async fn copy_to(&self, path: &Path) -> anyhow::Result<()> {
        let Pools::Sqlite { reader, .. } = &self.pools else {
            anyhow::bail!("only books in SQLite are copied by tallybook");
        };
        let path = path.to_str().context("the path is not UTF-8")?;
        sqlx::query("vacuum into $1").bind(path).execute(reader).await.context("copying the database")?;
        Ok(())
    }

    /// How what goes between us and a PostgreSQL server is protected; none on SQLite.
    pub async fn traffic(&self) -> anyhow::Result<Option<Traffic>> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(None) };
        let options = pool.connect_options();
        let is_loopback = |host: &str| {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        let encrypted: Option<bool> =
            sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
                .fetch_optional(pool)
                .await?;
        Ok(Some(Traffic {
            is_local: options.get_socket().is_some() || is_loopback(options.get_host()),
            is_encrypted: encrypted.unwrap_or(false),
            is_verified: matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull),
        }))
    }

    /// Closes every connection and waits for them; on SQLite this folds the write-ahead log into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, reader, queue } => {
                reader.close().await;
                queue.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// `pragma synchronous` of every pool's connection, for the durability test: 2 is FULL. Empty on PostgreSQL.
    pub async fn synchronous(&self) -> anyhow::Result<Vec<i64>> {
        let Pools::Sqlite { writer, queue, .. } = &self.pools else { return Ok(Vec::new()) };
        let mut levels = vec![sqlx::query_scalar("pragma synchronous").fetch_one(writer).await?];
        let (mut one, mut two) = (queue.acquire().await?, queue.acquire().await?);
        levels.push(sqlx::query_scalar("pragma synchronous").fetch_one(&mut *one).await?);
        levels.push(sqlx::query_scalar("pragma synchronous").fetch_one(&mut *two).await?);
        Ok(levels)
    }

    async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_KEPT)
            .row_buffer_size(ROWS_AHEAD)
            .pragma("temp_store", "memory")
            .pragma("wal_autocheckpoint", PAGES_IN_LOG)
            .pragma("journal_size_limit", LOG_BYTES_KEPT)
            .pragma("cache_size", "-65536");
        // The keys of periods and payers are hashes: what a large run writes is spread over the whole of their indexes.
        let writer = sqlite_pool(options.clone().pragma("cache_size", WRITER_CACHE), 1, BUSY_TIMEOUT).await?;
        migrate_sqlite(&writer).await?;
        let queue = sqlite_pool(options.clone(), 2, QUEUE_BUSY_TIMEOUT).await?;
        let reader = sqlite_pool(options.read_only(true), READERS, BUSY_TIMEOUT).await?;
        Ok(Self { pools: Pools::Sqlite { writer, reader, queue } })
    }

    async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let options = postgres_url::options(url)?.options([POSTGRES_SILENCE]);
        let pool = postgres_pool(options).await?;
        migrate_postgres(&pool).await?;
        Ok(Self { pools: Pools::Postgres(pool) })
    }

    /// Opens the books in a schema of a database; they have no queue there.
    pub(crate) async fn open_schema(options: PgConnectOptions, schema: &str) -> Result<Self, OpenError> {
        let pool = postgres_pool(options.options([("search_path", schema)])).await?;
        POSTGRES_MIGRATIONS.run(&pool).await.map_err(|e| refused(e, &POSTGRES_MIGRATIONS))?;
        let store = Self { pools: Pools::Postgres(pool) };
        store.write_documents().await?;
        Ok(store)
    }

    /// How the server is reached; none on SQLite.
    pub(crate) fn postgres_options(&self) -> Option<Arc<PgConnectOptions>> {
        match &self.pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres(pool) => Some(pool.connect_options()),
        }
    }
}

/// Connections to a server that is not too old.
async fn postgres_pool(options: PgConnectOptions) -> Result<PgPool, OpenError> {
    // The program has two cryptographic libraries, and rustls will not choose. Another choice before us is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|e| OpenError::Unreachable(e.to_string()))?;
    let version: String = sqlx::query_scalar("select current_setting('server_version_num')")
        .fetch_one(&pool)
        .await
        .context("asking PostgreSQL for its version")?;
    if version.parse::<u32>().unwrap_or(0) < 150_000 {
        return Err(OpenError::TooOld { found: version });
    }
    Ok(pool)
}

async fn sqlite_pool(
    options: SqliteConnectOptions,
    connections: u32,
    busy_timeout: Duration,
) -> Result<SqlitePool, OpenError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(QUEUE_BUSY_TIMEOUT)
        .after_release(|connection, _| Box::pin(has_ended_its_transaction(connection)))
        .connect_with(options.busy_timeout(busy_timeout))
        .await
        .map_err(|e| OpenError::Unreachable(e.to_string()))
}

/// Whether a connection may be used again. After a full or broken disk SQLite has rolled back by itself; sqlx's own rollback
/// then fails, it goes on counting a transaction, and refuses to begin another on this connection for ever. Or the rollback
/// failed, and the connection holds the write lock. Such a one is closed.
async fn has_ended_its_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if connection.is_in_transaction() {
        connection.ping().await?; // a rollback that is under way comes before it
    }
    Ok(!connection.is_in_transaction())
}

async fn migrate_sqlite(writer: &SqlitePool) -> Result<(), OpenError> {
    SQLITE_MIGRATIONS.run(writer).await.map_err(|e| refused(e, &SQLITE_MIGRATIONS))?;
    // Their migrations would clash with ours in `_sqlx_migrations`, and their `setup()` turns durability off.
    let mut theirs = SqliteStorage::<()>::migrations();
    theirs.dangerous_set_table_name("_apalis_migrations");
    theirs.run(writer).await.context("migrating the queue")?;
    Ok(())
}

async fn migrate_postgres(pool: &PgPool) -> Result<(), OpenError> {
    POSTGRES_MIGRATIONS.run(pool).await.map_err(|e| refused(e, &POSTGRES_MIGRATIONS))?;
    PostgresStorage::<()>::migrations().run(pool).await.context("migrating the queue")?;
    Ok(())
}

fn refused(error: MigrateError, ours: &Migrator) -> OpenError {
    let known = ours.iter().map(|m| m.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionNotPresent(found) => {
            OpenError::Newer { found, known }
        }
        MigrateError::VersionTooNew(found, _) => OpenError::Newer { found, known },
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            OpenError::Changed { version }
        }
        other => OpenError::Other(anyhow::Error::new(other).context("migrating the database")),
    }
}

/// Creates the file for its owner alone before SQLite opens it; its audit log files inherit the mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|e| OpenError::Unreachable(format!("{}: {e}", path.display())))
}

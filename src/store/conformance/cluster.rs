//! A PostgreSQL cluster of our own for the time of the tests: in a temporary folder, on a Unix socket, without fsync.
//! It ends with the test process, because its keeper reads from a pipe that ends with us.

use sqlx::{Connection, PgConnection};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Cluster {
    folder: PathBuf,
    /// Keeps the pipe open.
    _keeper: Child,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a new, empty database; none without PostgreSQL on this machine.
pub async fn fresh_database() -> Option<String> {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start)).await.unwrap().as_ref()?;
    let name = format!("t{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut admin = connect(&url(&cluster.folder, "postgres")).await;
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    Some(url(&cluster.folder, &name))
}

fn url(folder: &Path, database: &str) -> String {
    let host = folder.to_str().unwrap().replace('/', "%2F");
    format!("postgres://postgres@{host}/{database}")
}

/// A busy machine takes its time to make a cluster.
async fn connect(url: &str) -> PgConnection {
    for _ in 0..2_400 {
        if let Ok(connection) = PgConnection::connect(url).await {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    PgConnection::connect(url).await.unwrap()
}

fn start() -> Option<Cluster> {
    let found = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bin = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    if !Path::new(&bin).join("initdb").exists() {
        return None;
    }
    let folder = tempfile::Builder::new().prefix("tallybook-pg-").tempdir().ok()?.keep();
    // PostgreSQL refuses to run as root.
    let root = Command::new("id").arg("-u").output().ok()?.stdout == b"0\n";
    if root {
        Command::new("chown").arg("postgres").arg(&folder).status().ok()?;
    }
    let script = format!(
        "set -e; trap '' INT TERM HUP; cd {folder}
         {bin}/initdb -D {folder}/data -U postgres -A trust -E UTF8 --locale=C >/dev/null
         {bin}/postgres -D {folder}/data -k {folder} -c listen_addresses= -c fsync=off -c synchronous_commit=off \
             -c full_page_writes=off -c max_connections=300 >{folder}/log 2>&1 &
         read end || true
         kill -INT $! ; wait $! || true ; rm -rf {folder}",
        folder = folder.display()
    );
    let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    let keeper = command.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    Some(Cluster { folder, _keeper: keeper })
}

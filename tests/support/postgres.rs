//! A PostgreSQL cluster for the time of the tests: in a temporary folder, on a Unix socket. It ends with the test
//! process, because its keeper reads from a pipe that ends with us.

use super::{Answer, Home, answer};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// A cluster of its own.
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    /// Keeps the pipe open, and does what it is told.
    keeper: Mutex<Child>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a new, empty database.
pub fn fresh_database() -> String {
    fresh_database_in(CLUSTER.get_or_init(start))
}

/// The same in a cluster of one's own.
pub fn fresh_database_in(cluster: &Cluster) -> String {
    let name = format!("t{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut last = String::new();
    for _ in 0..2_400 {
        let created = Command::new(cluster.bin.join("createdb"))
            .args(["-h", cluster.folder.to_str().unwrap(), "-U", "postgres", &name])
            .output()
            .unwrap();
        if created.status.success() {
            let host = cluster.folder.to_str().unwrap().replace('/', "%2F");
            return format!("postgres://postgres@{host}/{name}");
        }
        last = String::from_utf8_lossy(&created.stderr).into_owned();
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no database: {last}");
}

impl Cluster {
    /// Stops it at once, as a power cut does, and starts it again after a while.
    pub fn falls_for(&self, pause: Duration) {
        self.tell("stop");
        std::thread::sleep(pause);
        self.tell("start");
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.stdin.as_mut().unwrap(), "{word}").unwrap();
        keeper.stdin.as_mut().unwrap().flush().unwrap();
    }
}

/// Starts one; it ends with the test process.
pub fn start() -> Cluster {
    // The oldest layout first: `initdb` on the path may be a link that misses its neighbours.
    let mut bins: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|v| v.path().join("bin")).collect())
        .unwrap_or_default();
    bins.retain(|bin| bin.join("initdb").exists());
    let bin = bins.pop().unwrap_or_else(|| panic!("no PostgreSQL server; `./scripts/test` installs it"));
    let folder = tempfile::Builder::new().prefix("tallybook-pg-").tempdir().unwrap().keep();
    // PostgreSQL refuses to run as root.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
    }
    let script = format!(
        "set -e; trap '' INT TERM HUP; cd {folder}
         {bin}/initdb -D {folder}/data -U postgres -A trust -E UTF8 --locale=C >/dev/null
         begin() {{ {bin}/postgres -D {folder}/data -k {folder} -c listen_addresses= -c fsync=off -c max_connections=300 >>{folder}/log 2>&1 & }}
         begin
         while read word; do case $word in
             stop) kill -QUIT $!; wait $! || true ;;
             start) begin ;;
         esac; done
         kill -INT $! ; wait $! || true ; rm -rf {folder}",
        folder = folder.display(),
        bin = bin.display()
    );
    let mut command = Command::new(if root { "runuser" } else { "sh" });
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    let keeper = command.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    Cluster { folder, bin, keeper: Mutex::new(keeper) }
}

/// A home whose books are in PostgreSQL.
pub struct PgHome {
    pub home: Home,
    pub url: String,
}

impl PgHome {
    /// A fresh home on a fresh database.
    pub fn new() -> Self {
        Self { home: Home::new(), url: fresh_database() }
    }

    /// The program, not yet started; small slices, so that there is something to share.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(args);
        command.env("TALLYBOOK_DATABASE_URL", &self.url).env("TALLYBOOK_SLICE_PAYERS", "20");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Answer {
        answer(self.command(args).output().unwrap())
    }

    /// Runs a command with `--json` and insists on exit code 0.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.run(&all).exits(0).json()
    }

    /// What the database itself answers: one line per row, columns parted by `|`.
    pub fn sql(&self, statement: &str) -> Result<String, String> {
        let psql = CLUSTER.get_or_init(start).bin.join("psql");
        let done =
            Command::new(psql).args([&self.url, "-qAtXc", statement]).stdin(Stdio::null()).output().unwrap();
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Loads a book and ingests CSV text.
    #[track_caller]
    pub fn fill(&self, book: &serde_json::Value, usage: &str) {
        let book = self.home.file("book.json", book.to_string());
        self.json(&["load", book.to_str().unwrap()]);
        let usage = self.home.file("usage.csv", usage);
        self.json(&["ingest", usage.to_str().unwrap()]);
    }
}

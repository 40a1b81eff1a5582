//! An S3 server for the time of the tests: `s3s-fs` over a temporary folder, with signatures checked. It ends with the
//! test process, because its keeper reads from a pipe that ends with us.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const KEY: &str = "tallybook-tests";
const SECRET: &str = "not-a-secret";

struct Server {
    folder: PathBuf,
    port: u16,
    /// Keeps the pipe open.
    _keeper: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// A bucket that is empty at first.
pub struct TestBucket {
    name: String,
}

impl TestBucket {
    pub fn new(name: &str) -> Self {
        let bucket = Self { name: name.to_owned() };
        std::fs::create_dir(bucket.folder()).unwrap();
        bucket
    }

    /// Where the server keeps the bucket's objects.
    pub fn folder(&self) -> PathBuf {
        SERVER.get_or_init(start).folder.join(&self.name)
    }

    /// The settings of a home whose usage and documents are in the bucket.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let endpoint = format!("http://localhost:{}", SERVER.get_or_init(start).port);
        self.settings_at(&endpoint)
    }

    /// The same, where nobody listens.
    pub fn settings_of_a_dead_server(&self) -> Vec<(&'static str, String)> {
        self.settings_at(&format!("http://localhost:{}", free_port()))
    }

    fn settings_at(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("TALLYBOOK_USAGE_URL", format!("s3://{}/usage", self.name)),
            ("TALLYBOOK_DOCUMENTS_URL", format!("s3://{}/documents", self.name)),
            ("TALLYBOOK_S3_ENDPOINT", endpoint.to_owned()),
            ("TALLYBOOK_S3_ACCESS_KEY_ID", KEY.to_owned()),
            ("TALLYBOOK_S3_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }
}

fn free_port() -> u16 {
    TcpListener::bind("localhost:0").unwrap().local_addr().unwrap().port()
}

fn start() -> Server {
    let folder = tempfile::Builder::new().prefix("tallybook-s3-").tempdir().unwrap().keep();
    let port = free_port();
    let script = format!(
        "trap '' INT TERM HUP
         s3s-fs --host localhost --port {port} --access-key {KEY} --secret-key {SECRET} {folder} >{folder}.log 2>&1 &
         read end || true
         kill -9 $!; wait $! || true; rm -rf {folder} {folder}.log",
        folder = folder.display()
    );
    let keeper = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let server = Server { folder, port, _keeper: keeper.unwrap() };
    for _ in 0..2_400 {
        if TcpStream::connect(("localhost", port)).is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("s3s-fs does not answer; `./scripts/test` installs it");
}

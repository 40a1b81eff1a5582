//! A line that can be cut: between the program and a database or a bucket. Whoever is behind it may be gone for a while,
//! or do what it was asked and have its answer lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A stream of either kind.
trait Line: Read + Write + Send + 'static {
    fn twin(&self) -> Box<dyn Line>;
    fn cut(&self);
}

impl Line for UnixStream {
    fn twin(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn cut(&self) {
        drop(self.shutdown(Shutdown::Both));
    }
}

impl Line for TcpStream {
    fn twin(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn cut(&self) {
        drop(self.shutdown(Shutdown::Both));
    }
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    /// Bytes of answers that still come through before one is lost; below 0: all do.
    heard: AtomicI64,
    lines: Mutex<Vec<Box<dyn Line>>>,
}

/// The line; it is whole at first.
pub struct Proxy {
    state: Arc<State>,
    /// Where it is listened to.
    pub at: String,
    _folder: Option<tempfile::TempDir>,
}

impl Proxy {
    /// Before the socket of a PostgreSQL server; `at` is the folder of ours.
    pub fn before_socket(behind: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("tallybook-line-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let state = Arc::new(State { heard: AtomicI64::new(-1), ..State::default() });
        let (own, at) = (Arc::clone(&state), folder.path().to_str().unwrap().to_owned());
        thread::spawn(move || {
            for asker in listener.incoming().flatten() {
                join(
                    &own,
                    Box::new(asker),
                    UnixStream::connect(&behind).map(|s| Box::new(s) as Box<dyn Line>),
                );
            }
        });
        Self { state, at, _folder: Some(folder) }
    }

    /// Before a port of this machine; `at` is a port, too.
    pub fn before_port(port: u16) -> Self {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let state = Arc::new(State { heard: AtomicI64::new(-1), ..State::default() });
        let (own, at) = (Arc::clone(&state), listener.local_addr().unwrap().port().to_string());
        thread::spawn(move || {
            for asker in listener.incoming().flatten() {
                let behind = TcpStream::connect(("localhost", port));
                join(&own, Box::new(asker), behind.map(|s| Box::new(s) as Box<dyn Line>));
            }
        });
        Self { state, at, _folder: None }
    }

    /// Nobody is there any more.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.hang_up();
    }

    /// After so many more bytes of answers the next one is lost, with its line.
    pub fn lose_after(&self, bytes: u64) {
        self.state.heard.store(i64::try_from(bytes).unwrap(), Ordering::SeqCst);
    }

    /// Everything comes through again. Whether an answer was lost.
    pub fn mend(&self) -> bool {
        self.state.is_cut.store(false, Ordering::SeqCst);
        self.state.heard.swap(-1, Ordering::SeqCst) == i64::MIN
    }
}

impl State {
    fn hang_up(&self) {
        self.lines.lock().unwrap().drain(..).for_each(|line| line.cut());
    }

    /// Whether an answer of so many bytes comes through.
    fn hears(&self, bytes: usize) -> bool {
        let heard = self.heard.load(Ordering::SeqCst);
        if heard < 0 {
            return true;
        }
        let left = heard - i64::try_from(bytes).unwrap();
        self.heard.store(if left < 0 { i64::MIN } else { left }, Ordering::SeqCst);
        left >= 0
    }
}

fn join(state: &Arc<State>, asker: Box<dyn Line>, behind: std::io::Result<Box<dyn Line>>) {
    let Ok(behind) = behind else { return asker.cut() };
    if state.is_cut.load(Ordering::SeqCst) {
        return asker.cut();
    }
    state.lines.lock().unwrap().extend([asker.twin(), behind.twin()]);
    let (to_behind, to_asker) = (behind.twin(), asker.twin());
    thread::spawn(move || carry(asker, to_behind, |_| true));
    let state = Arc::clone(state);
    thread::spawn(move || carry(behind, to_asker, |bytes| state.hears(bytes)));
}

fn carry(mut from: Box<dyn Line>, mut to: Box<dyn Line>, may: impl Fn(usize) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !may(count) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    from.cut();
    to.cut();
}

/// The socket's folder of a database's URL, and the URL with another folder in its place.
pub fn through(url: &str, folder: &str) -> (PathBuf, String) {
    let (head, rest) = url.split_once('@').unwrap();
    let (host, database) = rest.split_once('/').unwrap();
    let socket = Path::new(&host.replace("%2F", "/")).join(".s.PGSQL.5432");
    (socket, format!("{head}@{}/{database}", folder.replace('/', "%2F")))
}

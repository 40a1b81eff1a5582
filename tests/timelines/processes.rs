//! Processes of the program: started, stopped, woken, killed, and waited for.

use crate::support::{Answer, answer};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Longer than this no command takes on so small a book, on the slowest machine that plays timelines beside everything else.
pub const HANGS: Duration = Duration::from_secs(600);

/// Starts it; what it says is kept.
pub fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it answered; a command that never ends is a fault of its own.
pub fn ended(child: Child) -> Answer {
    let id = child.id();
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(child.wait_with_output().unwrap()));
    match told.recv_timeout(HANGS) {
        Ok(output) => answer(output),
        Err(RecvTimeoutError::Timeout) => {
            drop(Command::new("kill").args(["-KILL", &id.to_string()]).status());
            panic!("a command hangs")
        }
        Err(RecvTimeoutError::Disconnected) => panic!("nobody waits for the command"),
    }
}

/// Sends a signal; the process may be over already.
pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    drop(Command::new("kill").args([&format!("-{name}"), &id]).stderr(Stdio::null()).status());
}

/// Whether it is stopped by a signal.
pub fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

pub fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

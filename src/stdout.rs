//! The one place that writes standard output. The first fault is kept and told when the command ends, so that half an
//! answer is never exit code 0; a reader who has closed the pipe has seen enough, and nothing is said.

use crate::failure::Failure;
use std::io::{ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// What has gone wrong so far.
static FAULT: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Writes bytes as they are.
pub fn write(bytes: &[u8]) {
    note(std::io::stdout().lock().write_all(bytes));
}

/// Whether anybody still reads; long answers stop when nobody does.
pub fn is_open() -> bool {
    FAULT.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Writes what is still kept back, and says whether all of it has arrived.
pub fn finish() -> Result<(), Failure> {
    note(std::io::stdout().lock().flush());
    match FAULT.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(fault) if fault.kind() != ErrorKind::BrokenPipe => Err(Failure::fault(
            "output",
            format!("cannot write to standard output: {fault}; the answer is not whole"),
        )
        .hint(
            "free some space, or write elsewhere; what the command has done stays done (`tallybook audit`)",
        )),
        _ => Ok(()),
    }
}

fn note(written: std::io::Result<()>) {
    if let Err(fault) = written {
        FAULT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}

/// Standard output for those who write to a writer. Its faults are kept as all others are.
pub struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        note(std::io::stdout().lock().flush());
        Ok(())
    }
}

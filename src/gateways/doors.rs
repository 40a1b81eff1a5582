//! The doors through which durable effects leave (ARCHITECTURE.md): tests stop the process at one of them.

/// Calls a hook before and after each effect: `files.put.before`, `files.put.after`, `mail.send.before`,
/// `mail.send.after`, `gateway.call.before`, `gateway.call.after`.
#[derive(Clone, Copy)]
pub struct Doors {
    pass: fn(&'static str),
}

impl Doors {
    /// Nothing stands in the doors.
    pub const OPEN: Self = Self { pass: |_| {} };

    /// Calls `pass` with the name of each point.
    pub const fn watched(pass: fn(&'static str)) -> Self {
        Self { pass }
    }

    pub(crate) fn pass(&self, point: &'static str) {
        (self.pass)(point);
    }
}

impl Default for Doors {
    fn default() -> Self {
        Self::OPEN
    }
}

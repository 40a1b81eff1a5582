//! The doors through which every durable effect outside the database passes: `files.put`, `gateway.call`,
//! `mail.send` (the fourth, `store.commit`, is in the store). Crash tests die before and after each.

/// Called with the door's name before and after an effect.
pub type Door = fn(&'static str);

/// The hook at the doors; does nothing unless the program is built with crash points.
#[derive(Debug, Clone, Copy)]
pub struct Doors(Door);

impl Default for Doors {
    fn default() -> Self {
        Self(store::crash::point)
    }
}

impl Doors {
    /// Runs an effect between its two points.
    pub async fn through<T>(&self, door: &'static str, effect: impl Future<Output = T>) -> T {
        (self.0)(door);
        let outcome = effect.await;
        (self.0)(door);
        outcome
    }
}

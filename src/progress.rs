//! Progress on stderr for anything longer than a second, when it is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A bar that shows itself after a second.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: std::cell::Cell<bool>,
    visible: bool,
}

impl Progress {
    /// A bar over `total` units of `unit`; 0 = unknown.
    pub fn new(what: &str, unit: &'static str, total: u64, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let template = if unit == "bytes" {
            "{msg:<24} {wide_bar} {bytes}/{total_bytes} {eta:>4}"
        } else {
            "{msg:<24} {wide_bar} {pos}/{len} {eta:>4}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        let visible = !quiet && std::io::stderr().is_terminal();
        Self { bar, started: Instant::now(), shown: std::cell::Cell::new(false), visible }
    }

    /// Moves the bar.
    pub fn at(&self, position: u64, total: u64, what: &str) {
        if !self.visible {
            return;
        }
        if !self.shown.get() && self.started.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            self.shown.set(true);
        }
        self.bar.set_length(total);
        self.bar.set_position(position);
        self.bar.set_message(what.to_owned());
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

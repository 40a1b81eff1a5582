//! Lines of NDJSON, parsed some ahead on every core, and gathered in the order in which they stand.

use super::collect::{Collector, Digest};
use super::fault::Place;
use super::json::{self, Node};
use super::source::{Line, Lines, read_line};
use std::io::Read;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Lines that a thread is given at once.
const LINES: usize = 1_000;

/// Gathers the lines that are left.
pub(super) fn read<R: Read>(lines: &mut Lines<R>, collector: &mut Collector) {
    let at_once = LINES * thread::available_parallelism().map_or(1, NonZero::get);
    let mut parsed: Vec<Parsed> = Vec::new();
    let mut block = lines.block(at_once);
    while !block.is_empty() || !parsed.is_empty() {
        if block.len() < LINES {
            parsed.extend(block.drain(..).map(Parsed::of));
        }
        let mut waiting = block.into_iter();
        let parts: Vec<Vec<Line>> = std::iter::from_fn(|| {
            let part: Vec<Line> = waiting.by_ref().take(LINES).collect();
            (!part.is_empty()).then_some(part)
        })
        .collect();
        (block, parsed) = thread::scope(|scope| {
            let threads: Vec<_> = parts
                .into_iter()
                .map(|part| scope.spawn(|| part.into_iter().map(Parsed::of).collect::<Vec<Parsed>>()))
                .collect();
            for line in parsed.drain(..) {
                line.gather(collector, lines.file);
            }
            let next = lines.block(at_once);
            let done = threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|e| resume_unwind(e)));
            (next, done.collect())
        });
    }
}

/// A line, taken apart as far as that needs no look at others.
struct Parsed {
    line: Line,
    /// None if something is wrong with it, which is told when its turn comes.
    node: Option<Node>,
    digest: Option<Digest>,
}

impl Parsed {
    fn of(line: Line) -> Self {
        let node = std::str::from_utf8(&line.bytes).ok().and_then(json::plain);
        let digest = node.as_ref().and_then(Digest::of_line);
        Self { line, node, digest }
    }

    fn gather(self, collector: &mut Collector, file: usize) {
        match self.node {
            Some(node) => {
                let place = Place::new(file, format!("line {} ", self.line.number));
                collector.document(&node, &place, self.digest);
            }
            None => read_line(&self.line, file, collector),
        }
    }
}

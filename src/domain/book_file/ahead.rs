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
            let done =
                threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|e| resume_unwind(e)));
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

#[cfg(test)]
mod tests {
    use super::super::{Fault, StoredBook, read};
    use std::io::{self, Read};

    /// Breaks where what is written ends.
    struct Breaks<'t>(&'t [u8]);

    impl Read for Breaks<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("the disk is gone")),
                read => Ok(read),
            }
        }
    }

    fn lines(count: usize) -> Vec<String> {
        let tenant = r#"{"tenant":{"fullname":"N","currencycode":"DKK","timezone":"Europe/Copenhagen"}}"#;
        let customer =
            |n| format!(r#"{{"customer":{{"accountnumber":"CU-{n}","fullname":"N","country":"DK"}}}}"#);
        std::iter::once(tenant.to_owned()).chain((2..=count).map(customer)).collect()
    }

    fn told(faults: Vec<Fault>) -> Vec<String> {
        faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()
    }

    #[test]
    fn every_line_of_a_large_book_is_read_once() {
        for count in [2, 1_001, 1_002, 2_003, 9_999] {
            let text = lines(count).join("\n\n");
            let set = read(vec![("b".to_owned(), text.as_bytes())], &StoredBook::default()).unwrap();
            let read: Vec<&str> = set.customers.iter().map(|c| c.account_number.as_str()).collect();
            let written: Vec<String> = (2..=count).map(|n| format!("CU-{n}")).collect();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn faults_are_told_in_the_order_of_the_lines() {
        let mut lines = lines(9_000);
        lines[1_499] = "{".to_owned();
        lines[2_999] = r#"{"customers":[{"accountnumber":"CU-7","fullname":"N","country":"DK"}]}"#.to_owned();
        lines[4_499] = r#"{"customer":null,"custommer":1}"#.to_owned();
        lines[8_998] = r#"{"customer":{"fullname":1e3}}"#.to_owned();
        let text = lines.join("\n");
        let faults =
            read(vec![("b".to_owned(), Breaks(text.as_bytes()))], &StoredBook::default()).unwrap_err();
        let told = told(faults);
        let begin = [
            "line 1500: the JSON",
            "line 3000 /customers/0: the customer `CU-7` occurs twice, first at line 7",
        ];
        for (told, begin) in told.iter().zip(begin) {
            assert!(told.starts_with(begin), "{told}");
        }
        let places: Vec<&str> =
            told.iter().filter_map(|told| told.split(['/', ':']).next()).map(str::trim).collect();
        let in_order = ["line 1500", "line 3000", "line 4500", "line 8999", "line 8999", "line 9000"];
        assert!(places.starts_with(&in_order[..4]) && places.ends_with(&in_order[5..]), "{told:?}");
    }
}

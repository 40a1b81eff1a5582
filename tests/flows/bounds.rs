//! Bounds on everything that is read: small files that unpack to much, and streams without an end. Each is refused or taken
//! in, with the memory that any file takes; a child's peak is what the system has counted.

use crate::support::{Home, book, january};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Peak of a command in megabytes. One that only opens a home takes some 40, a thread of polars and each block in flight a few.
const PEAK_MB: u64 = 300;

/// Runs its arguments and tells their peak in kilobytes on the last line of standard error.
const MEASURE: &str = "
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
";

/// What came of a command: exit code, what it said, and its peak in megabytes.
#[derive(Debug)]
struct Measured {
    code: i32,
    said: String,
    peak_mb: u64,
}

fn measured(home: &Home, args: &[&str], input: &Path) -> Measured {
    let program = home.command(args);
    let mut command = Command::new("python3");
    command.args(["-c", MEASURE]).arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Each thread has its blocks in flight: the bound is that of two, on any machine.
    command.env("TALLYBOOK_THREADS", "2");
    let input = std::fs::File::open(input).unwrap();
    let output = command.stdin(input).stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (said, peak) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    Measured {
        code: output.status.code().unwrap_or(-1),
        said: said.to_owned(),
        peak_mb: peak.parse::<u64>().unwrap_or_else(|e| panic!("{e}: {output:?}")) / 1024,
    }
}

fn none() -> &'static Path {
    Path::new("/dev/null")
}

/// A home that has usage: what is new is looked up among what it knows.
fn home() -> Home {
    let home = Home::new();
    home.load(&book(2));
    home.ingest("january.csv", &january(2)).exits(0);
    home
}

/// So many copies of a piece behind a head, packed; never whole in memory.
fn packed(program: &str, head: &str, piece: &str, times: usize, to: &Path) {
    let out = std::fs::File::create(to).unwrap();
    let mut packer = Command::new(program).args(["-c"]).stdin(Stdio::piped()).stdout(out).spawn().unwrap();
    let mut into = std::io::BufWriter::with_capacity(1 << 20, packer.stdin.take().unwrap());
    into.write_all(head.as_bytes()).unwrap();
    for _ in 0..times {
        into.write_all(piece.as_bytes()).unwrap();
    }
    drop(into.into_inner().unwrap());
    assert!(packer.wait().unwrap().success());
}

const HEAD: &str = "id,subject,meter,quantity,time,properties.note\n";

/// What is expected of a file: an exit code, and what is said.
struct Case {
    what: &'static str,
    code: i32,
    says: &'static str,
}

fn check(home: &Home, case: &Case, args: &[&str], input: &Path) {
    let taken = measured(home, args, input);
    println!("{}: {} MB", case.what, taken.peak_mb);
    let Case { what, code, says } = case;
    assert!(taken.code == *code && taken.said.contains(says), "{what}: {taken:?}");
    assert!(taken.peak_mb < PEAK_MB, "{what} took {} MB: {}", taken.peak_mb, taken.said);
}

#[test]
fn packed_text_that_unpacks_to_much_takes_the_memory_of_any_file() {
    let home = home();
    let megabyte = "x".repeat(1 << 20);
    let field = format!("{megabyte},SUB-0001,api_calls,1,2026-01-10T10:00:00Z,\n");
    let json = format!("{{\"id\":\"{megabyte}\",\"subject\":\"SUB-0001\"}}\n");
    let members = format!("{{{}\"a\":1}}\n", "\"a\":1,".repeat(150_000));
    let short = "x\n".repeat(1 << 19);
    let quoted = "\"\n".repeat(1 << 19);
    let commas = format!("{}\n", ",".repeat(1 << 20));
    let note = format!("a,SUB-0001,api_calls,1,2026-01-10T10:00:00Z,{}\n", &megabyte[..60_000]);
    let texts: [(&str, &str, &str, usize, i32, &str); 8] = [
        ("fields of a megabyte", HEAD, &field, 300, 3, "too_long"),
        ("JSON texts of a megabyte", "", &json, 300, 3, "too_long"),
        ("JSON objects of many members", "", &members, 100, 3, "malformed"),
        ("lines of a letter", HEAD, &short, 8, 3, "malformed"),
        ("quotes that never close", HEAD, &quoted, 8, 3, "malformed"),
        ("lines of nothing but commas", HEAD, &commas, 100, 0, ""),
        ("a thousand times its size", HEAD, &note, 7_000, 1, "unpacks to more than 256 MiB"),
        ("a line without an end", HEAD, &megabyte, 300, 1, "does not end within 4 MiB"),
    ];
    for (what, head, piece, times, code, says) in texts {
        let path = home.file("usage.gz", "");
        packed("gzip", head, piece, times, &path);
        let case = Case { what, code, says };
        check(&home, &case, &["ingest", path.to_str().unwrap()], none());
    }
}

#[test]
fn parquet_and_zstd_that_unpack_to_much_take_the_memory_of_any_file() {
    let home = home();
    for (name, code, says) in [
        ("dictionary.parquet", 1, "unpacks to more than"),
        ("rows.parquet", 1, "unpacks to more than"),
        ("columns.parquet", 0, ""),
        ("prefixed.parquet", 1, "unpacks to more than"),
        ("page.parquet", 1, "page of 190 MiB"),
        ("endless.csv.zst", 1, "does not end within 4 MiB"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bombs").join(name);
        check(&home, &Case { what: name, code, says }, &["ingest", path.to_str().unwrap()], none());
    }
}

#[test]
fn documents_pipes_and_devices_take_no_more_than_their_bound() {
    let home = home();
    let text = |name: &str, head: &str, megabytes: usize, tail: &str| {
        let path = home.file(name, "");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let megabyte = "x".repeat(1 << 20);
        file.write_all(head.as_bytes()).unwrap();
        (0..megabytes).for_each(|_| file.write_all(megabyte.as_bytes()).unwrap());
        file.write_all(tail.as_bytes()).unwrap();
        path
    };
    let document = text("document.json", "{\"tenant\": {\"fullname\": \"", 200, "\"}}");
    let line = text("line.ndjson", "{\"customer\": {\"fullname\": \"", 40, "\"}}\n{}\n");
    let scenario = text("scenario.json", "{\"name\": \"", 200, "\"}");
    let zeros = Path::new("/dev/zero");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    for (what, command, input, says) in [
        ("a book of 200 MB", vec!["load", &path(&document)], none(), "longer than 16 MiB"),
        ("a line of a book", vec!["load", &path(&line)], none(), "longer than"),
        ("a book without an end", vec!["load", "-"], zeros, "longer than"),
        (
            "an object of 200 MB",
            vec!["book", "put", "tenant", "--file", &path(&document)],
            none(),
            "longer than 16 MiB",
        ),
        ("a patch without an end", vec!["book", "patch", "tenant"], zeros, "longer than 16 MiB"),
        ("a scenario of 200 MB", vec!["simulate", &path(&scenario)], none(), "longer than 16 MiB"),
        ("a scenario without an end", vec!["simulate", "-"], zeros, "longer than 16 MiB"),
        ("an invoice without an end", vec!["invoices", "create", "/dev/zero"], none(), "longer than 8 MiB"),
        ("usage from a device", vec!["ingest", "/dev/zero"], none(), "device"),
    ] {
        check(&home, &Case { what, code: 1, says }, &command, input);
    }
}

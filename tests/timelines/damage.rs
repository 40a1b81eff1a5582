//! Damage on the disk: a bit that flips, a page that is zeroed. `verify` tells every one of it.

use super::world::World;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a page of a disk; of a SQLite file, as the program makes it.
const PAGE: usize = 4096;

/// Damages one file that the books name, asks `verify`, and mends it.
pub fn tell(world: &mut World) {
    let mut files: Vec<PathBuf> = ["usage", "documents", "rejects", "exports"]
        .iter()
        .flat_map(|folder| below(&world.home().join(folder)))
        .collect();
    files.sort();
    if world.is_sqlite() {
        // As often as all other files together, at most.
        files.push(world.home().join("tallybook.db"));
    }
    if files.is_empty() {
        return;
    }
    let path = world.dice.pick(&files).clone();
    let is_database = path.ends_with("tallybook.db");
    if is_database {
        fold_journal(&path);
    }
    let sound = fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    let kind = match is_database || world.dice.chance(40) {
        true => zero_page(world, &mut damaged, is_database),
        false => flip_bit(world, &mut damaged),
    };
    if damaged == sound {
        return;
    }
    fs::write(&path, &damaged).unwrap();
    let answer = world.asked(&["verify"]);
    let told = answer.code;
    if is_database {
        // What the damaged one has made beside it.
        for end in ["-wal", "-shm"] {
            drop(fs::remove_file(path.with_file_name(format!("tallybook.db{end}"))));
        }
    }
    let is_named = is_database || told == 2 || is_missed(world, &path);
    fs::write(&path, &sound).unwrap();
    if !is_named {
        return;
    }
    let name = path.strip_prefix(world.home()).unwrap().display().to_string();
    world.say(&format!("{kind} in {name}: verify → {told}"));
    world.tally.fault(kind);
    assert_eq!(told, 2, "{kind} in {name} is not told: {answer:?}");
    assert_eq!(world.look(&["verify"])["ok"], true, "{name} is mended");
}

/// Whether the books name a file: a segment that upkeep has bundled lies there for a while, and nobody reads it again.
fn is_missed(world: &World, path: &Path) -> bool {
    fs::remove_file(path).unwrap();
    world.asked(&["verify"]).code == 2
}

fn flip_bit(world: &mut World, bytes: &mut [u8]) -> &'static str {
    let at = usize::try_from(world.dice.within(0, bytes.len() as u64 - 1)).unwrap();
    bytes[at] ^= 1 << world.dice.within(0, 7);
    "flipped bit on disk"
}

fn zero_page(world: &mut World, bytes: &mut [u8], is_database: bool) -> &'static str {
    let pages = bytes.len().div_ceil(PAGE);
    let page = usize::try_from(world.dice.within(0, pages as u64 - 1)).unwrap();
    // A page on the free list holds nothing.
    if !is_database || !free_pages(bytes).contains(&(page + 1)) {
        let end = bytes.len().min((page + 1) * PAGE);
        bytes[page * PAGE..end].fill(0);
    }
    "zeroed page on disk"
}

/// Numbers of the pages of a SQLite file that hold nothing, from its list of free pages.
fn free_pages(bytes: &[u8]) -> Vec<usize> {
    let word =
        |at: usize| usize::try_from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap();
    let (mut trunk, mut free) = (word(32), Vec::new());
    while trunk != 0 {
        let at = (trunk - 1) * PAGE;
        free.push(trunk);
        free.extend((0..word(at + 4)).map(|leaf| word(at + 8 + 4 * leaf)));
        trunk = word(at);
    }
    free
}

/// Brings what is in the write-ahead log into the file.
fn fold_journal(path: &Path) {
    let done =
        std::process::Command::new("sqlite3").arg(path).arg("pragma wal_checkpoint(truncate)").output();
    assert!(done.unwrap().status.success(), "sqlite3; `./scripts/test` installs it");
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] })
        .filter(|path| !is_beside(path))
        .collect()
}

/// Files that the books do not name: copies under way, locks.
fn is_beside(path: &Path) -> bool {
    path.iter().any(|part| part == "temp")
        || path.extension().is_some_and(|end| end == "lock")
        || fs::metadata(path).is_ok_and(|m| m.len() == 0)
}

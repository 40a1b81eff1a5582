//! The reject file: a CSV of `file,line,code,text,raw`, one line per refused record, in the order of the file.
//!
//! It can be fixed and fed again: correct the `raw` column and ingest the reject file itself. Its first record has
//! the code `header` and carries what reading the others takes: the default source in `text`, and the header of the
//! refused lines in `raw` (nothing for NDJSON). `raw` holds the bytes as they were, also those that are not UTF-8.

use super::open::REJECT_HEADER;
use super::rows::{Parsed, Refused};
use super::split::push_field;
use crate::files::{Draft, DurableFile};
use anyhow::Result;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Of the usage file's name in that of its reject file: file systems take 255 bytes in all.
const STEM_BYTES_MAX: usize = 160;

const ENDING: &str = ".rejects.csv";

/// The n-th name for what is refused of a usage file: `u.csv` → `u.csv.rejects.csv`, `u.csv.2.rejects.csv`. What is
/// refused of a fixed reject file is still of that usage file.
pub fn reject_name(usage_file: &str, nth: u32) -> String {
    let mut stem: String = usage_file.chars().filter(|c| !c.is_control()).collect();
    if let Some(mended) = stem.strip_suffix(ENDING) {
        let is_nth = |(_, nth): &(&str, &str)| nth.parse::<u32>().is_ok();
        stem = mended.rsplit_once('.').filter(is_nth).map_or(mended, |(stem, _)| stem).to_owned();
    }
    stem.truncate(stem.floor_char_boundary(STEM_BYTES_MAX));
    if nth == 1 { format!("{stem}{ENDING}") } else { format!("{stem}.{nth}{ENDING}") }
}

/// What every line of the file repeats, and where it goes.
pub(crate) struct RejectFile {
    temp: PathBuf,
    folder: PathBuf,
    name: String,
    import: Uuid,
    input: String,
    header: String,
    source: String,
    /// Made with the first refused record.
    draft: Option<Draft>,
    /// Counts and writes nothing.
    is_dry: bool,
    line: Vec<u8>,
}

/// Where a reject file goes and what it says of its input.
pub(crate) struct RejectPlan {
    pub temp: PathBuf,
    pub folder: PathBuf,
    pub name: String,
    /// Begins its name as long as it is written, by which `upkeep` knows it.
    pub import: Uuid,
    /// Name of the usage file.
    pub input: String,
    /// Header of its records; empty for NDJSON.
    pub header: String,
    /// Source of records that name none.
    pub source: String,
    pub is_dry: bool,
}

impl RejectFile {
    pub fn new(plan: RejectPlan) -> Self {
        let RejectPlan { temp, folder, name, import, input, header, source, is_dry } = plan;
        Self { temp, folder, name, import, input, header, source, draft: None, is_dry, line: Vec::new() }
    }

    /// Appends a refused record of a block.
    pub fn write(&mut self, block: &Parsed, refused: &Refused) -> Result<()> {
        if self.is_dry {
            return Ok(());
        }
        if self.draft.is_none() {
            self.draft = Some(Draft::create(&self.temp, &format!("{}-rejects", self.import))?);
            let names = REJECT_HEADER.map(str::as_bytes);
            self.put(names)?;
            let (input, source, header) = (self.input.clone(), self.source.clone(), self.header.clone());
            self.put([input.as_bytes(), b"1", b"header", source.as_bytes(), header.as_bytes()])?;
        }
        let input = self.input.clone();
        let number = refused.line.to_string();
        let code = refused.code.code();
        let raw = block.raw(refused.raw);
        self.put([input.as_bytes(), number.as_bytes(), code.as_bytes(), refused.text.as_bytes(), raw])
    }

    fn put(&mut self, fields: [&[u8]; 5]) -> Result<()> {
        let Some(draft) = &mut self.draft else { return Ok(()) };
        self.line.clear();
        for (position, field) in fields.into_iter().enumerate() {
            if position > 0 {
                self.line.push(b',');
            }
            push_field(&mut self.line, field, b',');
        }
        self.line.push(b'\n');
        draft.writer()?.write_all(&self.line)?;
        Ok(())
    }

    /// Makes the file durable; none if nothing was refused.
    pub fn finish(self) -> Result<Option<DurableFile>> {
        match self.draft {
            Some(draft) => Ok(Some(draft.land(&self.folder, &self.name)?)),
            None => Ok(None),
        }
    }
}

/// Copies a reject file; of records that name one of these, code and place alone stay. Returns how many those are.
///
/// # Errors
/// If the file cannot be read or the copy not be written.
pub fn blank_rejects(from: &Path, into: &mut dyn Write, names: &[String]) -> io::Result<u64> {
    let mut reader = BufReader::new(File::open(from)?);
    let (mut record, mut blanked) = (Vec::new(), 0);
    loop {
        record.clear();
        // A field may hold line ends: the record goes on until its quotes are closed.
        while reader.read_until(b'\n', &mut record)? > 0 {
            if record.iter().filter(|byte| **byte == b'"').count().is_multiple_of(2) {
                break;
            }
        }
        if record.is_empty() {
            return Ok(blanked);
        }
        let is_named = names.iter().any(|name| holds(&record, name.as_bytes()));
        match place_of(&record).filter(|_| is_named) {
            Some(place) => {
                into.write_all(place)?;
                into.write_all(b"erased,\n")?;
                blanked += 1;
            }
            None => into.write_all(&record)?,
        }
    }
}

/// The fields file, line and code with their commas; none for the header of the refused lines.
fn place_of(record: &[u8]) -> Option<&[u8]> {
    let (mut commas, mut is_quoted) = (0, false);
    for (at, byte) in record.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => commas += 1,
            _ => {}
        }
        if commas == 3 {
            let place = &record[..=at];
            return (!place.ends_with(b",header,")).then_some(place);
        }
    }
    None
}

/// Whether a name stands there as a whole: SUB-1 is not in SUB-10.
fn holds(record: &[u8], name: &[u8]) -> bool {
    let is_part =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_');
    memchr::memmem::find_iter(record, name).any(|at| {
        !is_part(at.checked_sub(1).and_then(|before| record.get(before)))
            && !is_part(record.get(at + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reject_file_is_named_as_its_usage_file_is() {
        let names = [
            ("u.csv", 1, "u.csv.rejects.csv"),
            ("u.csv", 12, "u.csv.12.rejects.csv"),
            ("u.csv.rejects.csv", 2, "u.csv.2.rejects.csv"),
            ("u.csv.2.rejects.csv", 3, "u.csv.3.rejects.csv"),
            ("a\u{1}b", 1, "ab.rejects.csv"),
        ];
        for (file, nth, name) in names {
            assert_eq!(reject_name(file, nth), name, "{file} {nth}");
        }
        let long = reject_name(&"語".repeat(80), u32::MAX);
        assert!(long.contains("語語語") && long.ends_with(".rejects.csv") && long.len() < 250, "{long}");
    }

    #[test]
    fn what_names_a_person_goes_and_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.csv");
        let text = "file,line,code,text,raw\nu.csv,1,header,,\"id,subject,SUB-1\"\nu.csv,2,bad_time,no time,\"a,SUB-1,x\"\n\
                    u.csv,3,bad_time,no time,\"b,SUB-10,x\"\nu.csv,4,bad_time,no time,\"c,\"\"SUB-1\"\"\nx,y\"\n";
        std::fs::write(&path, text).unwrap();
        let mut copy = Vec::new();
        assert_eq!(blank_rejects(&path, &mut copy, &["SUB-1".to_owned()]).unwrap(), 2);
        let blanked = "file,line,code,text,raw\nu.csv,1,header,,\"id,subject,SUB-1\"\nu.csv,2,bad_time,erased,\n\
                       u.csv,3,bad_time,no time,\"b,SUB-10,x\"\nu.csv,4,bad_time,erased,\n";
        assert_eq!(String::from_utf8(copy).unwrap(), blanked);
    }
}

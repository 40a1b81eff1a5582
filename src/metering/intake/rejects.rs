//! The reject file: a CSV of `file,line,code,text,raw`, one line per refused record, in the order of the file.
//!
//! It can be mended and fed again: correct the `raw` column and ingest the reject file itself. Its first record has
//! the code `header` and carries what reading the others takes: the default source in `text`, and the header of the
//! refused lines in `raw` (nothing for NDJSON). `raw` holds the bytes as they were, also those that are not UTF-8.

use super::open::REJECT_HEADER;
use super::rows::{Parsed, Refused};
use super::split::push_field;
use crate::files::{Draft, Landed};
use anyhow::Result;
use std::io::Write;
use std::path::PathBuf;

/// What every line of the file repeats, and where it goes.
pub(crate) struct RejectFile {
    temp: PathBuf,
    folder: PathBuf,
    name: String,
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
        let RejectPlan { temp, folder, name, input, header, source, is_dry } = plan;
        Self { temp, folder, name, input, header, source, draft: None, is_dry, line: Vec::new() }
    }

    /// Appends a refused record of a block.
    pub fn write(&mut self, block: &Parsed, refused: &Refused) -> Result<()> {
        if self.is_dry {
            return Ok(());
        }
        if self.draft.is_none() {
            self.draft = Some(Draft::create(&self.temp, &self.name)?);
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
    pub fn finish(self) -> Result<Option<Landed>> {
        match self.draft {
            Some(draft) => Ok(Some(draft.land(&self.folder, &self.name)?)),
            None => Ok(None),
        }
    }
}

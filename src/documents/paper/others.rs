//! Faces for the scripts that the two faces of a document do not have: those of the templates folder, then Noto's where the
//! system has them. They are large, so that a file of the system is read when a text first needs it.

use crate::error::TemplateError;
use crate::templates::{Bytes, Source, Templates};
use printpdf::ParsedFont;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Faces as distributions install them, in the order in which they are asked: the largest one comes last.
const NOTO: [&str; 17] = [
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansGujarati-Regular.ttf",
    "NotoSansGurmukhi-Regular.ttf",
    "NotoSansKannada-Regular.ttf",
    "NotoSansMalayalam-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansTelugu-Regular.ttf",
    "NotoSansSinhala-Regular.ttf",
    "NotoSansKhmer-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
];
/// Folders below the one that is searched.
const DEPTH_MAX: usize = 4;
/// Bytes of a file of the system.
const BYTES_MAX: u64 = 64 << 20;

/// A face for other scripts. It has one weight, which stands for bold too.
pub(crate) struct Other {
    /// Its name as a resource; the first six letters make the tag of a subset.
    pub id: String,
    pub parsed: ParsedFont,
    pub bytes: Bytes,
}

impl Other {
    fn parse(id: String, bytes: Bytes) -> Option<Self> {
        let parsed = ParsedFont::from_bytes(&bytes, 0, &mut Vec::new())?;
        Some(Self { id, parsed, bytes })
    }

    pub fn has(&self, character: char) -> bool {
        self.parsed.lookup_glyph_index(u32::from(character)).is_some_and(|glyph| glyph != 0)
    }
}

/// A face that the system may have.
struct Installed {
    id: String,
    path: PathBuf,
    face: OnceLock<Option<Other>>,
}

impl Installed {
    /// None where the file cannot be used: a text that needs it is then told as one that no font can write.
    fn face(&self) -> Option<&Other> {
        let read = || {
            let is_large = std::fs::metadata(&self.path).ok()?.len() > BYTES_MAX;
            let bytes = if is_large { None } else { std::fs::read(&self.path).ok() };
            Other::parse(self.id.clone(), bytes?.into())
        };
        self.face.get_or_init(read).as_ref()
    }
}

/// All of them, in the order in which they are asked.
pub(crate) struct Others {
    own: Vec<Other>,
    folder: Option<PathBuf>,
    installed: OnceLock<Vec<Installed>>,
}

impl Others {
    /// Parses those of the templates.
    pub fn parse(templates: &Templates) -> Result<Self, TemplateError> {
        let parse = |(place, source): (usize, &Source<Bytes>)| {
            Other::parse(id(0, place), source.content.clone())
                .ok_or_else(|| TemplateError::broken(&source.file, "is not a TrueType or OpenType font"))
        };
        let own: Result<Vec<Other>, TemplateError> = templates.others.iter().enumerate().map(parse).collect();
        Ok(Self { own: own?, folder: templates.fonts_folder.clone(), installed: OnceLock::new() })
    }

    /// The first face that has a character.
    pub fn of(&self, character: char) -> Option<&Other> {
        let installed = || self.installed().iter().filter_map(Installed::face);
        self.own
            .iter()
            .find(|face| face.has(character))
            .or_else(|| installed().find(|face| face.has(character)))
    }

    /// Those that may have been used, by their names: what was read so far.
    pub fn by_id(&self, id: &str) -> Option<&Other> {
        let read = self.installed.get().into_iter().flatten().filter_map(|one| one.face.get()?.as_ref());
        self.own.iter().chain(read).find(|face| face.id == id)
    }

    fn installed(&self) -> &[Installed] {
        self.installed.get_or_init(|| {
            let mut found = Vec::new();
            if let Some(folder) = &self.folder {
                search(folder, DEPTH_MAX, &mut found);
            }
            let path_of =
                |name: &str| found.iter().find(|path| path.file_name().is_some_and(|found| found == name));
            let of = |(place, name): (usize, &&str)| {
                let path = path_of(name)?.clone();
                Some(Installed { id: id(1, place), path, face: OnceLock::new() })
            };
            NOTO.iter().enumerate().filter_map(of).collect()
        })
    }
}

/// `TBAAAB`: of the templates, or of the system, and which one.
fn id(kind: u8, place: usize) -> String {
    let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
    format!("TB{}A{}{}", char::from(b'A' + kind), letter(place / 26), letter(place))
}

/// Files below a folder, in the order of their names.
fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() && depth > 0 {
            search(&path, depth - 1, found);
        } else {
            found.push(path);
        }
    }
}

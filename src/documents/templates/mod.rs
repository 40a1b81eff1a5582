//! Templates: built in, or from a folder that replaces them file by file.

mod labels;
mod theme;

pub use labels::{Format, Labels};
pub use theme::{Colour, Theme};

use crate::error::TemplateError;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// One template file with its name, which every error repeats.
#[derive(Debug, Clone)]
pub(crate) struct Source<T> {
    pub file: String,
    pub content: T,
}

/// Bytes of a font, a picture or a text.
const BYTES_MAX: u64 = 32 << 20;

/// The bytes of a font or picture.
pub(crate) type Bytes = Cow<'static, [u8]>;

/// Everything that can be changed without changing the program: words and formats per language, colours, fonts,
/// logo, mail texts.
#[derive(Debug, Clone)]
pub struct Templates {
    /// By language code.
    labels: BTreeMap<String, Labels>,
    pub(crate) theme: Theme,
    pub(crate) regular: Source<Bytes>,
    pub(crate) bold: Source<Bytes>,
    pub(crate) logo: Option<Source<Bytes>>,
    /// By path under `email/` without `.j2`, for example `invoice/da/subject.txt`.
    pub(crate) mails: BTreeMap<String, Source<String>>,
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../templates/", $path)))),*]
    };
}

const LABELS: &[(&str, &str)] = embedded!["invoice/labels/da.toml", "invoice/labels/en.toml"];
const THEME: (&str, &str) = ("invoice/theme.toml", include_str!("../../../templates/invoice/theme.toml"));
const REGULAR: (&str, &[u8]) =
    ("invoice/fonts/regular.ttf", include_bytes!("../../../templates/invoice/fonts/regular.ttf"));
const BOLD: (&str, &[u8]) =
    ("invoice/fonts/bold.ttf", include_bytes!("../../../templates/invoice/fonts/bold.ttf"));
const LOGO: &str = "invoice/logo.png";
const MAILS: &[(&str, &str)] = embedded![
    "email/layout.html.j2",
    "email/credit_note/da/body.html.j2",
    "email/credit_note/da/body.txt.j2",
    "email/credit_note/da/subject.txt.j2",
    "email/credit_note/en/body.html.j2",
    "email/credit_note/en/body.txt.j2",
    "email/credit_note/en/subject.txt.j2",
    "email/invoice/da/body.html.j2",
    "email/invoice/da/body.txt.j2",
    "email/invoice/da/subject.txt.j2",
    "email/invoice/en/body.html.j2",
    "email/invoice/en/body.txt.j2",
    "email/invoice/en/subject.txt.j2",
    "email/payment_failed/da/body.html.j2",
    "email/payment_failed/da/body.txt.j2",
    "email/payment_failed/da/subject.txt.j2",
    "email/payment_failed/en/body.html.j2",
    "email/payment_failed/en/body.txt.j2",
    "email/payment_failed/en/subject.txt.j2",
    "email/reminder/da/body.html.j2",
    "email/reminder/da/body.txt.j2",
    "email/reminder/da/subject.txt.j2",
    "email/reminder/en/body.html.j2",
    "email/reminder/en/body.txt.j2",
    "email/reminder/en/subject.txt.j2",
];

/// Language whose words are used for a language that has none.
const FALLBACK: &str = "en";

impl Templates {
    /// What is built into the program.
    pub fn embedded() -> Result<Self, TemplateError> {
        let mut labels = BTreeMap::new();
        for (file, text) in LABELS {
            labels.insert(stem(file).to_owned(), Labels::parse(file, text)?);
        }
        let mails =
            MAILS.iter().map(|(file, text)| (mail_name(file), source(file, (*text).to_owned()))).collect();
        Ok(Self {
            labels,
            theme: Theme::parse(THEME.0, THEME.1)?,
            regular: source(REGULAR.0, Cow::Borrowed(REGULAR.1)),
            bold: source(BOLD.0, Cow::Borrowed(BOLD.1)),
            logo: None,
            mails,
        })
    }

    /// The built-in ones, replaced by the files of the same path in `folder` (`invoice/theme.toml`,
    /// `invoice/logo.png`, `invoice/labels/de.toml`, `email/invoice/de/body.txt.j2` …). A language file or mail
    /// that is not built in is added. The folder must exist, a mail must have its subject, text and HTML.
    pub fn from_folder(folder: &Path) -> Result<Self, TemplateError> {
        if !folder.is_dir() {
            return Err(TemplateError::Missing { file: folder.display().to_string() });
        }
        let mut templates = Self::embedded()?;
        for path in files_below(folder, &folder.join("invoice/labels"))? {
            if let Some(language) = path.strip_prefix("invoice/labels/").and_then(|p| p.strip_suffix(".toml"))
            {
                let (file, text) = text_file(folder, &path)?;
                templates.labels.insert(language.to_owned(), Labels::parse(&file, &text)?);
            }
        }
        if folder.join(THEME.0).exists() {
            let (file, text) = text_file(folder, THEME.0)?;
            templates.theme = Theme::parse(&file, &text)?;
        }
        for (path, slot) in [(REGULAR.0, &mut templates.regular), (BOLD.0, &mut templates.bold)] {
            if folder.join(path).exists() {
                *slot = byte_file(folder, path)?;
            }
        }
        if folder.join(LOGO).exists() {
            templates.logo = Some(byte_file(folder, LOGO)?);
        }
        for path in files_below(folder, &folder.join("email"))?.iter().filter(|p| p.ends_with(".j2")) {
            let (file, text) = text_file(folder, path)?;
            templates.mails.insert(mail_name(path), source(&file, text));
        }
        templates.check_mails_are_whole()?;
        Ok(templates)
    }

    /// Words and formats of a language: exact, else of the language without its region (`da-DK` → `da`), else
    /// English.
    pub fn labels(&self, language: &str) -> &Labels {
        let (lower, fallback) = (language.to_lowercase(), FALLBACK.to_owned());
        let found = [lower.as_str(), primary(&lower), &fallback].into_iter().find_map(|l| self.labels.get(l));
        // The built-in languages are never removed, so the first of the map stands in for nobody.
        found.unwrap_or_else(|| &self.labels[FALLBACK])
    }

    /// The language in which mail `name` is written for a reader of `language`.
    pub(crate) fn mail_language<'l>(&self, name: &str, language: &'l str) -> Cow<'l, str> {
        let lower = language.to_lowercase();
        let has = |l: &str| self.mails.contains_key(&format!("{name}/{l}/subject.txt"));
        if has(&lower) {
            Cow::Owned(lower)
        } else if has(primary(&lower)) {
            Cow::Owned(primary(&lower).to_owned())
        } else {
            Cow::Borrowed(FALLBACK)
        }
    }

    fn check_mails_are_whole(&self) -> Result<(), TemplateError> {
        for (name, source) in &self.mails {
            let Some((folder, _)) = name.rsplit_once('/') else { continue };
            for part in ["subject.txt", "body.txt", "body.html"] {
                if !self.mails.contains_key(&format!("{folder}/{part}")) {
                    let here = source.file.rsplit_once('/').map_or("", |(folder, _)| folder);
                    return Err(TemplateError::Missing { file: format!("{here}/{part}.j2") });
                }
            }
        }
        Ok(())
    }
}

fn source<T>(file: &str, content: T) -> Source<T> {
    Source { file: file.to_owned(), content }
}

fn primary(language: &str) -> &str {
    language.split(['-', '_']).next().unwrap_or(language)
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name)
}

fn mail_name(path: &str) -> String {
    path.trim_start_matches("email/").trim_end_matches(".j2").to_owned()
}

/// Paths relative to `root` of all files below `folder`, in order; none if the folder is not there.
fn files_below(root: &Path, folder: &Path) -> Result<Vec<String>, TemplateError> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop().filter(|f| f.is_dir()) {
        let unreadable = |e: std::io::Error| TemplateError::Unreadable {
            file: folder.display().to_string(),
            why: e.to_string(),
        };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            match path.strip_prefix(root).ok().and_then(Path::to_str) {
                Some(relative) if path.is_file() => found.push(relative.replace('\\', "/")),
                _ if path.is_dir() => waiting.push(path),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn byte_file(folder: &Path, path: &str) -> Result<Source<Bytes>, TemplateError> {
    let full = folder.join(path);
    let file = full.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(&full).and_then(|opened| opened.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > BYTES_MAX => {
            Err(TemplateError::broken(&file, "is longer than 32 MiB, which no font and no picture is"))
        }
        Ok(_) => Ok(Source { file, content: Cow::Owned(bytes) }),
        Err(e) => Err(TemplateError::Unreadable { file, why: e.to_string() }),
    }
}

fn text_file(folder: &Path, path: &str) -> Result<(String, String), TemplateError> {
    let Source { file, content } = byte_file(folder, path)?;
    let text = String::from_utf8(content.into_owned());
    text.map_err(|_| TemplateError::broken(&file, "is not UTF-8")).map(|text| (file, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Renderer;

    fn write(folder: &Path, path: &str, content: &[u8]) {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    fn fault(path: &str, content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), path, content);
        let made = Templates::from_folder(folder.path()).and_then(|t| Renderer::new(&t).map(drop));
        made.expect_err("broken").to_string().replace(&folder.path().display().to_string(), "T")
    }

    #[test]
    fn a_folder_replaces_and_adds_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let german = LABELS[1].1.replace("\"Invoice\"", "\"Rechnung\"");
        write(folder.path(), "invoice/labels/de.toml", german.as_bytes());
        write(folder.path(), "invoice/theme.toml", THEME.1.replace("#14505C", "#800000").as_bytes());
        let templates = Templates::from_folder(folder.path()).unwrap();
        assert_eq!(templates.labels("de-AT").words.invoice, "Rechnung");
        assert_eq!(templates.labels("da").words.invoice, "Faktura");
        assert_eq!(templates.labels("tlh").words.invoice, "Invoice");
        assert_eq!(templates.theme.accent.red, 128);
    }

    #[test]
    fn every_fault_names_its_file() {
        let absent = Templates::from_folder(Path::new("no/such/folder")).expect_err("absent").to_string();
        assert_eq!(absent, "template no/such/folder is missing");
        let missing_word = fault("invoice/labels/de.toml", b"[format]\n[words]\n");
        assert!(missing_word.contains("T/invoice/labels/de.toml is broken: "), "{missing_word}");
        let colour = fault("invoice/theme.toml", THEME.1.replace("#14505C", "teal").as_bytes());
        assert!(colour.contains("T/invoice/theme.toml is broken") && colour.contains("teal"), "{colour}");
        let font = fault("invoice/fonts/bold.ttf", b"not a font");
        assert!(font.contains("T/invoice/fonts/bold.ttf is broken"), "{font}");
        let logo = fault("invoice/logo.png", b"GIF89a");
        assert!(logo.contains("T/invoice/logo.png is broken"), "{logo}");
        let half = fault("email/invoice/de/subject.txt.j2", b"Rechnung");
        assert_eq!(half, "template T/email/invoice/de/body.txt.j2 is missing");
        let syntax = fault("email/invoice/da/body.txt.j2", b"{{ invoice.number ");
        assert!(syntax.contains("T/email/invoice/da/body.txt.j2 is broken"), "{syntax}");
        let latin = fault("email/invoice/da/body.txt.j2", b"K\xe6re kunde");
        assert_eq!(latin, "template T/email/invoice/da/body.txt.j2 is broken: is not UTF-8");
    }
}

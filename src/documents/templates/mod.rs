//! Templates: built in, or from a folder that replaces them file by file.

mod labels;
mod theme;

pub use labels::{Format, Labels, MailWords, Words};
pub use theme::{Colour, Theme};

use crate::error::TemplateError;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

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
    /// English, as the program has it.
    built_in: MailWords,
    pub(crate) theme: Theme,
    pub(crate) regular: Source<Bytes>,
    pub(crate) bold: Source<Bytes>,
    /// Faces for other scripts.
    pub(crate) others: Vec<Source<Bytes>>,
    /// Where the system keeps fonts, for what no face of ours has.
    pub(crate) fonts_folder: Option<PathBuf>,
    pub(crate) logo: Option<Source<Bytes>>,
    /// By path under `email/` without `.j2`: `invoice/subject.txt` is filled with the words of any language,
    /// `invoice/da/subject.txt` is for one of them alone.
    pub(crate) mails: BTreeMap<String, Source<String>>,
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../templates/", $path)))),*]
    };
}

const LABELS: &[(&str, &str)] = embedded![
    "invoice/labels/da.toml",
    "invoice/labels/de.toml",
    "invoice/labels/en.toml",
    "invoice/labels/fi.toml",
    "invoice/labels/fr.toml",
    "invoice/labels/nb.toml",
    "invoice/labels/nl.toml",
    "invoice/labels/sv.toml",
];
const THEME: (&str, &str) = ("invoice/theme.toml", include_str!("../../../templates/invoice/theme.toml"));
const REGULAR: (&str, &[u8]) =
    ("invoice/fonts/regular.ttf", include_bytes!("../../../templates/invoice/fonts/regular.ttf"));
const BOLD: (&str, &[u8]) =
    ("invoice/fonts/bold.ttf", include_bytes!("../../../templates/invoice/fonts/bold.ttf"));
const OTHERS: &str = "invoice/fonts/others";
const LOGO: &str = "invoice/logo.png";
const MAILS: &[(&str, &str)] = embedded![
    "email/layout.html.j2",
    "email/credit_note/body.html.j2",
    "email/credit_note/body.txt.j2",
    "email/credit_note/subject.txt.j2",
    "email/invoice/body.html.j2",
    "email/invoice/body.txt.j2",
    "email/invoice/subject.txt.j2",
    "email/payment_failed/body.html.j2",
    "email/payment_failed/body.txt.j2",
    "email/payment_failed/subject.txt.j2",
    "email/reminder/body.html.j2",
    "email/reminder/body.txt.j2",
    "email/reminder/subject.txt.j2",
];

/// Norwegian goes by the name of the language too, not only of the way it is written.
const OTHER_NAMES: &[(&str, &str)] = &[("no", "nb"), ("nn", "nb")];
/// Language whose words are used for a language that has none.
const FALLBACK: &str = "en";

impl Templates {
    /// What is built into the program.
    pub fn embedded() -> Result<Self, TemplateError> {
        let mut labels = BTreeMap::new();
        for (file, text) in LABELS {
            labels.insert(stem(file).to_owned(), Labels::parse(file, text)?);
        }
        let english = labels.get(FALLBACK).and_then(|labels: &Labels| labels.mail.clone());
        let missing = || TemplateError::Missing { file: "invoice/labels/en.toml [mail]".to_owned() };
        let mails =
            MAILS.iter().map(|(file, text)| (mail_name(file), source(file, (*text).to_owned()))).collect();
        Ok(Self {
            built_in: english.ok_or_else(missing)?,
            labels,
            theme: Theme::parse(THEME.0, THEME.1)?,
            regular: source(REGULAR.0, Cow::Borrowed(REGULAR.1)),
            bold: source(BOLD.0, Cow::Borrowed(BOLD.1)),
            others: Vec::new(),
            fonts_folder: None,
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
        for path in files_below(folder, &folder.join(OTHERS))? {
            templates.others.push(byte_file(folder, &path)?);
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

    /// The same, with the fonts of the system for scripts that ours have not.
    #[must_use]
    pub fn with_fonts_of(self, folder: Option<PathBuf>) -> Self {
        Self { fonts_folder: folder, ..self }
    }

    /// Words and formats of a language: exact, else of the language without its region (`da-DK` → `da`), else
    /// English.
    pub fn labels(&self, language: &str) -> &Labels {
        // The built-in languages are never removed.
        self.own_labels(language).unwrap_or_else(|| &self.labels[FALLBACK])
    }

    /// Whether documents are written in this language.
    pub fn has_language(&self, language: &str) -> bool {
        self.own_labels(language).is_some()
    }

    fn own_labels(&self, language: &str) -> Option<&Labels> {
        names(language).iter().find_map(|name| self.labels.get(name))
    }

    /// The language in which mail `name` is written for a reader of `language`: one with a mail or with words for one.
    pub(crate) fn mail_language(&self, name: &str, language: &str) -> String {
        let has = |l: &&String| {
            let of_its_own = self.mails.contains_key(&format!("{name}/{l}/subject.txt"));
            of_its_own || self.labels.get(*l).is_some_and(|labels| labels.mail.is_some())
        };
        names(language).iter().find(has).cloned().unwrap_or_else(|| FALLBACK.to_owned())
    }

    /// Words for mails in a language that [`Self::mail_language`] gave: its own, else English ones.
    pub(crate) fn mail_words(&self, language: &str) -> (&Words, &MailWords) {
        let own = self.labels.get(language);
        let speaking = [own, self.labels.get(FALLBACK)].into_iter().flatten();
        let said = speaking.filter_map(|labels| labels.mail.as_ref()).next();
        // English is built in, and may be replaced by a file that says nothing of mails.
        (&own.unwrap_or_else(|| &self.labels[FALLBACK]).words, said.unwrap_or(&self.built_in))
    }

    /// The template of a part of a mail: that of the language alone, else the one for all.
    pub(crate) fn mail_part(&self, name: &str, language: &str, part: &str) -> String {
        let own = format!("{name}/{language}/{part}");
        if self.mails.contains_key(&own) { own } else { format!("{name}/{part}") }
    }

    /// A language with a mail of its own has all three parts of it, or words for those that it has not.
    fn check_mails_are_whole(&self) -> Result<(), TemplateError> {
        for (path, source) in &self.mails {
            let Some((folder, _)) = path.rsplit_once('/') else { continue };
            let (name, language) = folder.split_once('/').unwrap_or((folder, FALLBACK));
            let has_words = self.labels.get(language).is_some_and(|labels| labels.mail.is_some());
            for part in ["subject.txt", "body.txt", "body.html"] {
                let is_for_all = has_words && self.mails.contains_key(&format!("{name}/{part}"));
                if !is_for_all && !self.mails.contains_key(&format!("{folder}/{part}")) {
                    let here = source.file.rsplit_once('/').map_or("", |(folder, _)| folder);
                    return Err(TemplateError::Missing { file: format!("{here}/{part}.j2") });
                }
            }
        }
        Ok(())
    }
}

/// What a language may be called here, the narrowest name first.
fn names(language: &str) -> Vec<String> {
    let lower = language.to_lowercase();
    let primary = lower.split(['-', '_']).next().unwrap_or(&lower).to_owned();
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == primary).map(|(_, other)| (*other).to_owned());
    [lower.clone(), primary].into_iter().chain(other).collect()
}

fn source<T>(file: &str, content: T) -> Source<T> {
    Source { file: file.to_owned(), content }
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

    fn english() -> &'static str {
        LABELS.iter().find(|(file, _)| *file == "invoice/labels/en.toml").unwrap().1
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
        let latvian = english().replace("\"Invoice\"", "\"Faktoora\"");
        write(folder.path(), "invoice/labels/lv.toml", latvian.as_bytes());
        write(folder.path(), "invoice/theme.toml", THEME.1.replace("#14505C", "#800000").as_bytes());
        let templates = Templates::from_folder(folder.path()).unwrap();
        assert_eq!(templates.labels("lv-LV").words.invoice, "Faktoora");
        assert_eq!(templates.labels("da").words.invoice, "Faktura");
        assert_eq!(templates.labels("tlh").words.invoice, "Invoice");
        assert_eq!(templates.theme.accent.red, 128);
    }

    #[test]
    fn norwegian_is_found_by_each_of_its_names_and_a_language_without_words_is_not() {
        let templates = Templates::embedded().unwrap();
        for name in ["nb", "no", "NN", "nb-NO", "no_NO"] {
            assert_eq!(templates.labels(name).words.quantity, "Antall", "{name}");
            assert_eq!(templates.mail_language("invoice", name), "nb", "{name}");
        }
        assert!(templates.has_language("de-AT") && !templates.has_language("tlh"));
    }

    #[test]
    fn one_part_of_a_mail_may_be_replaced_and_a_language_without_mails_is_mailed_in_english() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "email/invoice/da/body.txt.j2", b"Hej");
        let silent = english().split("[mail]").next().unwrap().to_owned()
            + "[vat]"
            + english().split("[vat]").nth(1).unwrap();
        write(folder.path(), "invoice/labels/lv.toml", silent.as_bytes());
        let templates = Templates::from_folder(folder.path()).unwrap();
        assert_eq!(templates.mail_part("invoice", "da", "body.txt"), "invoice/da/body.txt");
        assert_eq!(templates.mail_part("invoice", "da", "subject.txt"), "invoice/subject.txt");
        assert_eq!(templates.mail_language("invoice", "lv"), "en");
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
        let other = fault("invoice/fonts/others/japanese.otf", b"not a font");
        assert!(other.contains("T/invoice/fonts/others/japanese.otf is broken"), "{other}");
        let logo = fault("invoice/logo.png", b"GIF89a");
        assert!(logo.contains("T/invoice/logo.png is broken"), "{logo}");
        let half = fault("email/invoice/lv/subject.txt.j2", b"Rekins");
        assert_eq!(half, "template T/email/invoice/lv/body.txt.j2 is missing");
        for word in ["due_date", "invoice_subject", "decimal"] {
            let gap = english().lines().filter(|line| !line.starts_with(&format!("{word} =")));
            let gap = fault("invoice/labels/lv.toml", gap.collect::<Vec<_>>().join("\n").as_bytes());
            assert!(gap.contains("T/invoice/labels/lv.toml is broken") && gap.contains(word), "{gap}");
        }
        let unknown = english().replace("due_date =", "due_data =");
        let unknown = fault("invoice/labels/lv.toml", unknown.as_bytes());
        assert!(unknown.contains("due_data"), "{unknown}");
        let syntax = fault("email/invoice/da/body.txt.j2", b"{{ invoice.number ");
        assert!(syntax.contains("T/email/invoice/da/body.txt.j2 is broken"), "{syntax}");
        let latin = fault("email/invoice/da/body.txt.j2", b"K\xe6re kunde");
        assert_eq!(latin, "template T/email/invoice/da/body.txt.j2 is broken: is not UTF-8");
    }
}

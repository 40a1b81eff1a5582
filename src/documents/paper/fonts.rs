//! The two faces of a document: parsed once, measured by the widths that the PDF itself states.

use super::others::Others;
use super::shaping::{self, Run};
use crate::error::TemplateError;
use crate::templates::{Bytes, Source, Templates};
use printpdf::ParsedFont;
use std::borrow::Cow;
use std::sync::Arc;

/// What stands for a character that the face does not have: the first of these that it has.
const REPLACEMENTS: [char; 3] = ['\u{fffd}', '□', '?'];
/// Characters measured in advance: Latin, Greek, Cyrillic, punctuation, currency signs.
const MEASURED: u32 = 0x2600;

/// Regular and bold.
pub(crate) struct Fonts {
    pub regular: Font,
    pub bold: Font,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    Regular,
    Bold,
}

/// A parsed face with the width of each character.
pub(crate) struct Font {
    pub parsed: ParsedFont,
    /// Thousandths of the size, by code point; `None` = the face does not have it.
    widths: Vec<Option<u16>>,
    /// Faces for what this one does not have.
    pub(super) others: Arc<Others>,
}

impl Fonts {
    /// Parses both faces.
    pub fn parse(templates: &Templates) -> Result<Self, TemplateError> {
        let others = Arc::new(Others::parse(templates)?);
        Ok(Self {
            regular: Font::parse(&templates.regular, &others)?,
            bold: Font::parse(&templates.bold, &others)?,
        })
    }

    /// The face.
    pub fn of(&self, face: Face) -> &Font {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
        }
    }

    /// Whether a character can be written: both faces have it, or another one.
    pub fn has(&self, character: char) -> bool {
        let is_own = self.regular.width_of(character).is_some() && self.bold.width_of(character).is_some();
        is_own || self.regular.others.of(character).is_some()
    }
}

impl Font {
    fn parse(source: &Source<Bytes>, others: &Arc<Others>) -> Result<Self, TemplateError> {
        let mut warnings = Vec::new();
        let parsed = ParsedFont::from_bytes(&source.content, 0, &mut warnings)
            .ok_or_else(|| TemplateError::broken(&source.file, "is not a TrueType or OpenType font"))?;
        let mut font = Self { parsed, widths: Vec::new(), others: Arc::clone(others) };
        font.widths = (0..MEASURED).map(|code| font.measure(code)).collect();
        let needed = "0123456789.,-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz –";
        if let Some(missing) = needed.chars().find(|c| font.width_of(*c).is_none()) {
            return Err(TemplateError::broken(&source.file, format!("has no glyph for `{missing}`")));
        }
        Ok(font)
    }

    /// Width of a text, in points. Text must be [`Self::printable`].
    pub fn width(&self, text: &str, size: f32) -> f32 {
        if self.is_plain(text) {
            return self.plain_width(text, size);
        }
        let width = |run: &Run<'_>| match run {
            Run::Own(text) => self.plain_width(text, size),
            Run::Shaped(shaped) => shaped.width * size / 1000.0,
        };
        self.runs(text).iter().map(width).sum()
    }

    fn plain_width(&self, text: &str, size: f32) -> f32 {
        let thousandths: u32 = text.chars().filter_map(|c| self.width_of(c)).map(u32::from).sum();
        thousandths as f32 * size / 1000.0
    }

    /// Whether this face writes a text alone.
    pub fn is_plain(&self, text: &str) -> bool {
        text.chars().all(|c| self.width_of(c).is_some())
    }

    /// The pieces of a line from left to right, each in the face that has it. Text must be [`Self::printable`].
    pub fn runs(&self, text: &str) -> Vec<Run<'_>> {
        shaping::runs(text, &self.others, |c| self.width_of(c).is_some())
    }

    /// The text as it can be printed: line breaks and tabs become spaces, other control characters vanish, and what
    /// no face has becomes a replacement character.
    pub fn printable<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_plain(text) {
            return Cow::Borrowed(text);
        }
        let stand_in = REPLACEMENTS.into_iter().find(|c| self.width_of(*c).is_some()).unwrap_or('?');
        let print = |c: char| match c {
            '\n' | '\t' => Some(' '),
            // Between letters that join these say how.
            '\u{200c}' | '\u{200d}' if text.chars().any(|c| shaping::script_of(c).is_some()) => Some(c),
            c if crate::writable::vanishes(c) => None,
            c if self.width_of(c).is_some() || self.others.of(c).is_some() => Some(c),
            _ => Some(stand_in),
        };
        Cow::Owned(text.chars().filter_map(print).collect())
    }

    /// Breaks a text into lines of at most `width`: at its own line breaks, at spaces, and inside a word only where
    /// the word alone is wider. Never empty.
    pub fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let paragraph = self.printable(paragraph);
            let mut line = String::new();
            for word in paragraph.split(' ').filter(|w| !w.is_empty()) {
                let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
                if self.width(&longer, size) <= width {
                    line = longer;
                    continue;
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line = self.break_word(word, size, width, &mut lines);
            }
            lines.push(line);
        }
        while lines.last().is_some_and(String::is_empty) && lines.len() > 1 {
            lines.pop();
        }
        if lines.is_empty() { vec![String::new()] } else { lines }
    }

    /// Pushes full pieces of a word that is wider than a line, and returns the rest.
    fn break_word(&self, word: &str, size: f32, width: f32, lines: &mut Vec<String>) -> String {
        let mut piece = String::new();
        for character in word.chars() {
            let is_tied = shaping::is_tied(piece.chars().last(), character);
            piece.push(character);
            if !is_tied && self.width(&piece, size) > width && piece.chars().count() > 1 {
                piece.pop();
                lines.push(std::mem::replace(&mut piece, character.to_string()));
            }
        }
        piece
    }

    fn width_of(&self, character: char) -> Option<u16> {
        let code = u32::from(character);
        match usize::try_from(code).ok().and_then(|place| self.widths.get(place)) {
            Some(known) => *known,
            None => self.measure(code),
        }
    }

    /// As the PDF will state it: whole thousandths, cut off.
    fn measure(&self, code: u32) -> Option<u16> {
        let is_joined = char::from_u32(code).is_some_and(shaping::is_joined);
        if code < 0x20 || (0x7f..0xa0).contains(&code) || is_joined {
            return None;
        }
        let glyph = self.parsed.lookup_glyph_index(code).filter(|glyph| *glyph != 0)?;
        let per_em = u32::from(self.parsed.pdf_font_metrics.units_per_em).max(1);
        let advance = u32::from(self.parsed.get_horizontal_advance(glyph));
        u16::try_from(advance * 1000 / per_em).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fonts() -> Fonts {
        Fonts::parse(&Templates::embedded().unwrap()).unwrap()
    }

    #[test]
    fn all_figures_have_one_width() {
        let fonts = fonts();
        for font in [&fonts.regular, &fonts.bold] {
            let width = font.width("0", 1000.0);
            assert!("123456789".chars().all(|c| (font.width(&c.to_string(), 1000.0) - width).abs() < 1.5));
        }
    }

    #[test]
    fn long_text_breaks_at_spaces_and_long_words_anywhere() {
        let fonts = fonts();
        let lines = fonts.regular.wrap("Rugbrødsekspeditionen på Strandvejen", 10.0, 120.0);
        assert_eq!(lines, ["Rugbrødsekspeditionen", "på Strandvejen"]);
        let word = "Speciallægepraksisplanlægningsstabiliseringsperiode";
        let pieces = fonts.regular.wrap(word, 10.0, 90.0);
        assert!(pieces.len() > 2);
        assert_eq!(pieces.concat(), word);
        assert!(pieces.iter().all(|p| fonts.regular.width(p, 10.0) <= 90.0));
        assert_eq!(fonts.regular.wrap("a\nb", 10.0, 90.0), ["a", "b"]);
        assert_eq!(fonts.regular.wrap("", 10.0, 90.0), [""]);
    }

    #[test]
    fn what_the_face_lacks_is_replaced_and_control_characters_vanish() {
        let fonts = fonts();
        assert_eq!(
            fonts.regular.printable("Blåbærgrød, 5 € – Čapek Ωμέγα Москва"),
            "Blåbærgrød, 5 € – Čapek Ωμέγα Москва"
        );
        assert_eq!(fonts.regular.printable("a\tb\u{7}\u{200b}"), "a b");
        assert_eq!(fonts.regular.printable("寿司"), "□□");
    }
}

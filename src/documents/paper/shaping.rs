//! A line of text in runs from left to right: what the document's own face has is printed as it is; what another face has is
//! shaped, so that letters join, marks sit on their letters, and Hebrew and Arabic run from right to left.

use super::others::{Other, Others};
use allsorts::binary::read::ReadScope;
use allsorts::font::MatchingPresentation;
use allsorts::font_data::FontData;
use allsorts::glyph_position::{GlyphLayout, TextDirection};
use allsorts::gpos::Info;
use allsorts::gsub::{FeatureMask, FeatureMaskExt};
use std::ops::RangeInclusive;
use unicode_bidi::BidiInfo;

/// The scripts that run from right to left here.
const LEFTWARDS: [RangeInclusive<char>; 3] =
    ['\u{590}'..='\u{8ff}', '\u{fb1d}'..='\u{fdff}', '\u{fe70}'..='\u{fefc}'];
/// OpenType's names of scripts whose letters change with their neighbours.
const SCRIPTS: [(RangeInclusive<char>, &[u8; 4]); 22] = [
    ('\u{590}'..='\u{5ff}', b"hebr"),
    ('\u{fb1d}'..='\u{fb4f}', b"hebr"),
    ('\u{600}'..='\u{6ff}', b"arab"),
    ('\u{750}'..='\u{77f}', b"arab"),
    ('\u{8a0}'..='\u{8ff}', b"arab"),
    ('\u{fb50}'..='\u{fdff}', b"arab"),
    ('\u{fe70}'..='\u{fefc}', b"arab"),
    ('\u{900}'..='\u{97f}', b"deva"),
    ('\u{980}'..='\u{9ff}', b"beng"),
    ('\u{a00}'..='\u{a7f}', b"guru"),
    ('\u{a80}'..='\u{aff}', b"gujr"),
    ('\u{b80}'..='\u{bff}', b"taml"),
    ('\u{c00}'..='\u{c7f}', b"telu"),
    ('\u{c80}'..='\u{cff}', b"knda"),
    ('\u{d00}'..='\u{d7f}', b"mlym"),
    ('\u{d80}'..='\u{dff}', b"sinh"),
    ('\u{e00}'..='\u{e7f}', b"thai"),
    ('\u{1780}'..='\u{17ff}', b"khmr"),
    ('\u{1200}'..='\u{139f}', b"ethi"),
    ('\u{1100}'..='\u{11ff}', b"hang"),
    ('\u{ac00}'..='\u{d7af}', b"hang"),
    ('\u{3040}'..='\u{30ff}', b"kana"),
];

/// Scripts that run from right to left or whose letters change with their neighbours: a face is shaped for them, or not taken.
const JOINED: [RangeInclusive<char>; 6] = [
    '\u{590}'..='\u{8ff}',   // Hebrew, Arabic, Syriac, Thaana, N'Ko
    '\u{900}'..='\u{dff}',   // the scripts of India and Sri Lanka
    '\u{e00}'..='\u{109f}',  // Thai to Myanmar
    '\u{1780}'..='\u{17ff}', // Khmer
    '\u{fb1d}'..='\u{fdff}', // presentation forms
    '\u{fe70}'..='\u{fefc}',
];

/// A piece of a line.
pub(crate) enum Run<'f> {
    /// Of the document's own face.
    Own(String),
    Shaped(Shaped<'f>),
}

/// Glyphs of another face, from left to right.
pub(crate) struct Shaped<'f> {
    pub face: &'f Other,
    pub glyphs: Vec<Placed>,
    /// Thousandths of the size, as all lengths here.
    pub width: f32,
}

/// A glyph at its place from the run's start.
pub(crate) struct Placed {
    pub glyph: u16,
    /// What it stands for.
    pub text: String,
    pub x: f32,
    pub y: f32,
}

/// The script of a character, where its letters change with their neighbours.
pub(crate) fn script_of(character: char) -> Option<&'static [u8; 4]> {
    SCRIPTS.iter().find(|(range, _)| range.contains(&character)).map(|(_, tag)| *tag)
}

/// Whether a letter changes with its neighbours, or runs to the left.
pub(crate) fn is_joined(character: char) -> bool {
    JOINED.iter().any(|range| range.contains(&character))
}

fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// Whether a line may not be broken between two characters: the second is a mark of the first, or joined to it.
pub(crate) fn is_tied(before: Option<char>, character: char) -> bool {
    const VIRAMA: u32 = 0x4d;
    let in_block = |c: char| ('\u{900}'..='\u{ddf}').contains(&c).then(|| u32::from(c) % 0x80);
    let is_mark = match character {
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}' => true,
        '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{200c}' | '\u{200d}' => true,
        _ => in_block(character)
            .is_some_and(|place| matches!(place, 0..=3 | 0x3a..=0x3c | 0x3e..=0x5f | 0x62 | 0x63)),
    };
    // A vowel that Thai writes first belongs to the letter behind it.
    let leads = before.is_some_and(|c| ('\u{e40}'..='\u{e44}').contains(&c));
    is_mark || leads || before.and_then(in_block) == Some(VIRAMA)
}

/// The runs of a line, from left to right. `is_own` says what the document's own face has.
pub(crate) fn runs<'f>(text: &str, others: &'f Others, is_own: impl Fn(char) -> bool) -> Vec<Run<'f>> {
    if !text.chars().any(is_leftwards) {
        return pieces(text, others, &is_own).into_iter().map(|piece| piece.run(false)).collect();
    }
    let info = BidiInfo::new(text, None);
    let mut runs = Vec::new();
    for paragraph in &info.paragraphs {
        let (levels, ranges) = info.visual_runs(paragraph, paragraph.range.clone());
        for range in ranges {
            let is_rtl = levels.get(range.start).is_some_and(unicode_bidi::Level::is_rtl);
            let mut pieces = pieces(text.get(range).unwrap_or_default(), others, &is_own);
            if is_rtl {
                pieces.reverse();
            }
            runs.extend(pieces.into_iter().map(|piece| piece.run(is_rtl)));
        }
    }
    runs
}

fn is_leftwards(character: char) -> bool {
    LEFTWARDS.iter().any(|range| range.contains(&character))
}

/// Characters of one face and one script, in the order in which they are read.
struct Piece<'f> {
    face: Option<&'f Other>,
    script: Option<&'static [u8; 4]>,
    text: String,
}

fn pieces<'f>(text: &str, others: &'f Others, is_own: &impl Fn(char) -> bool) -> Vec<Piece<'f>> {
    let mut pieces: Vec<Piece<'f>> = Vec::new();
    for character in text.chars() {
        // Joiners belong to the letters before them.
        let is_joiner = is_joiner(character);
        let (face, script) = match pieces.last() {
            Some(last) if is_joiner && last.face.is_some() => (last.face, last.script),
            _ if is_joiner => continue,
            _ if is_own(character) => (None, None),
            _ => (others.of(character), script_of(character)),
        };
        match pieces.last_mut() {
            Some(last) if is_same(last.face, face) && last.script == script => last.text.push(character),
            _ => pieces.push(Piece { face, script, text: character.to_string() }),
        }
    }
    pieces
}

fn is_same(one: Option<&Other>, other: Option<&Other>) -> bool {
    one.map(|face| face.id.as_str()) == other.map(|face| face.id.as_str())
}

impl<'f> Piece<'f> {
    fn run(self, is_rtl: bool) -> Run<'f> {
        match self.face {
            Some(face) => Run::Shaped(shaped(face, &self.text, self.script, is_rtl)),
            None if is_rtl => Run::Own(self.text.chars().rev().map(mirrored).collect()),
            None => Run::Own(self.text),
        }
    }
}

/// A bracket that opens to the other side.
fn mirrored(character: char) -> char {
    const PAIRS: [(char, char); 5] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>'), ('«', '»')];
    let turned = |(open, close): &(char, char)| match character {
        c if c == *open => Some(*close),
        c if c == *close => Some(*open),
        _ => None,
    };
    PAIRS.iter().find_map(turned).unwrap_or(character)
}

/// Shapes a piece. A face whose tables are broken gives its glyphs side by side.
fn shaped<'f>(face: &'f Other, text: &str, script: Option<&[u8; 4]>, is_rtl: bool) -> Shaped<'f> {
    let placed = placed(face, text, script, is_rtl);
    let (glyphs, width) = placed.unwrap_or_else(|| side_by_side(face, text));
    Shaped { face, glyphs, width }
}

fn placed(face: &Other, text: &str, script: Option<&[u8; 4]>, is_rtl: bool) -> Option<(Vec<Placed>, f32)> {
    let script = u32::from_be_bytes(*script.unwrap_or(b"DFLT"));
    let data = ReadScope::new(&face.bytes).read::<FontData<'_>>().ok()?;
    let mut font = allsorts::Font::new(data.table_provider(0).ok()?).ok()?;
    let glyphs = font.map_glyphs(text, script, MatchingPresentation::NotRequired);
    let shaped = font.shape(glyphs, script, None, FeatureMask::default_mask(), &[], None, true);
    // What could be done is taken, whatever stood in the way of the rest.
    let infos = shaped.unwrap_or_else(|(_, infos)| infos);
    let is_missing =
        |info: &Info| info.glyph.glyph_index == 0 && !info.glyph.unicodes.iter().any(|c| is_joiner(*c));
    if infos.iter().any(is_missing) {
        return None;
    }
    let direction = if is_rtl { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
    let positions = GlyphLayout::new(&mut font, &infos, direction, false).glyph_positions().ok()?;
    let scale = thousandths(face);
    let total: i32 = positions.iter().map(|position| position.hori_advance).sum();
    let mut pen = if is_rtl { total } else { 0 };
    let mut glyphs = Vec::with_capacity(infos.len());
    for (info, position) in infos.iter().zip(&positions) {
        if is_rtl {
            pen -= position.hori_advance;
        }
        if info.glyph.glyph_index == 0 {
            continue; // a joiner without a glyph has done its work
        }
        let (x, y) = ((pen + position.x_offset) as f32 * scale, position.y_offset as f32 * scale);
        let text = info.glyph.unicodes.iter().collect();
        glyphs.push(Placed { glyph: info.glyph.glyph_index, text, x, y });
        if !is_rtl {
            pen += position.hori_advance;
        }
    }
    if is_rtl {
        glyphs.reverse();
    }
    Some((glyphs, total as f32 * scale))
}

fn side_by_side(face: &Other, text: &str) -> (Vec<Placed>, f32) {
    let (mut pen, mut glyphs) = (0.0, Vec::new());
    for character in text.chars() {
        let glyph = face.parsed.lookup_glyph_index(u32::from(character)).unwrap_or(0);
        glyphs.push(Placed { glyph, text: character.to_string(), x: pen, y: 0.0 });
        pen += f32::from(face.parsed.get_horizontal_advance(glyph)) * thousandths(face);
    }
    (glyphs, pen)
}

fn thousandths(face: &Other) -> f32 {
    1000.0 / f32::from(face.parsed.pdf_font_metrics.units_per_em.max(1))
}

//! A sheet of A4: text, lines, boxes and a picture at given places.

use super::fonts::{Face, Font, Fonts};
use super::shaping::Run;
use super::{HEIGHT, WIDTH};
use crate::templates::Colour;
use printpdf::{
    Codepoint, Color, FontId, Line, LinePoint, Op, PaintMode, PdfFontHandle, Point, Pt, Rect, Rgb, TextItem,
    TextMatrix, XObjectId, XObjectTransform,
};
use std::collections::BTreeSet;

/// Resource names; fixed, because printpdf's own come from a process-wide counter. Six letters make the subset tag.
pub(super) const REGULAR_ID: &str = "TBREGU";
pub(super) const BOLD_ID: &str = "TBBOLD";
pub(super) const LOGO_ID: &str = "TBLOGO";

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    pub face: Face,
    /// Points.
    pub size: f32,
    pub colour: Colour,
}

/// Which end of a text stands at the given place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One page under construction.
#[derive(Default)]
pub(crate) struct Sheet {
    pub(super) ops: Vec<Op>,
    /// Names of the faces for other scripts that it uses.
    pub(super) others: BTreeSet<String>,
}

impl Sheet {
    /// Writes one line with its baseline at `y`.
    pub fn text(&mut self, fonts: &Fonts, ink: TextStyle, align: Align, (x, y): (f32, f32), text: &str) {
        let font = fonts.of(ink.face);
        let text = font.printable(text);
        if text.trim().is_empty() {
            return;
        }
        let left = if align == Align::Left { x } else { x - font.width(&text, ink.size) };
        if font.is_plain(&text) {
            self.show(ink, text.into_owned(), Op::SetTextCursor { pos: point(left, y) });
        } else {
            self.mixed(font, ink, &text, (left, HEIGHT - y), (0.0, 1.0));
        }
    }

    /// Writes a line in which several faces take part, from a place of the PDF and in a direction.
    fn mixed(&mut self, font: &Font, ink: TextStyle, text: &str, (x, y): (f32, f32), (sin, cos): (f32, f32)) {
        let mut pen = 0.0;
        let at = |along: f32, up: f32| {
            let (x, y) = (x + along * cos - up * sin, y + along * sin + up * cos);
            Op::SetTextMatrix { matrix: TextMatrix::Raw([cos, sin, -sin, cos, x, y]) }
        };
        for run in font.runs(text) {
            match run {
                Run::Own(text) => {
                    let width = font.width(&text, ink.size);
                    self.show(ink, text, at(pen, 0.0));
                    pen += width;
                }
                Run::Shaped(shaped) => {
                    let scale = ink.size / 1000.0;
                    self.begin(ink, &shaped.face.id);
                    self.others.insert(shaped.face.id.clone());
                    for placed in shaped.glyphs {
                        let glyph = Codepoint::with_cid(placed.glyph, 0.0, placed.text);
                        self.ops.push(at(pen + placed.x * scale, placed.y * scale));
                        self.ops.push(Op::ShowText { items: vec![TextItem::GlyphIds(vec![glyph])] });
                    }
                    self.ops.push(Op::EndTextSection);
                    pen += shaped.width * scale;
                }
            }
        }
    }

    /// Writes large text from the lower left to the upper right, centred on the sheet, to lie under everything else.
    pub fn watermark(&mut self, fonts: &Fonts, colour: Colour, text: &str) {
        const DEGREES: f32 = 52.0;
        let font = fonts.of(Face::Bold);
        let text = font.printable(text).to_uppercase();
        let size = (560.0 / font.width(&text, 1.0)).min(150.0);
        let (sin, cos) = DEGREES.to_radians().sin_cos();
        let (half, lift) = (font.width(&text, size) / 2.0, size * 0.36);
        let x = WIDTH / 2.0 - half * cos + lift * sin;
        let y = HEIGHT / 2.0 - half * sin - lift * cos;
        let ink = TextStyle { face: Face::Bold, size, colour };
        self.mixed(font, ink, &text, (x, y), (sin, cos));
    }

    /// A horizontal line.
    pub fn rule(&mut self, colour: Colour, thickness: f32, (from, to): (f32, f32), y: f32) {
        let end = |x| LinePoint { p: point(x, y), bezier: false };
        self.ops.extend([
            Op::SetOutlineColor { col: color(colour) },
            Op::SetOutlineThickness { pt: Pt(thickness) },
            Op::DrawLine { line: Line { points: vec![end(from), end(to)], is_closed: false } },
        ]);
    }

    /// A filled box with its upper left corner at (x, y).
    pub fn fill(&mut self, colour: Colour, (x, y): (f32, f32), (width, height): (f32, f32)) {
        let rectangle = Rect {
            x: Pt(x),
            y: Pt(HEIGHT - y - height),
            width: Pt(width),
            height: Pt(height),
            mode: Some(PaintMode::Fill),
            winding_order: None,
        };
        self.ops.extend([Op::SetFillColor { col: color(colour) }, Op::DrawRectangle { rectangle }]);
    }

    /// The logo with its upper left corner at (x, y).
    pub fn logo(&mut self, (x, y): (f32, f32), (width, height): (f32, f32)) {
        let transform = XObjectTransform {
            translate_x: Some(Pt(x)),
            translate_y: Some(Pt(HEIGHT - y - height)),
            scale_x: Some(width),
            scale_y: Some(height),
            no_auto_scale: true,
            ..XObjectTransform::default()
        };
        self.ops.push(Op::UseXobject { id: XObjectId(LOGO_ID.to_owned()), transform });
    }

    /// Puts what is on `other` on top of this sheet.
    pub fn overlay(&mut self, other: Sheet) {
        self.ops.extend(other.ops);
        self.others.extend(other.others);
    }

    fn show(&mut self, ink: TextStyle, text: String, place: Op) {
        // A no-break space has done its work; on paper it is a space like any other.
        let text = text.replace('\u{a0}', " ");
        let id = if ink.face == Face::Regular { REGULAR_ID } else { BOLD_ID };
        self.begin(ink, id);
        self.ops.extend([place, Op::ShowText { items: vec![TextItem::Text(text)] }, Op::EndTextSection]);
    }

    fn begin(&mut self, ink: TextStyle, font: &str) {
        self.ops.extend([
            Op::StartTextSection,
            Op::SetFont { font: PdfFontHandle::External(FontId(font.to_owned())), size: Pt(ink.size) },
            Op::SetFillColor { col: color(ink.colour) },
        ]);
    }
}

fn point(x: f32, y: f32) -> Point {
    Point { x: Pt(x), y: Pt(HEIGHT - y) }
}

fn color(colour: Colour) -> Color {
    let part = |value: u8| f32::from(value) / 255.0;
    Color::Rgb(Rgb { r: part(colour.red), g: part(colour.green), b: part(colour.blue), icc_profile: None })
}

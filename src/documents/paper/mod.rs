//! Paper: fonts with their widths, sheets to draw on, and the PDF made of them. The only part that knows printpdf.
//!
//! Lengths are points (1/72 inch); `y` grows downwards from the top of the sheet.

mod archive;
mod fonts;
mod logo;
mod others;
mod pdf;
mod shaping;
mod sheet;

pub(crate) use fonts::{Face, Fonts};
pub(crate) use logo::Logo;
pub(crate) use pdf::{Identity, write};
#[cfg(test)]
pub(crate) use shaping::Run;
pub(crate) use shaping::{is_joined, script_of};
pub(crate) use sheet::{Align, Sheet, TextStyle};

/// A4.
pub(crate) const WIDTH: f32 = 595.28;
/// A4.
pub(crate) const HEIGHT: f32 = 841.89;

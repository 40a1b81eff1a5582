//! The seller's logo: a PNG, decoded once.

use crate::error::TemplateError;
use crate::templates::{Bytes, Source};
use printpdf::RawImage;

/// More pixels would only make every document larger: 16 mm are 190 pixels at 300 dpi.
const PIXELS_MAX: usize = 1_000_000;

/// A decoded logo.
pub(crate) struct Logo {
    pub(super) image: RawImage,
}

impl Logo {
    /// Decodes a PNG of at most a million pixels.
    pub fn decode(source: &Source<Bytes>) -> Result<Self, TemplateError> {
        if !source.content.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Err(TemplateError::broken(&source.file, "is not a PNG"));
        }
        let mut remarks = Vec::new();
        let image = RawImage::decode_from_bytes(&source.content, &mut remarks)
            .map_err(|e| TemplateError::broken(&source.file, e))?;
        let pixels = image.width.saturating_mul(image.height);
        if pixels == 0 || pixels > PIXELS_MAX {
            let why = format!("has {} × {} pixels; at most a million in all", image.width, image.height);
            return Err(TemplateError::broken(&source.file, why));
        }
        Ok(Self { image })
    }

    /// Width and height that fit into a box, in its unit, with the picture's proportions.
    pub fn fitted(&self, width_max: f32, height_max: f32) -> (f32, f32) {
        let (width, height) = (self.image.width as f32, self.image.height as f32);
        let scale = (width_max / width).min(height_max / height);
        (width * scale, height * scale)
    }
}

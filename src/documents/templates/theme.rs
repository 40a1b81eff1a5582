//! Colours and measures of the invoice.

use crate::error::TemplateError;
use serde::Deserialize;

/// Colours, and the size of the logo.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Title, rules and the total.
    pub accent: Colour,
    /// Text.
    pub ink: Colour,
    /// Labels, periods, descriptions.
    pub muted: Colour,
    /// Thin lines.
    pub rule: Colour,
    /// Behind the head of the lines and the payment box.
    pub band: Colour,
    /// Largest height of the logo, 1 to 40 mm.
    pub logo_height_mm: u16,
}

/// A colour, 0 to 255 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl TryFrom<String> for Colour {
    type Error = String;

    /// Reads `#RRGGBB`.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = || format!("`{text}` is not a colour of the form #RRGGBB");
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6).ok_or_else(bad)?;
        let value = u32::from_str_radix(digits, 16).map_err(|_| bad())?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl Theme {
    /// Reads a theme file.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, TemplateError> {
        let theme: Self = toml::from_str(text).map_err(|e| TemplateError::broken(file, e))?;
        if !(1..=40).contains(&theme.logo_height_mm) {
            let why = format!("logo_height_mm is {}, not 1 to 40", theme.logo_height_mm);
            return Err(TemplateError::broken(file, why));
        }
        Ok(theme)
    }
}

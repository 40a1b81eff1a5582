//! Sheets become a PDF whose bytes follow from them and from an [`Identity`] alone.

use super::sheet::{BOLD_ID, LOGO_ID, REGULAR_ID, Sheet};
use super::{Fonts, HEIGHT, Logo, WIDTH, archive};
use chrono::{NaiveDate, NaiveTime};
use domain::Uuid;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use printpdf::{
    FontId, OffsetDateTime, PdfDocument, PdfFont, PdfPage, PdfParseErrorSeverity, PdfSaveOptions, Pt, Rect,
    XObject, XObjectId,
};
use std::collections::BTreeSet;
use std::io::Write;

/// Of deflate, 0 to 9.
const LEVEL: u32 = 5;

/// What a PDF says about itself.
pub(crate) struct Identity<'a> {
    pub title: String,
    pub author: &'a str,
    /// Creation and modification date.
    pub on: NaiveDate,
    /// Becomes `/ID`.
    pub id: Uuid,
    /// The same document for programs: Factur-X's XML.
    pub data: Option<&'a str>,
}

/// The PDF, or every warning of the writer.
pub(crate) fn write(
    fonts: &Fonts,
    logo: Option<&Logo>,
    identity: &Identity,
    sheets: Vec<Sheet>,
) -> Result<Vec<u8>, String> {
    let mut document = PdfDocument::new(&identity.title);
    let info = &mut document.metadata.info;
    let midnight = identity.on.and_time(NaiveTime::MIN).and_utc().timestamp();
    let on = OffsetDateTime::from_unix_timestamp(midnight)?;
    (info.creation_date, info.modification_date, info.metadata_date) = (on, on, on);
    info.author = identity.author.to_owned();
    info.creator = "tallybook".to_owned();
    info.producer = "tallybook".to_owned();
    for (id, font) in [(REGULAR_ID, &fonts.regular), (BOLD_ID, &fonts.bold)] {
        document.resources.fonts.map.insert(FontId(id.to_owned()), PdfFont::new(font.parsed.clone()));
    }
    for id in sheets.iter().flat_map(|sheet| &sheet.others).collect::<BTreeSet<_>>() {
        let other = fonts.regular.others.by_id(id).ok_or_else(|| format!("face {id} is not there"))?;
        document.resources.fonts.map.insert(FontId(id.clone()), PdfFont::new(other.parsed.clone()));
    }
    if let Some(logo) = logo {
        document
            .resources
            .xobjects
            .map
            .insert(XObjectId(LOGO_ID.to_owned()), XObject::Image(logo.image.clone()));
    }
    document.pages = sheets.into_iter().map(page).collect();

    let mut warnings = Vec::new();
    let options = PdfSaveOptions { image_optimization: None, ..PdfSaveOptions::default() };
    let mut file = document.to_lopdf_document(&options, &mut warnings);
    let said: Vec<String> =
        warnings.into_iter().filter(|w| w.severity != PdfParseErrorSeverity::Info).map(|w| w.msg).collect();
    if !said.is_empty() {
        return Err(said.join("; "));
    }
    // printpdf draws both halves of /ID from a process-wide counter.
    let id = identity.id.simple().to_string().into_bytes();
    let halves = file.trailer.get_mut(b"ID").and_then(|ids| ids.as_array_mut()).map_err(|e| e.to_string())?;
    for half in halves {
        *half.as_str_mut().map_err(|e| e.to_string())? = id.clone();
    }
    // And it claims a PDF/X version that the file does not have.
    let info = file.trailer.get(b"Info").and_then(|info| info.as_reference()).map_err(|e| e.to_string())?;
    let info = file.get_object_mut(info).and_then(|info| info.as_dict_mut()).map_err(|e| e.to_string())?;
    for empty in ["GTS_PDFXVersion", "Subject", "Keywords", "Identifier"] {
        info.remove(empty.as_bytes());
    }
    archive::make(&mut file, identity).map_err(|e| e.to_string())?;
    // The writer's own `compress` takes the highest level, which is slow and saves little.
    for stream in file.objects.values_mut().filter_map(|object| object.as_stream_mut().ok()) {
        if stream.allows_compression && !stream.dict.has(b"Filter") {
            let compressed = deflate(&stream.content)?;
            if compressed.len() < stream.content.len() {
                stream.dict.set("Filter", "FlateDecode");
                stream.set_content(compressed);
            }
        }
    }
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn deflate(content: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(content).map_err(|e| e.to_string())?;
    encoder.finish().map_err(|e| e.to_string())
}

fn page(sheet: Sheet) -> PdfPage {
    let a4 = Rect::from_wh(Pt(WIDTH), Pt(HEIGHT));
    PdfPage { media_box: a4.clone(), trim_box: a4.clone(), crop_box: a4, ops: sheet.ops }
}

//! Names in other scripts: written with the faces that are given, read back by poppler, and refused without them.

use crate::golden::Paper;
use crate::sample::{line, one_page, tenant};
use crate::{DocumentError, InvoiceDocument, Renderer, Templates};
use domain::invoice::Invoice;
use std::path::Path;

/// A name of each script, with what of it must be found again as text.
const NAMES: [(&str, &str); 8] = [
    ("Ωμέγα Εμπορική", "Ωμέγα Εμπορική"),
    ("Москва Пример", "Москва Пример"),
    ("株式会社サンプル", "株式会社サンプル"),
    ("北京示例有限公司", "北京示例有限公司"),
    ("주식회사 예시", "주식회사 예시"),
    ("חברה לדוגמה בע״מ", "חברה"),
    ("บริษัท ตัวอย่าง จำกัด", "บริษัท ตัวอย่าง"),
    ("उदाहरण कंपनी लिमिटेड", "उदाहरण"),
];
const ARABIC: &str = "شركة المثال للتجارة";

/// Templates with the faces of the tests, each with the few letters of the names above.
pub(crate) fn with_other_faces() -> Templates {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("invoice/fonts/others");
    std::fs::create_dir_all(&own).unwrap();
    for face in ["arabic.ttf", "devanagari.ttf", "hebrew.ttf", "thai.ttf", "zcjk.otf"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fonts").join(face);
        std::fs::copy(from, own.join(face)).unwrap();
    }
    Templates::from_folder(folder.path()).unwrap()
}

fn named(name: &str) -> Invoice {
    let mut invoice = one_page();
    invoice.draft.buyer.name = name.to_owned();
    invoice
}

fn rendered(renderer: &Renderer, invoice: &Invoice) -> Result<Vec<u8>, DocumentError> {
    renderer.render_invoice(&InvoiceDocument::booked(invoice, &tenant()))
}

#[test]
fn every_name_can_be_read() {
    let renderer = Renderer::new(&with_other_faces()).unwrap();
    for (place, (name, found)) in NAMES.iter().enumerate() {
        let bytes = rendered(&renderer, &named(name)).unwrap();
        let paper = Paper::of(&format!("name-{place}"), &bytes);
        let text = paper.text().replace('\u{200b}', "");
        assert!(text.contains(found), "{name}: {text}");
        assert!(bytes.len() < 60_000, "{name}: {} bytes", bytes.len());
        assert_eq!(bytes, rendered(&renderer, &named(name)).unwrap(), "the same bytes again");
    }
}

#[test]
fn ten_scripts_at_once_stand_on_one_invoice() {
    let renderer = Renderer::new(&with_other_faces()).unwrap();
    let mut invoice = one_page();
    let all: Vec<&str> = NAMES.iter().map(|(name, _)| *name).chain([ARABIC, "Kaffe & Co (Ωmega)"]).collect();
    invoice.draft.buyer.name = all.join(" · ");
    invoice.draft.lines.extend(all.iter().map(|name| line(name, 100)));
    let paper = Paper::of("ten-scripts", &rendered(&renderer, &invoice).unwrap());
    let text = paper.text();
    assert!(NAMES.iter().filter(|(_, found)| text.contains(found)).count() >= 6, "{text}");
}

#[test]
fn letters_join_and_run_to_the_left() {
    use crate::paper::{Fonts, Run};
    let fonts = Fonts::parse(&with_other_faces()).unwrap();
    let runs = fonts.regular.runs("(شركة) 12");
    let widths: Vec<usize> = runs
        .iter()
        .map(|run| match run {
            Run::Own(text) => text.chars().count(),
            Run::Shaped(shaped) => shaped.glyphs.len(),
        })
        .collect();
    // To be read from the right: the number, a blank, the closing bracket turned, four joined letters, the other bracket.
    let own = |place: usize| match &runs[place] {
        Run::Own(text) => text.clone(),
        Run::Shaped(_) => String::new(),
    };
    assert_eq!(own(0), "12", "{widths:?}");
    let Some(Run::Shaped(word)) = runs.iter().find(|run| matches!(run, Run::Shaped(_))) else {
        panic!("no run is shaped")
    };
    let isolated: Vec<u16> =
        "شركة".chars().map(|c| word.face.parsed.lookup_glyph_index(u32::from(c)).unwrap()).rev().collect();
    let written: Vec<u16> = word.glyphs.iter().map(|placed| placed.glyph).collect();
    assert_ne!(written, isolated, "letters have the forms of their places in the word");
    assert!(word.glyphs.windows(2).all(|pair| pair[0].x < pair[1].x), "from left to right on paper");
    assert_eq!(
        word.glyphs.last().map(|placed| placed.text.as_str()),
        Some("ش"),
        "the first letter is the last"
    );
}

#[test]
fn what_no_face_has_is_named_and_nothing_is_printed() {
    let renderer = Renderer::new(&Templates::embedded().unwrap()).unwrap();
    for name in ["株式会社", ARABIC, "ܫܠܡܐ", "Kaffe 😀"] {
        let reason = rendered(&renderer, &named(name)).unwrap_err().to_string();
        assert!(reason.contains(name), "{reason}");
    }
    let renderer = Renderer::new(&with_other_faces()).unwrap();
    let reason = rendered(&renderer, &named("株式会社ヌ")).unwrap_err().to_string();
    assert!(reason.contains('ヌ') && !reason.contains("株 "), "{reason}");
}

//! Languages by their codes: two letters of ISO 639-1, or three of ISO 639-2 and 639-3, with a region behind them if need be. In which
//! of them documents can be written is known where documents are made.

use crate::code_list::CodeList;
use crate::country::is_country;

/// Every code of two letters.
const CODES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz \
ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka \
kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr \
nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk \
tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// People write codes of countries for languages.
pub(crate) const LIST: CodeList = CodeList {
    codes: CODES,
    meant: &[
        ("at", "de"),
        ("cz", "cs"),
        ("dk", "da"),
        ("gb", "en"),
        ("gr", "el"),
        ("jp", "ja"),
        ("us", "en"),
    ],
};

/// Whether a text is the code of a language: `de`, `de-at`, `tlh`. There are some eight thousand of three letters, and they are
/// taken by their form.
///
/// ```
/// # use domain::language::is_language;
/// assert!(is_language("da") && is_language("de-AT") && is_language("es-419"));
/// assert!(!is_language("dk") && !is_language("de-zz") && !is_language("english"));
/// ```
pub fn is_language(text: &str) -> bool {
    let (language, region) = text.split_once('-').map_or((text, None), |(l, region)| (l, Some(region)));
    let is_known = match language.len() {
        3 => language.bytes().all(|b| b.is_ascii_alphabetic()),
        _ => LIST.has(language),
    };
    is_known && region.is_none_or(is_region)
}

/// A country; or a part of the world, a script or a variant, by its form.
fn is_region(text: &str) -> bool {
    let is_form = (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    is_country(text) || is_form
}

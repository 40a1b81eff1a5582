#!/usr/bin/env python3
"""Recomputes the flights invoices from the raw files, without tallybook: exact fractions, one rounding per line.

usage: expected.py FOLDER > expected.csv      (FOLDER holds book.json and the two usage files)
"""
import collections
import csv
import datetime as dt
import gzip
import json
import sys
from fractions import Fraction
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def cents(x):
    """Half away from zero; every amount here is positive."""
    return (x * 100 + Fraction(1, 2)).__floor__()


def graduated(q, tiers):
    total, lower = Fraction(0), Fraction(0)
    for upper, price in tiers:
        top = q if upper is None else min(q, upper)
        if top > lower:
            total += (top - lower) * price
        lower = upper
        if upper is None or q <= upper:
            break
    return total


def volume(q, tiers):
    for upper, price in tiers:
        if upper is None or q <= upper:
            return q * price


F = Fraction
MILES = [(F(100000), F("0.0100")), (F(1000000), F("0.0080")), (None, F("0.0050"))]
MINUTES = [(F(50000), F("0.0125")), (F(500000), F("0.0115")), (None, F("0.0095"))]

miles = collections.defaultdict(Fraction)
minutes = collections.defaultdict(Fraction)
tails = collections.defaultdict(set)
longest = collections.defaultdict(Fraction)
carriers = set()
folder = sys.argv[1]
# The one tax rule of the book is New York's; who sits elsewhere pays none.
in_new_york = {c["accountnumber"] for c in json.load(open(f"{folder}/book.json"))["customers"] if c.get("state") == "NY"}
for half in ("h1", "h2"):
    with gzip.open(f"{folder}/usage-2013-{half}.csv.gz", "rt") as f:
        for row in csv.DictReader(f):
            if not row["quantity"]:
                continue
            day = dt.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).astimezone(NEW_YORK).date()
            if day.year != 2013:
                continue
            carrier, q = row["subject"], Fraction(row["quantity"])
            carriers.add(carrier)
            if row["meter"] == "miles":
                miles[carrier, day.month] += q
                longest[carrier] = max(longest[carrier], q)
                if row["properties.tailnum"]:
                    tails[carrier, (day.month - 1) // 3].add(row["properties.tailnum"])
            else:
                minutes[carrier, day.month] += q

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["account", "invoice_date", "net", "vat"])
for carrier in sorted(carriers):
    for charge in range(13):  # the first days of 2013-01 … 2014-01
        taxed, exempt = 100000, 0
        date = dt.date(2013 + charge // 12, charge % 12 + 1, 1)
        quarter = charge % 3 == 0 and tails[carrier, charge // 3 - 1]
        used = miles[carrier, charge] or minutes[carrier, charge] or quarter or charge == 12
        # Without usage there is no line in arrears, and the invoice is not dated back.
        if charge and used:
            date -= dt.timedelta(days=1)
        if charge:
            taxed += cents(graduated(miles[carrier, charge], MILES))
            taxed += cents(volume(minutes[carrier, charge], MINUTES))
            if charge % 3 == 0:
                exempt += cents(len(tails[carrier, charge // 3 - 1]) * F("2.75"))
            if charge == 12:
                taxed += cents(longest[carrier] * F("0.333"))
        vat = cents(F(taxed, 100) * F("8.875") / 100) if carrier in in_new_york else 0
        out.writerow([carrier, date, f"{(taxed + exempt) / 100:.2f}", f"{vat / 100:.2f}"])

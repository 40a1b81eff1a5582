"""What is true of every answer of the program, whatever the scenario."""

from datetime import timedelta
from fractions import Fraction as F

from rules import DECIMALS, day_of, minor

DAY = timedelta(1)


def lines(answer):
    return [line for invoice in answer["invoices"] for line in invoice["InvoiceLines"]]


def reference(sku):
    """Charges that are paired in a switch differ in the first letter only."""
    return sku[1:] if sku[1:].isdigit() else sku


def money(answer):
    """Net by charge, over all documents."""
    sums = {}
    for line in lines(answer):
        name = reference(line["SKU"])
        sums[name] = sums.get(name, F(0)) + F(line["SubTotal"])
    return {name: str(net) for name, net in sorted(sums.items()) if net}


def broken(scenario, answer):
    """The invariants that an answer breaks, in words."""
    plans = scenario["book"]["productplans"]
    inclusive = plans[0].get("taxinclusive", False)
    by_hand = any(step.get("do") == "credit" for step in scenario["timeline"])
    below = {c["sku"] for p in plans for c in p["charges"] if c["pricingmodel"] == "dynamic"}  # events may be below zero
    found = vat_groups(answer, inclusive) + over_credited(answer, below, inclusive) + over_refunded(answer)
    if not by_hand and "story" in scenario["name"] and not any(d["type"] == "fixed" for d in scenario["book"].get("discounts", [])):
        found += days_paid(plans, answer)
    return found


def vat_groups(answer, inclusive):
    """VAT of a document is that of its groups, rounded once (M2, M4)."""
    found = []
    for invoice in answer["invoices"]:
        groups, currency = {}, invoice["CurrencyCode"]
        for line in invoice["InvoiceLines"]:
            net, vat = groups.get(line["TaxPct"], (F(0), F(0)))
            groups[line["TaxPct"]] = net + F(line["SubTotal"]), vat + F(line["TotalVat"])
        if sum(vat for _, vat in groups.values()) != F(invoice["TotalVat"]):
            found.append(f"the VAT of {invoice['InvoiceNumber']} is not that of its lines")
        if sum(net for net, _ in groups.values()) != F(invoice["Total"]):
            found.append(f"the net of {invoice['InvoiceNumber']} is not that of its lines")
        if invoice["IsCreditNote"]:
            continue  # what is left of a group may be less (M3)
        scale = 10 ** DECIMALS[currency]
        for pct, (net, vat) in groups.items():
            rate = F(pct or 0) / 100
            right = minor((net + vat) * rate / (1 + rate) if inclusive else net * rate, currency)
            if inclusive:
                right = (net + vat) * scale - minor((net + vat) / (1 + rate), currency)
            if right != vat * scale:
                found.append(f"VAT of {pct} % on {net} in {invoice['InvoiceNumber']} is {vat}")
    return found


def over_credited(answer, below, inclusive):
    """No charge is given back more than was charged for it (M3), gross where the plan's prices are (M4)."""
    sums = {}
    for line in lines(answer):
        own = F(line["SubTotal"]) + (F(line["TotalVat"]) if inclusive else 0)
        sums[line["SKU"]] = sums.get(line["SKU"], F(0)) + own
    return [f"{sku} is credited beyond itself: {own} is left" for sku, own in sums.items()
            if own < 0 and sku not in below]


def over_refunded(answer):
    """Never more is paid out than came in (Y5)."""
    kept = F(0)
    for entry in answer["transactions"]:
        if entry["StateCode"] in (1, 32):  # done online, or by hand
            kept += F(entry["TotalAmount"]) * (-1 if entry["Type"] == 16 else 1)
    return [f"{-kept} more is paid back than was paid"] if kept < 0 else []


def days_paid(plans, answer):
    """No day of a charge in advance is paid twice, and none is given back that is not paid (S4, R4)."""
    if len({i["SubscriptionNumber"] for i in answer["invoices"]}) > 1 or not answer["invoices"]:
        return []
    ahead = {c["sku"] for p in plans for c in p["charges"]
             if c["chargetype"] == "recurring" and c["billingperiodalignment"] != "period_end"}
    paid = {}
    for line in lines(answer):
        net = F(line["SubTotal"])
        if line["SKU"] not in ahead or not net:
            continue
        day, end = day_of(line["PeriodStart"]), day_of(line["PeriodEnd"])
        while day <= end:
            key = reference(line["SKU"]), day
            paid[key] = paid.get(key, 0) + (1 if net > 0 else -1)
            day += DAY
    wrong = sorted((key, times) for key, times in paid.items() if times not in (0, 1))
    return [f"{key[0]} is paid {times} times on {key[1]}" for key, times in wrong[:1]]

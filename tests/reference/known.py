"""Differences between the program and the rules that are known: a reason, and which scenarios it may touch. An entry goes
when its fault is mended; `check.py` tells how often each was met."""

CHANGES = {"setamount", "setprice", "switchplan", "togglecharge", "addoptionalcharge", "removecharge"}


def verbs(scenario):
    return {step["do"] for step in scenario["timeline"] if "do" in step}


def discounted(scenario):
    return any(d["type"] == "fixed" for d in scenario["book"].get("discounts", []))


def charges(scenario):
    return [c for plan in scenario["book"]["productplans"] for c in plan["charges"]]


KNOWN = [
    ("dunning in memory: steps that do not charge, the step of the booking day (Y3)",
     lambda s: "dunningpolicies" in s["book"] or any("paymentmethods" in c for c in s["book"]["customers"])),
    ("a customer's discount replaced before a late run (D2)",
     lambda s: any("discount" in step for step in s["timeline"])),
    ("a fixed discount in changes, ends, late usage and minimums (M5, D1)", discounted),
    ("notes by hand and credits of the engine do not know each other; money beyond what is open (M3, Y5)",
     lambda s: bool(verbs(s) & {"credit", "markpaid", "refund", "writeoff"})),
    ("acts on the first day of a period, beside the run of that day, and in arrears (R3, R4)",
     lambda s: bool(verbs(s) & CHANGES)),
    ("ends within a day, taken back, or with a refund (T1, R4)", lambda s: bool(verbs(s) & {"cancel", "expire"})),
    ("holds and resumes on paid days, or after a period billed early (S4)", lambda s: "hold" in verbs(s)),
    ("a fee without an event (P5)", lambda s: any("fixedfee" in row for c in charges(s) for row in c["pricings"])),
    ("usage below zero at a dearer price gives money (P9)",
     lambda s: any("validfrom" in row for c in charges(s) if c["chargetype"] == "usage" for row in c["pricings"])),
    ("late usage below zero of a dynamic charge (Q2)", lambda s: any(c["pricingmodel"] == "dynamic" for c in charges(s))),
]


def reason(scenario):
    """Why a scenario may differ, if that is known."""
    return next((why for why, touches in KNOWN if touches(scenario)), None)

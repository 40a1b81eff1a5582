"""Differences between the program and the rules that are known: a reason, and which scenarios it may touch. An entry goes
when its fault is mended; `check.py` tells how often each was met."""


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
    ("`next_charge` on the first day of a period, before the run of the day (R4, T6)",
     lambda s: any(step.get("when") == "next_charge" for step in s["timeline"])),
    ("an amendment that waits beyond the end (R3, M3)",
     lambda s: bool(verbs(s) & {"cancel", "expire"}) and s["book"]["productplans"][0].get("changehandle") == 2),
    ("a hold that gives back (R4, S4)",
     lambda s: any(step.get("do") == "hold" and "refund" in step for step in s["timeline"])),
    ("a fee without an event (P5)", lambda s: any("fixedfee" in row for c in charges(s) for row in c["pricings"])),
    ("usage below zero at a dearer price gives money (P9)",
     lambda s: any("validfrom" in row for c in charges(s) if c["chargetype"] == "usage" for row in c["pricings"])),
    ("late usage below zero of a dynamic charge (Q2)", lambda s: any(c["pricingmodel"] == "dynamic" for c in charges(s))),
]


def reason(scenario):
    """Why a scenario may differ, if that is known."""
    return next((why for why, touches in KNOWN if touches(scenario)), None)

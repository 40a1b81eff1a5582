"""Differences between the program and the rules that are known: a reason, and which scenarios it may touch. An entry goes
when its fault is mended; `check.py` tells how often each was met."""


def verbs(scenario):
    return {step["do"] for step in scenario["timeline"] if "do" in step}


def discounted(scenario):
    return any(d["type"] == "fixed" for d in scenario["book"].get("discounts", []))


def charges(scenario):
    return [c for plan in scenario["book"]["productplans"] for c in plan["charges"]]


def held_and_priced(scenario):
    acts = [(step["on"], step["do"], step.get("option")) for step in scenario["timeline"] if "subscription" in step]
    return any((on, "setprice", None) in acts for on, _, option in acts if option == "from_hold_date")


KNOWN = [
    ("dunning in memory: steps that do not charge, the step of the booking day (Y3)",
     lambda s: "dunningpolicies" in s["book"] or any("paymentmethods" in c for c in s["book"]["customers"])),
    ("a refund of what is owed on a note, when another was set off meanwhile (Y5, I8)", lambda s: "refund" in verbs(s)),
    ("the rest of a period that was a stub, its end taken back, less a fixed discount (M5)",
     lambda s: discounted(s) and "reactivate" in verbs(s)),
    ("a price set on the day on which held periods become due (T6)", held_and_priced),
    ("late usage of a group after a period without events that is charged at zero (P4, M5)",
     lambda s: any("groupby" in c and "chargeatzero" in c for c in charges(s))),
    ("a small invoice and a credit on the day of the end (I8)", lambda s: "minimuminvoice" in s["book"]["tenant"]),
    ("`next_charge` on the first day of a period, before the run of the day (R4, T6)",
     lambda s: any(step.get("when") == "next_charge" for step in s["timeline"])),
    ("an amendment that waits beyond the end (R3, M3)",
     lambda s: bool(verbs(s) & {"cancel", "expire"}) and s["book"]["productplans"][0].get("changehandle") == 2),
    ("a hold that gives back (R4, S4)",
     lambda s: any(step.get("do") == "hold" and "refund" in step for step in s["timeline"])),
    ("late usage below zero of a dynamic charge (Q2)", lambda s: any(c["pricingmodel"] == "dynamic" for c in charges(s))),
]


def reason(scenario):
    """Why a scenario may differ, if that is known."""
    return next((why for why, touches in KNOWN if touches(scenario)), None)

"""Differences between the program and the rules that are known: a reason, and which scenarios it may touch. An entry goes
when its fault is mended; `check.py` tells how often each was met."""


def charges(scenario):
    return [c for plan in scenario["book"]["productplans"] for c in plan["charges"]]


KNOWN = [
    ("a switch on the first day at the same custom price, given back later: the credit names the new plan's charge, and the "
     "paid line is the old one's; the money is the same (M5)",
     lambda s: any(c["pricingmodel"] == "custom" for c in charges(s)) and any(t.get("do") == "switchplan" for t in s["timeline"])),
]


def verbs(scenario):
    return {step["do"] for step in scenario["timeline"] if "do" in step}


KNOWN += [
    ("open: a price was set, the plan was left and taken again: the program has the plan's price then, this side the one that "
     "was set; the rules do not say (S2, P9)",
     lambda s: "setprice" in verbs(s) and sum(t.get("do") == "switchplan" for t in s["timeline"]) > 1),
    ("open: a written-off invoice that is credited pays another one, whose credit is refunded: more goes back than came (Y5)",
     lambda s: {"writeoff", "credit", "refund"} <= verbs(s) or
     ("dunningpolicies" in s["book"] and {"credit", "refund"} <= verbs(s))),
]


def reason(scenario):
    """Why a scenario may differ, if that is known."""
    return next((why for why, touches in KNOWN if touches(scenario)), None)

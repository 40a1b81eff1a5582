"""Differences between the program and the rules that are known: a reason, and which scenarios it may touch. An entry goes
when its fault is mended; `check.py` tells how often each was met."""


def charges(scenario):
    return [c for plan in scenario["book"]["productplans"] for c in plan["charges"]]


KNOWN = [
    ("a switch on the first day at the same custom price, given back later: the credit names the new plan's charge, and the "
     "paid line is the old one's; the money is the same (M5)",
     lambda s: any(c["pricingmodel"] == "custom" for c in charges(s)) and any(t.get("do") == "switchplan" for t in s["timeline"])),
]


def reason(scenario):
    """Why a scenario may differ, if that is known."""
    return next((why for why, touches in KNOWN if touches(scenario)), None)

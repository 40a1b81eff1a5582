//! Pricing models, aggregations, minimum and maximum: one month of usage, rated.

use super::Case::{self, None as Unknown, Ours};
use super::{Invoices, Play, metered, number, rated, same, shown, tiers};
use rust_decimal::Decimal;
use serde_json::{Value, json};

type Tier = (&'static str, &'static str, &'static str);

const LAGO: [Tier; 3] = [("10", "10", "2"), ("20", "5", "3"), ("", "5", "3")];
const PRORATED: &str = "units prorated by the day of their event are no model of ours (P1)";
const FREE_EVENTS: &str =
    "no free events or free amounts per event: included units are one quantity per period (P6)";
const UNITS: &str = "a quantity is never rounded, neither to a precision nor up (Q1)";

pub fn case(id: &str) -> Option<Case> {
    graduated(id)
        .or_else(|| volume(id))
        .or_else(|| package(id))
        .or_else(|| percentage(id))
        .or_else(|| bounds(id))
        .or_else(|| aggregated(id))
}

fn tiered(list: &[Tier], quantity: &str) -> Case {
    same(&[rated(metered("tiered", tiers(list), json!({})), &[quantity])])
}

fn graduated(id: &str) -> Option<Case> {
    const SLAB: [Tier; 3] = [("10", "50", ""), ("20", "40", ""), ("", "30", "")];
    const STEEP: [Tier; 3] = [("1", "10", ""), ("2", "20", ""), ("", "30", "")];
    const MIXED: [Tier; 3] = [("5", "0", "1"), ("10", "1", "2"), ("", "2", "")];
    const PGRAD: [Tier; 3] = [("5", "10", "100"), ("15", "5", "50"), ("", "2", "")];
    Some(match id {
        "GRAD-01" => {
            let charge = metered("tiered", tiers(&LAGO), json!({"chargeatzero": true}));
            same(&[rated(charge, &["0"])])
        }
        "GRAD-05" => tiered(&LAGO, "12"),
        "GRAD-06" => tiered(&LAGO, "21"),
        "GRAD-07" => tiered(&[("0.1", "10", ""), ("1", "5", ""), ("", "2", "")], "0.05"),
        "GRAD-10" => late(
            metered("tiered", tiers(&[("10", "10", ""), ("15", "5", ""), ("", "1", "")]), json!({})),
            "12",
            "10",
        ),
        "GRAD-16" => tiered(&[("5", "0", "100"), ("10", "0", "50"), ("15", "10", ""), ("", "5", "")], "22"),
        "GRAD-17" => tiered(&SLAB, "15"),
        "GRAD-18" => tiered(&SLAB, "25"),
        "GRAD-26" => tiered(&MIXED, "7"),
        "GRAD-27" => tiered(&MIXED, "12"),
        "GRAD-28" => tiered(&STEEP, "0"),
        "GRAD-29" => tiered(&STEEP, "1"),
        "GRAD-32" => tiered(&STEEP, "2.5"),
        "GRAD-33" => {
            let charge =
                metered("tiered", tiers(&[("10", "1", ""), ("", "2", "")]), json!({"groupby": "krn"}));
            same(&[properties(charge, &[("3", json!({"krn": "krn1"})), ("12", json!({"krn": "krn2"}))])
                .sum("Total")])
        }
        // The cap of a lone tier is the charge's maximum (P6).
        "GRAD-37" => {
            same(&[rated(metered("tiered", tiers(&[("", "1", "")]), json!({"maximumamount": "3"})), &["5"])])
        }
        "GRAD-39" => tiered(&[("5", "7", ""), ("10", "6.50", ""), ("", "6", "")], "6"),
        "GRAD-42" => tiered(&[("1000", "0.10", ""), ("10000", "0.05", ""), ("", "0.01", "")], "15000"),
        "GRAD-47" => tiered(&[("10", "0", "1000"), ("", "0", "1500")], "50"),
        "GRAD-50" => tiered(&[("10", "1500", "1000"), ("20", "1000", "1500"), ("", "500", "2500")], "25"),
        "GRAD-54" => {
            let charge = metered(
                "tiered",
                tiers(&[("10", "0", "1000"), ("", "0", "1500")]),
                json!({"filter": {"color": ["blue"]}}),
            );
            let (yellow, blue) = (json!({"color": "yellow"}), json!({"color": "blue"}));
            same(&[properties(charge, &[("5", yellow), ("16", blue.clone()), ("16", blue)]).sum("Total")])
        }
        // A counter that is never reset: the reading that comes later is billed by the difference of two ratings (M5).
        "GRAD-56" => late(
            metered(
                "tiered",
                tiers(&[("10", "0", "1000"), ("", "1", "")]),
                json!({"usagedatacalculationtype": "highest"}),
            ),
            "15",
            "25",
        ),
        "GRAD-58" => tiered(&[("10", "2", ""), ("20", "3", ""), ("", "5", "")], "15"),
        "GRAD-59" => {
            tiered(&[("10", "1.5", ""), ("110", "1", ""), ("1110", "0.5", ""), ("", "0.5", "")], "111")
        }
        "GRAD-62" => Ours(
            rated(metered("tiered", tiers(&LAGO), json!({})), &["-10"]).to_string(),
            "an aggregate below 0 is priced as 0 (Q2)",
        ),
        "GPCT-02" => {
            let tier = |to: Value, percent: &str, flat: &str| json!({"tierto": to, "percentage": percent, "flatprice": flat});
            let list = vec![
                tier(json!("10"), "1", "200"),
                tier(json!("20"), "2", "300"),
                tier(Value::Null, "3", "400"),
            ];
            same(&[rated(metered("graduated_percentage", list, json!({})), &["1"])])
        }
        "PGRAD-10" => tiered(&PGRAD, "75"),
        id if id.starts_with("PGRAD-") => Unknown(PRORATED),
        _ => return None,
    })
}

fn volume(id: &str) -> Option<Case> {
    const LAGO: [Tier; 3] = [("100", "2", "10"), ("200", "1", ""), ("", "0.5", "50")];
    const METER: [Tier; 4] = [("5", "0", "100"), ("10", "0", "150"), ("15", "10", ""), ("", "5", "")];
    const FLEX: [Tier; 3] = [("10", "50", ""), ("20", "40", ""), ("", "30", "")];
    const STRIPE: [Tier; 3] = [("5", "7", ""), ("10", "6.50", ""), ("", "6", "")];
    const STEPS: [Tier; 3] = [("250", "10", ""), ("500", "20", ""), ("", "30", "")];
    let volume =
        |list: &[Tier], quantity| same(&[rated(metered("volume", tiers(list), json!({})), &[quantity])]);
    let at_zero =
        |list: &[Tier]| same(&[rated(metered("volume", tiers(list), json!({"chargeatzero": true})), &["0"])]);
    let stairstep =
        |list: &[Tier], quantity| rated(metered("stairstep", tiers(list), json!({})), &[quantity]);
    Some(match id {
        "VOL-01" => at_zero(&LAGO),
        "VOL-03" => volume(&LAGO, "100"),
        "VOL-05" => volume(&LAGO, "101"),
        "VOL-06" => volume(&LAGO, "200"),
        "VOL-08" => volume(&LAGO, "210"),
        "VOL-09" => Unknown(PRORATED),
        "VOL-10" => at_zero(&METER),
        "VOL-11" => volume(&METER, "3"),
        "VOL-12" => volume(&METER, "5"),
        "VOL-14" => volume(&METER, "15"),
        "VOL-15" => volume(&METER, "16"),
        "VOL-17" => volume(&FLEX, "5"),
        "VOL-18" => volume(&FLEX, "15"),
        "VOL-24" => volume(&STRIPE, "5"),
        "VOL-26" => volume(&STRIPE, "20"),
        "VOL-29" => volume(&[("", "0.0006", "")], "65000"),
        "VOL-30" => volume(&[("", "0.01", "")], "15000"),
        "VOL-34" => volume(&[("10", "1000", "1000"), ("", "200", "")], "11"),
        "STAIR-02" => same(&[stairstep(&[("10", "1000", ""), ("", "1500", "")], "9")]),
        "STAIR-03" => same(&[stairstep(&STEPS, "1000")]),
        // Steps that add up are a graduated price of flat amounts (P3).
        "STAIR-04" => {
            let flat = [("250", "0", "10"), ("500", "0", "20"), ("", "0", "30")];
            same(&[rated(metered("tiered", tiers(&flat), json!({})), &["1000"])])
        }
        _ => return None,
    })
}

fn package(id: &str) -> Option<Case> {
    let charge = |size: &str, price: &str, free: &str| {
        metered(
            "package",
            vec![json!({"price": price})],
            json!({"packagesize": size, "includedamount": free}),
        )
    };
    let package = |size, price, quantity| same(&[rated(charge(size, price, "0"), &[quantity])]);
    Some(match id {
        "PKG-01" => package("10", "100", "121"),
        "PKG-02" => same(&[rated(charge("10", "100", "10"), &["121"])]),
        "PKG-05" => package("100", "1", "0"),
        "PKG-07" => package("100", "1", "99"),
        "PKG-08" => package("100", "1", "100"),
        "PKG-09" => package("100", "1", "101"),
        "PKG-10" => package("100", "1", "150"),
        "PKG-13" => {
            Ours(rated(charge("100", "1", "0"), &["50"]).to_string(), "started packages are charged (P5)")
        }
        "PKG-18" => package("10", "1", "0"),
        "PKG-19" => package("10", "1", "1"),
        "PKG-22" => package("10", "1", "11"),
        "PKG-26" => package("100", "1", "1000"),
        "PKG-28" => package("1000", "0.5", "300000"),
        "PKG-29" => package("1000", "0.5", "101001"),
        "PKG-30" => late(charge("100", "1", "0"), "1", "400"),
        "PKG-31" => package("10", "1", "1"),
        // A price that ends at volume 1 costs no more than its two packages (P6).
        "PKG-32" => {
            let list = vec![json!({"price": "0.3"})];
            let fields = json!({"packagesize": "0.5", "maximumamount": "0.6"});
            same(&[rated(metered("package", list, fields), &["2"])])
        }
        "LATE-02" => late(charge("100", "1", "0"), "99", "100"),
        _ => return None,
    })
}

fn percentage(id: &str) -> Option<Case> {
    let percent = |percent: &str| metered("percentage", vec![json!({"percentage": percent})], json!({}));
    let dynamic = |row: Value| metered("dynamic", vec![row], json!({}));
    Some(match id {
        "PCT-08" => same(&[rated(percent("2.9"), &["4"])]),
        "PCT-09" => same(&[rated(percent("2.99"), &["10", "80", "10000"])]),
        id if id.starts_with("PCT-") => Unknown(FREE_EVENTS),
        "DYN-01" => Ours(
            rated(dynamic(json!({})), &["0.402"]).to_string(),
            "a dynamic line shows 1 × its amount, no unit price (P7)",
        ),
        "DYN-02" => {
            let play =
                Play::new("2026-01-01", vec![dynamic(json!({"multiplier": "1.33333"}))]).currency("DKK");
            same(&[play.usage("2026-01-15", &["10"]).run("2026-02-01").invoices().sum("Total")])
        }
        "CDR-05" => same(&[rated(metered("per_unit", vec![json!({"price": "0.1"})], json!({})), &["3"])]),
        _ => return None,
    })
}

fn bounds(id: &str) -> Option<Case> {
    let unit = |fields: Value| metered("per_unit", vec![json!({"price": "10"})], fields);
    let volume = |fields: Value| metered("volume", tiers(&[("5", "0", "100"), ("", "0", "150")]), fields);
    Some(match id {
        "MINMAX-01" => same(&[rated(unit(json!({"minimumamount": "100"})), &[])]),
        "MINMAX-02" => {
            let play = Play::new("2026-01-01", vec![unit(json!({"minimumamount": "100"}))]).run("2026-01-31");
            let count = play.invoices().0.len();
            same(&[if count == 0 { "nothing billed".to_owned() } else { format!("{count} invoices") }])
        }
        "MINMAX-03" => late(unit(json!({"maximumamount": "100"})), "7", "5"),
        "MINMAX-04" => {
            let discount = json!({"refkey": "d", "fullname": "D", "amount": "0.5", "codes": [{"codeprefix": "D", "code": "1"}]});
            let play = Play::new("2026-01-01", vec![unit(json!({"maximumamount": "100"}))])
                .push("discounts", discount)
                .set("/customers/0/discount", json!({"code": "D-1", "from": "2026-01-01"}));
            let invoices = play.usage("2026-01-15", &["7"]).run("2026-02-01").usage("2026-02-02", &[]);
            let invoices = late_usage(invoices, "13").invoices();
            Ours(invoices.last().to_string(), "the maximum comes before the discount (P6)")
        }
        "MINMAX-05" => {
            let play = Play::new("2026-01-01", vec![volume(json!({"minimumamount": "150"}))]);
            same(&play.usage("2026-01-15", &["5"]).run("2026-02-01").invoices().each("SubTotal"))
        }
        "MINMAX-06" => same(&[rated(volume(json!({"maximumamount": "125"})), &["7"])]),
        "MINMAX-15" => {
            let charge = metered("per_unit", vec![json!({"price": "1"})], json!({"minimumamount": "10000"}));
            let play = Play::new("2026-02-01", vec![charge]).currency("JPY").tax("20");
            let play = play.usage("2026-02-10", &["7000"]).act(
                "2026-02-25",
                "cancel",
                json!({"option": "on_date", "date": "2026-02-26"}),
            );
            let invoices = play.run("2026-02-26").invoices();
            let true_up = invoices.lines().last().map(|line| number(&line["SubTotal"])).unwrap_or_default();
            same(&[true_up, invoices.sum("TotalVat")])
        }
        "MINMAX-16" => {
            Unknown("a minimum is owed for the days served, not for a commitment beyond the end (P6)")
        }
        _ => return None,
    })
}

fn aggregated(id: &str) -> Option<Case> {
    const DELTAS: [(&str, &str); 7] = [
        ("2", "00:00:00"),
        ("3", "01:00:00"),
        ("1", "01:30:00"),
        ("-4", "02:00:00"),
        ("-2", "04:00:00"),
        ("10", "05:00:00"),
        ("-10", "05:30:00"),
    ];
    let carried = [&[("1000", "00:00:00")][..], &DELTAS[..]].concat();
    let unique = |list: &[Tier]| {
        metered(
            "tiered",
            tiers(list),
            json!({"usagedatacalculationtype": "unique_count", "uniqueproperty": "u"}),
        )
    };
    let values = |count: usize| (0..count).map(|n| ("1", json!({"u": n.to_string()}))).collect::<Vec<_>>();
    Some(match id {
        "WSUM-01" => same(&[shown(weighted(&DELTAS), 5)]),
        "WSUM-02" => same(&[shown(weighted(&carried), 5)]),
        "WSUM-06" => same(&[weighted(&[("3", "00:00:00"), ("3", "00:00:00")])]),
        "WSUM-07" => same(&[weighted(&[("1000", "00:00:00")])]),
        "UNIQ-14" => {
            let charge = unique(&[("2", "0", "1000"), ("4", "0", "1500"), ("", "0", "")]);
            same(&[properties(charge, &values(3)).sum("Total")])
        }
        "UNIQ-15" => {
            let mut list = values(26);
            list.extend(std::iter::repeat_n(("1", json!({"u": "0"})), 4));
            same(&[properties(unique(&[("20", "0", "1000"), ("", "0", "1500")]), &list).sum("Total")])
        }
        // Units that are there for a part of the month are a weighted sum of what comes and goes (Q2).
        "PSUM-01" => Ours(shown(there(&[("5", 1), ("24", 26)]), 5).to_string(), UNITS),
        "PSUM-02" => same(&[shown(there(&[("4.5", 31)]), 5)]),
        "UNIQ-01" => same(&[there(&[("1", 1)])]),
        "UNIQ-04" => Ours(shown(there(&[("1", 1), ("-1", 16)]), 5).to_string(), UNITS),
        "UNIQ-05" => Ours(shown(there(&[("1", 24)]), 5).to_string(), UNITS),
        "UNIQ-06" => same(&[shown(there(&[("1", 16)]), 5)]),
        "UNIQ-08" => Ours(shown(there(&[("1", 2), ("-1", 31)]), 5).to_string(), UNITS),
        id if id.starts_with("UNIQ-") => Unknown("a weighted sum counts seconds, not days begun (Q2)"),
        id if id.starts_with("UROUND-") => Unknown(UNITS),
        _ => return None,
    })
}

/// Usage of a billed month that comes in later: what is billed of it.
fn late(charge: Value, in_time: &str, late: &str) -> Case {
    let play = Play::new("2026-01-01", vec![charge]).usage("2026-01-15", &[in_time]).run("2026-02-01");
    same(&[late_usage(play, late).invoices().last()])
}

fn late_usage(play: Play, quantity: &str) -> Play {
    let event = json!({"id": "late", "subject": "S", "meter": "m", "quantity": quantity, "time": "2026-01-20T10:00:00Z"});
    play.step(json!({"on": "2026-02-10", "ingest": [event]})).run("2026-03-01")
}

/// One month of usage with properties.
fn properties(charge: Value, events: &[(&str, Value)]) -> Invoices {
    let event = |(n, (quantity, properties)): (usize, &(&str, Value))| {
        json!({"id": n.to_string(), "subject": "S", "meter": "m", "quantity": quantity, "properties": properties,
               "time": "2026-01-15T10:00:00Z"})
    };
    let events: Vec<Value> = events.iter().enumerate().map(event).collect();
    Play::new("2026-01-01", vec![charge])
        .step(json!({"on": "2026-01-15", "ingest": events}))
        .run("2026-02-01")
        .invoices()
}

/// The time-weighted sum of August 2023 of what comes and goes on its first day.
fn weighted(deltas: &[(&str, &str)]) -> Decimal {
    weighted_sum(deltas.iter().map(|(quantity, time)| (*quantity, format!("2023-08-01T{time}Z"))))
}

/// The time-weighted sum of August 2023 of what comes and goes as a day of it begins.
fn there(deltas: &[(&str, u32)]) -> Decimal {
    weighted_sum(deltas.iter().map(|(quantity, day)| (*quantity, format!("2023-08-{day:02}T00:00:00Z"))))
}

fn weighted_sum<'a>(deltas: impl Iterator<Item = (&'a str, String)>) -> Decimal {
    let charge =
        metered("per_unit", vec![json!({"price": "1"})], json!({"usagedatacalculationtype": "weighted_sum"}));
    let event = |(n, (quantity, time)): (usize, (&str, String))| json!({"id": format!("{n:03}"), "subject": "S", "meter": "m", "quantity": quantity, "time": time});
    let events: Vec<Value> = deltas.enumerate().map(event).collect();
    let play = Play::new("2023-08-01", vec![charge]).step(json!({"on": "2023-08-31", "ingest": events}));
    play.run("2023-09-01").invoices().each("RatedQuantity")[0]
}

//! Whichever of an act and a run of one day came first, the money is the same, but for an end and a hold that give nothing
//! back (rules R4); and a late run bills what the on-time runs would have billed (T6).

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// First days of the agreement: of a month, and the last one of a month, which returns.
const STARTS: [&str; 2] = ["2026-01-01", "2026-01-31"];
/// First days of its months, as days after the first one, and of some of its weeks.
const MONTHS: [[u64; 4]; 2] = [[0, 31, 59, 90], [0, 28, 59, 89]];
const WEEKS: [[u64; 3]; 2] = [[4, 11, 60], [2, 9, 58]];
const LAST_DAY: u64 = 130;

/// When the runs of a day with acts come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Runs {
    Morning,
    /// Before the first act, between two, and after the last.
    Always,
    Evening,
    /// On some of the evenings only.
    Late(u64),
}

/// One act: on which day (0 … 6: the first one of a month or week), what is done, and how it is to be prorated.
type Act = (u64, u8, u8);

/// What stays the same from one order of runs and acts to another.
#[derive(Debug, Clone, Copy)]
struct Agreement {
    start: usize,
    changehandle: u8,
    is_discounted: bool,
}

impl Agreement {
    fn date(self, day: u64) -> String {
        (STARTS[self.start].parse::<chrono::NaiveDate>().unwrap() + chrono::Days::new(day)).to_string()
    }

    /// The day that an act names.
    fn day(self, named: u64) -> u64 {
        let (months, weeks) = (MONTHS[self.start].iter(), WEEKS[self.start].iter());
        let place = usize::try_from(named).unwrap();
        months.chain(weeks).nth(place).copied().unwrap_or_else(|| named - 7)
    }
}

fn charges() -> Vec<Value> {
    let of =
        |sku: &str, charge: Value| but(charge, json!({"sku": sku, "anchorcode": sku.to_ascii_lowercase()}));
    vec![
        base("310.00"),
        seats("19.99", "3"),
        of("ARREARS", but(seats("47.11", "2"), json!({"billingperiodalignment": "period_end"}))),
        of("WEEKLY", but(seats("3.33", "2"), json!({"billingperiod": "day_of_week", "billingday": 1}))),
        of("LEAST", but(seats("5.00", "1"), json!({"minimumamount": "12.00"}))),
        of(
            "FOLLOWS",
            but(seats("1.01", "2"), json!({"productchargetype": "dependency", "dependson": "SEATS"})),
        ),
        of(
            "DEAL",
            json!({"fullname": "Deal", "chargetype": "recurring", "pricingmodel": "custom",
            "billingperiod": "monthly", "taxable": true}),
        ),
        of("EXTRA", but(base("12.34"), json!({"chargesetup": "optional"}))),
        of("SETUP", but(base("5.00"), json!({"chargetype": "one_time"}))),
        of("ONCE", but(base("7.00"), json!({"chargetype": "one_time", "chargesetup": "optional"}))),
        of(
            "HOURS",
            json!({"fullname": "Hours", "chargetype": "usage", "pricingmodel": "per_unit",
            "billingperiod": "monthly", "defaultamount": "1", "taxable": true,
            "pricings": [{"currencycode": "DKK", "price": "9.99"}]}),
        ),
    ]
}

fn scenario(agreement: Agreement) -> Scenario {
    let changehandle = agreement.changehandle;
    let plan = |sku: &str, charges: Vec<Value>| {
        json!({"sku": sku, "fullname": sku, "currencycode": "DKK", "currencies": ["DKK"],
               "changehandle": changehandle, "charges": charges})
    };
    let big = vec![
        but(base("465.00"), json!({"sku": "BIG-BASE"})),
        but(seats("17.77", "1"), json!({"sku": "BIG-SEATS", "taxable": false})),
        but(seats("2.00", "1"), json!({"sku": "BIG-NEW", "anchorcode": "new"})),
        but(
            seats("50.00", "2"),
            json!({"sku": "BIG-ARREARS", "anchorcode": "arrears", "billingperiodalignment": "period_end"}),
        ),
    ];
    let year = vec![but(base("3650.00"), json!({"sku": "YEAR-BASE", "billingperiod": "annually"}))];
    let mut scenario = Scenario::new(STARTS[agreement.start], charges());
    if agreement.is_discounted {
        let discount = json!({"refkey": "d", "fullname": "D", "amount": "0.125", "codes": [{"codeprefix": "A", "code": "B"}]});
        scenario = scenario
            .with("/discounts", json!([discount]))
            .with("/customers/0/discount", json!({"code": "A-B", "from": STARTS[agreement.start]}));
    }
    scenario
        .with("/productplans/0/changehandle", json!(changehandle))
        .with("/productplans/-", plan("BIG", big))
        .with("/productplans/-", plan("YEAR", year))
        .with("/subscriptions/0/charges", json!([{"charge": "DEAL", "unitprice": "62.00"}]))
}

/// A verb by number, and whether the order of run and act on its day decides; refused ones are part of the game.
fn verb(agreement: Agreement, number: u8, day: u64, prorate: u8) -> (&'static str, Value, bool) {
    let sku = |n: u8| ["BASE", "SEATS", "ARREARS", "WEEKLY", "LEAST", "DEAL", "SETUP"][usize::from(n % 7)];
    let ahead = agreement.date(day + 5);
    let months = MONTHS[agreement.start].into_iter().chain([120]);
    let month = agreement.date(months.filter(|first| *first <= day).max().unwrap_or(0));
    let prorated = |mut arguments: Value| {
        if let Some(flag) = [None, Some(true), Some(false)][usize::from(prorate % 3)] {
            arguments["prorate"] = json!(flag);
        }
        arguments
    };
    let (verb, arguments) = match number {
        0..=6 => {
            ("setamount", prorated(json!({"charge": sku(number), "amount": (prorate % 4 * 2).to_string()})))
        }
        7..=9 => ("setamount", prorated(json!({"charge": "SEATS", "amount": prorate.to_string()}))),
        10 => ("setamount", prorated(json!({"charge": "SEATS", "amount": "9", "effective": ahead}))),
        11 => ("setamount", prorated(json!({"charge": "SEATS", "amount": "4", "effective": month}))),
        12..=18 => ("setprice", json!({"charge": sku(number - 12), "unitprice": (prorate * 7).to_string()})),
        19..=25 => {
            ("togglecharge", json!({"charge": sku(number - 19), "toggled": prorate.is_multiple_of(2)}))
        }
        26 | 27 => ("switchplan", prorated(json!({"plan": "BIG"}))),
        28 => ("switchplan", prorated(json!({"plan": "PRO"}))),
        29 => ("switchplan", prorated(json!({"plan": "YEAR"}))),
        30 => ("addoptionalcharge", json!({"charge": "EXTRA"})),
        31 => ("removecharge", json!({"charge": "EXTRA", "refund": "prorated"})),
        32 => ("hold", json!({"refund": "prorated"})),
        33 => ("resume", json!({"option": "today"})),
        34 => ("resume", json!({"option": "next_period"})),
        35 => ("resume", json!({"option": "from_hold_date"})),
        36 => ("cancel", json!({"option": "on_date", "date": ahead, "refund": "prorated"})),
        37 => ("reactivate", json!({})),
        38 => ("setamount", json!({"charge": "HOURS", "amount": "4"})),
        39 => ("cancel", json!({"option": "immediately", "refund": "prorated"})),
        40 => ("expire", json!({"refund": "prorated"})),
        41 => ("cancel", json!({"option": "on_date", "date": ahead})),
        42 => ("removecharge", json!({"charge": "EXTRA"})),
        43 => ("cancel", json!({"option": "immediately"})),
        44 => ("hold", json!({})),
        45 => ("addoptionalcharge", json!({"charge": "ONCE"})),
        _ => ("removecharge", json!({"charge": "ONCE", "refund": "prorated"})),
    };
    (verb, arguments, (41..=44).contains(&number))
}

/// Net of every SKU, and which acts were refused.
fn money(acts: &[Act], agreement: Agreement, runs: Runs) -> (BTreeMap<String, i64>, Vec<String>) {
    let mut scenario = scenario(agreement);
    let mut days: BTreeMap<u64, Vec<(&str, Value, bool)>> = BTreeMap::new();
    // Dated back beyond the last billed period it is refused; how far that reaches depends on what a new anchor has made due.
    let moves_anchor = acts.iter().any(|(_, number, _)| [29, 33].contains(number));
    // An end that gives back what is paid ahead gives nothing back once one that does not has taken its place: what was billed before it
    // stays, and what was not is not billed.
    let takes_refund_away = acts.iter().any(|(_, number, _)| [41, 43].contains(number));
    for (day, number, prorate) in acts {
        let number = if *number == 11 && moves_anchor { &10 } else { number };
        let day = agreement.day(*day);
        let (verb, arguments, decides) = verb(agreement, *number, day, *prorate);
        let decides = decides || *number == 36 && takes_refund_away;
        days.entry(day).or_default().push((verb, arguments, decides));
    }
    for (day, acts) in days {
        let decides = acts.iter().any(|(.., decides)| *decides);
        let (on, count) = (agreement.date(day), acts.len());
        for (place, (verb, arguments, _)) in acts.into_iter().enumerate() {
            let before = match runs {
                Runs::Morning => place == 0,
                Runs::Always => true,
                Runs::Evening | Runs::Late(_) => false,
            };
            if before && !decides {
                scenario = scenario.run(&on);
            }
            scenario = scenario.act(&on, verb, arguments);
            let is_last = place + 1 == count;
            let after = match runs {
                Runs::Morning => decides,
                Runs::Always | Runs::Evening => true,
                Runs::Late(evenings) => evenings >> (day % 64) & 1 == 1,
            };
            if after && is_last {
                scenario = scenario.run(&on);
            }
        }
    }
    let answer = scenario.run(&agreement.date(LAST_DAY)).answer();
    let mut nets: BTreeMap<String, i64> = BTreeMap::new();
    let lines =
        answer["invoices"].as_array().unwrap().iter().flat_map(|i| i["InvoiceLines"].as_array().unwrap());
    for line in lines {
        let net = line["SubTotal"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
        *nets.entry(line["SKU"].as_str().unwrap().to_owned()).or_default() += net;
    }
    nets.retain(|_, net| *net != 0);
    let steps = answer["steps"].as_array().unwrap().iter();
    let refused = steps.filter_map(|step| step["error"]["message"].as_str().map(str::to_owned)).collect();
    (nets, refused)
}

/// First days of months and weeks more often than others.
fn day() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0_u64..4, 1 => 4_u64..7, 2 => 7..LAST_DAY - 3]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn run_and_act_of_one_day_in_either_order(
        acts in proptest::collection::vec((day(), 0_u8..47, 0_u8..8), 1..7),
        (start, changehandle, is_discounted) in (0_usize..2, 0_u8..3, any::<bool>()),
        evenings in any::<u64>(),
    ) {
        let agreement = Agreement { start, changehandle, is_discounted };
        let on_time = money(&acts, agreement, Runs::Evening);
        for runs in [Runs::Morning, Runs::Always, Runs::Late(evenings), Runs::Late(0)] {
            prop_assert_eq!(&money(&acts, agreement, runs), &on_time, "{:?}", runs);
        }
    }
}

/// One-time charges, whose day is no paid time (rules S4): what is done, and what they come to.
const ONE_TIME: [(&[Act], i64, i64); 14] = [
    (&[(0, 32, 0), (0, 33, 0)], 500, 0),
    (&[(0, 32, 0), (0, 34, 0)], 500, 0),
    (&[(0, 32, 0)], 500, 0),
    (&[(0, 32, 0), (8, 33, 0)], 500, 0),
    (&[(0, 32, 0), (8, 34, 0)], 500, 0),
    (&[(0, 44, 0), (0, 35, 0)], 500, 0),
    (&[(0, 44, 0), (8, 35, 0)], 500, 0),
    (&[(0, 44, 0), (8, 33, 0)], 500, 0),
    (&[(0, 36, 0), (0, 37, 0)], 500, 0),
    (&[(0, 39, 0)], 0, 0),
    (&[(0, 40, 0)], 0, 0),
    (&[(8, 45, 0), (8, 32, 0), (8, 33, 0)], 500, 700),
    (&[(8, 32, 0), (9, 45, 0), (1, 33, 0)], 500, 700),
    (&[(8, 45, 0), (8, 46, 0)], 500, 0),
];

#[test]
fn a_hold_neither_gives_back_a_one_time_charge_nor_charges_it_again() {
    for start in [0, 1] {
        let agreement = Agreement { start, changehandle: 0, is_discounted: false };
        for (acts, setup, once) in ONE_TIME {
            let on_time = money(acts, agreement, Runs::Evening);
            let of = |sku: &str| on_time.0.get(sku).copied().unwrap_or(0);
            assert_eq!((of("SETUP"), of("ONCE"), &on_time.1[..]), (setup, once, &[][..]), "{acts:?}");
            for runs in [Runs::Morning, Runs::Always, Runs::Late(0)] {
                assert_eq!(money(acts, agreement, runs), on_time, "{acts:?} {runs:?}");
            }
        }
    }
}

#[test]
fn a_one_time_charge_that_a_switch_dropped_on_its_day_fires_when_a_switch_brings_it_back() {
    let once =
        |sku: &str| but(base("5.00"), json!({"sku": sku, "anchorcode": sku, "chargetype": "one_time"}));
    let big = json!({"sku": "BIG", "fullname": "Big", "currencycode": "DKK", "currencies": ["DKK"],
                     "changehandle": 1, "charges": [but(base("62.00"), json!({"sku": "BIG-BASE"}))]});
    for (away, back) in [("01", "01"), ("01", "20"), ("10", "10"), ("10", "20")] {
        for runs in 0_u8..16 {
            let mut scenario = Scenario::new("2026-01-01", vec![base("31.00"), once("SETUP")])
                .with("/productplans/-", big.clone());
            let acts = [("01", None), (away, Some("BIG")), (back, Some("PRO")), ("25", None)];
            for (place, (day, plan)) in acts.into_iter().enumerate() {
                let on = format!("2026-01-{day}");
                if let Some(plan) = plan {
                    scenario = scenario.act(&on, "switchplan", json!({"plan": plan}));
                }
                if runs >> place & 1 == 1 {
                    scenario = scenario.run(&on);
                }
            }
            let (invoices, is_once) =
                (scenario.run("2026-01-25").invoices().join("; "), |line: &&str| line.contains("SETUP "));
            let lines: Vec<&str> = invoices.split("; ").filter(is_once).collect();
            let credited = lines.iter().filter(|line| line.contains("SETUP -5.00")).count();
            assert_eq!(lines.len() - 2 * credited, 1, "{away} {back} {runs:04b}: {invoices}");
        }
    }
}

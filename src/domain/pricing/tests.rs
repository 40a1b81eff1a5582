use super::*;
use crate::catalogue::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn exact(text: &str) -> Exact {
    Exact::of(dec(text))
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn dkk() -> Currency {
    "DKK".parse().unwrap()
}

/// A tier: upper bound (empty = open), unit price, flat amount.
type Row = (&'static str, &'static str, &'static str);

fn pricing(segment: usize, (tier_to, price, flat): Row) -> Pricing {
    Pricing {
        currency: dkk(),
        segment: u32::try_from(segment).unwrap(),
        tier_to: (!tier_to.is_empty()).then(|| dec(tier_to)),
        price: dec(price),
        format: TierPriceFormat::PerUnit,
        flat_price: (!flat.is_empty()).then(|| dec(flat)),
        percentage: None,
        fixed_fee: None,
        event_minimum: None,
        event_maximum: None,
        multiplier: None,
        valid_from: None,
    }
}

fn charge(pricing_model: PricingModel, rows: &[Row]) -> Charge {
    Charge {
        sku: "PRO-API".into(),
        anchor_code: None,
        fullname: "API calls".into(),
        invoice_text: "API calls".into(),
        charge_type: ChargeType::Usage,
        pricing_model,
        billing_period: BillingPeriod::Monthly,
        billing_interval: 1,
        alignment: Alignment::PeriodEnd,
        billing_day: None,
        billing_month: None,
        default_amount: Decimal::ZERO,
        taxable: true,
        exempt_reason: None,
        uom: None,
        setup: ChargeSetup::Standard,
        product_charge_type: ProductChargeType::Charge,
        depends_on: None,
        meter: "PRO-API".into(),
        aggregation: Aggregation::Sum,
        usage_period: None,
        sum_average_factor: None,
        unique_property: None,
        percentile: None,
        group_by: None,
        filter: BTreeMap::new(),
        late_usage: LateUsage::Bill,
        late_cut_off_days: None,
        package_size: None,
        included_amount: None,
        minimum_amount: BTreeMap::new(),
        maximum_amount: BTreeMap::new(),
        charge_at_zero: false,
        pricings: rows.iter().enumerate().map(|(at, row)| pricing(at + 1, *row)).collect(),
    }
}

fn units(quantity: &str) -> Measure {
    Measure { quantity: exact(quantity), events: 1, each: Vec::new() }
}

/// Single events whose sum is the quantity.
fn events(each: &[&str]) -> Measure {
    let each: Vec<Decimal> = each.iter().map(|e| dec(e)).collect();
    let quantity = each.iter().fold(Exact::ZERO, |sum, e| sum.plus(Exact::of(*e)));
    Measure { quantity, events: u64::try_from(each.len()).unwrap(), each }
}

fn priced(charge: &Charge, measure: &Measure) -> Priced {
    price(charge, dkk(), None, &[Stretch { on: day("2026-03-01"), measure }])
}

fn amount(charge: &Charge, quantity: &str) -> String {
    priced(charge, &units(quantity)).amount.to_decimal(9).to_string()
}

fn at_zero(charge: Charge) -> Charge {
    Charge { charge_at_zero: true, ..charge }
}

#[test]
fn graduated_reference_cases() {
    // Not taken, other conventions: GRAD-37 (cap per tier), GRAD-62 (negative usage mirrors the price; here it is 0).
    // GRAD-10, GRAD-54 and GRAD-56 measure first and then price as here.
    let lago: &[Row] = &[("10", "10", "2"), ("20", "5", "3"), ("", "5", "3")];
    let fractions: &[Row] = &[("0.1", "10", ""), ("1", "5", ""), ("", "2", "")];
    let slab: &[Row] = &[("10", "50", ""), ("20", "40", ""), ("", "30", "")];
    let flats: &[Row] = &[("5", "0", "1"), ("10", "1", "2"), ("", "2", "")];
    let small: &[Row] = &[("1", "10", ""), ("2", "20", ""), ("", "30", "")];
    let stripe: &[Row] = &[("5", "7", ""), ("10", "6.50", ""), ("", "6", "")];
    let zuplo: &[Row] = &[("1000", "0.10", ""), ("10000", "0.05", ""), ("", "0.01", "")];
    let zuora: &[Row] = &[("10", "2", ""), ("20", "3", ""), ("", "5", "")];
    let kill_bill: &[Row] = &[("10", "1.5", ""), ("110", "1", ""), ("", "0.5", "")];
    let billabear: &[Row] = &[("10", "1500", "1000"), ("20", "1000", "1500"), ("", "500", "2500")];
    let table: [(&str, &[Row], &str, &str); 24] = [
        ("GRAD-05", lago, "12", "115"),
        ("GRAD-06", lago, "21", "163"),
        ("GRAD-07", fractions, "0.05", "0.5"),
        ("GRAD-16", &[("5", "0", "100"), ("10", "0", "50"), ("15", "10", ""), ("", "5", "")], "22", "235"),
        ("GRAD-17", slab, "15", "700"),
        ("GRAD-18", slab, "25", "1050"),
        ("GRAD-26", flats, "7", "5"),
        ("GRAD-27", flats, "12", "12"),
        ("GRAD-28", small, "0", "0"),
        ("GRAD-29", small, "1", "10"),
        ("GRAD-32", small, "2.5", "45"),
        ("GRAD-33 krn1", &[("10", "1", ""), ("", "2", "")], "3", "3"),
        ("GRAD-33 krn2", &[("10", "1", ""), ("", "2", "")], "12", "14"),
        ("GRAD-39", stripe, "6", "41.5"),
        ("GRAD-42", zuplo, "15000", "600"),
        ("GRAD-47", &[("10", "0", "1000"), ("", "0", "1500")], "50", "2500"),
        ("GRAD-50", billabear, "25", "32500"),
        ("PGRAD-10", &[("5", "10", "100"), ("15", "5", "50"), ("", "2", "")], "75", "370"),
        ("UNIQ-14", &[("2", "0", "1000"), ("", "0", "1500")], "3", "2500"),
        ("GRAD-58", zuora, "15", "35"),
        ("GRAD-59", kill_bill, "111", "115.5"),
        ("GRAD-01 without chargeatzero (P4)", lago, "0", "0"),
        ("below 0 is 0", lago, "-10", "0"),
        ("nothing for sale", &[], "5", "0"),
    ];
    for (id, rows, quantity, expected) in table {
        assert_eq!(amount(&charge(PricingModel::Tiered, rows), quantity), expected, "{id}");
    }
    assert_eq!(amount(&at_zero(charge(PricingModel::Tiered, lago)), "0"), "2", "GRAD-01 with chargeatzero");
    assert_eq!(
        amount(&at_zero(charge(PricingModel::Tiered, lago)), "12"),
        "115",
        "GRAD-05 with chargeatzero"
    );
}

#[test]
fn volume_reference_cases() {
    // Not taken, another convention: VOL-09 prorates units.
    let lago: &[Row] = &[("100", "2", "10"), ("200", "1", ""), ("", "0.5", "50")];
    let meter: &[Row] = &[("5", "0", "100"), ("10", "0", "150"), ("15", "10", ""), ("", "5", "")];
    let flex: &[Row] = &[("10", "50", ""), ("20", "40", ""), ("", "30", "")];
    let stripe: &[Row] = &[("5", "7", ""), ("10", "6.50", ""), ("", "6", "")];
    let table: [(&str, &[Row], &str, &str); 16] = [
        ("VOL-03", lago, "100", "210"),
        ("VOL-05", lago, "101", "101"),
        ("V9: a fraction belongs to the tier that holds it", lago, "100.5", "100.5"),
        ("VOL-06", lago, "200", "200"),
        ("VOL-08", lago, "210", "155"),
        ("VOL-11", meter, "3", "100"),
        ("VOL-12", meter, "5", "100"),
        ("VOL-14", meter, "15", "150"),
        ("VOL-15", meter, "16", "80"),
        ("VOL-17", flex, "5", "250"),
        ("VOL-18", flex, "15", "600"),
        ("VOL-24", stripe, "5", "35"),
        ("VOL-26", stripe, "20", "120"),
        ("VOL-29", &[("", "0.0006", "")], "65000", "39"),
        ("VOL-30", &[("", "0.01", "")], "15000", "150"),
        ("VOL-34", &[("10", "1000", "1000"), ("", "200", "0")], "11", "2200"),
    ];
    for (id, rows, quantity, expected) in table {
        assert_eq!(amount(&charge(PricingModel::Volume, rows), quantity), expected, "{id}");
    }
    assert_eq!(amount(&at_zero(charge(PricingModel::Volume, lago)), "0"), "10", "VOL-01 with chargeatzero");
    assert_eq!(amount(&at_zero(charge(PricingModel::Volume, meter)), "0"), "100", "VOL-10 with chargeatzero");
    assert_eq!(amount(&charge(PricingModel::Volume, lago), "0"), "0", "VOL-01 without (P4)");
}

#[test]
fn stairstep_is_the_price_of_the_one_step() {
    // Not taken, another convention: STAIR-04 adds up all steps.
    let table: [(&str, &[Row], &str, &str); 4] = [
        ("STAIR-02", &[("10", "1000", ""), ("", "1500", "")], "9", "1000"),
        ("STAIR-03", &[("250", "10", ""), ("500", "20", ""), ("", "30", "")], "1000", "30"),
        ("a bound belongs to the lower step", &[("250", "10", ""), ("", "20", "")], "250", "10"),
        ("P4", &[("250", "10", ""), ("", "20", "")], "0", "0"),
    ];
    for (id, rows, quantity, expected) in table {
        assert_eq!(amount(&charge(PricingModel::Stairstep, rows), quantity), expected, "{id}");
    }
}

#[test]
fn package_reference_cases() {
    // Not taken: PKG-13 rounds down; PKG-32 caps at the rate's end.
    let table = [
        ("PKG-01", "10", "100", "0", "121", "1300"),
        ("PKG-02", "10", "100", "10", "121", "1200"),
        ("PKG-05", "100", "1", "0", "0", "0"),
        ("PKG-07", "100", "1", "0", "99", "1"),
        ("PKG-08", "100", "1", "0", "100", "1"),
        ("PKG-09", "100", "1", "0", "101", "2"),
        ("PKG-10", "100", "1", "0", "150", "2"),
        ("PKG-19", "10", "1", "0", "1", "1"),
        ("PKG-22", "10", "1", "0", "11", "2"),
        ("PKG-26", "100", "1", "0", "1000", "10"),
        ("PKG-28", "1000", "0.5", "0", "300000", "150"),
        ("PKG-29", "1000", "0.5", "0", "101001", "51"),
        ("PKG-31", "10", "1", "0", "1", "1"),
        ("within the free units", "10", "100", "10", "9", "0"),
    ];
    for (id, size, unit_price, included, quantity, expected) in table {
        let mut package = charge(PricingModel::Package, &[]);
        package.pricings = vec![Pricing { price: dec(unit_price), ..pricing(1, ("", "0", "")) }];
        package.package_size = Some(dec(size));
        package.included_amount = Some(dec(included)).filter(|i| !i.is_zero());
        assert_eq!(amount(&package, quantity), expected, "{id}");
    }
}

fn percentage(percent: &str, fee: Option<&str>, bounds: Option<(&str, &str)>) -> Charge {
    let row = Pricing {
        percentage: Some(dec(percent)),
        fixed_fee: fee.map(dec),
        event_minimum: bounds.map(|b| dec(b.0)),
        event_maximum: bounds.map(|b| dec(b.1)),
        ..pricing(1, ("", "0", ""))
    };
    Charge { pricings: vec![row], ..charge(PricingModel::Percentage, &[]) }
}

#[test]
fn percentage_reference_cases() {
    // PCT-05, PCT-07 and PCT-12 count free events, which tallybook has not; it has a free amount.
    let table = [
        ("PCT-01", percentage("1.3", Some("2"), None), "250", vec!["50", "100", "250", "400"], "11.15"),
        ("PCT-08", percentage("2.9", None, None), "0", vec!["4"], "0.116"),
        ("PCT-09", percentage("2.99", None, None), "0", vec!["10", "80", "10000"], "301.691"),
        (
            "PCT-12 at 10 free",
            percentage("2.99", None, Some(("1.75", "12"))),
            "90",
            vec!["10", "80", "10000"],
            "12",
        ),
        ("PCT-13", percentage("2.99", None, Some(("1.75", "12"))), "30", vec!["10", "80", "10000"], "13.794"),
        ("bounds", percentage("10", Some("1"), Some(("2", "6"))), "0", vec!["5", "30", "100"], "12"),
        ("a fee for an event of 0", percentage("10", Some("1"), None), "0", vec!["0", "10"], "3"),
    ];
    for (id, mut charge, included, each, expected) in table {
        charge.included_amount = Some(dec(included)).filter(|i| !i.is_zero());
        let got = priced(&charge, &events(&each));
        assert_eq!(got.amount.to_decimal(9).to_string(), expected, "{id}");
        assert_eq!(wants_events(&charge), id != "PCT-08" && id != "PCT-09", "{id}");
    }
    // Of a peak the percentage is taken of the peak, and the fee counts once per event.
    let peak = Charge { aggregation: Aggregation::Highest, ..percentage("10", Some("1"), None) };
    assert!(!wants_events(&peak));
    let measure = Measure { quantity: Exact::int(100), events: 3, each: Vec::new() };
    assert_eq!(priced(&peak, &measure).amount.to_decimal(9).to_string(), "13");
    let set = percentage("10", Some("1"), Some(("2", "6")));
    assert_eq!(amount(&set, "30"), "4", "a quantity that is set is one event");
}

#[test]
fn a_percentage_with_tiers_is_graduated() {
    let rows = [("10", "1", "200"), ("20", "2", "300"), ("", "3", "400")];
    for model in [PricingModel::Percentage, PricingModel::GraduatedPercentage] {
        let mut tiered = charge(model, &rows);
        assert_eq!(amount(&tiered, "1"), "200.01", "GPCT-02, percent in `price`");
        for row in &mut tiered.pricings {
            row.percentage = Some(row.price);
            row.price = dec("99");
        }
        assert_eq!(amount(&tiered, "21"), "900.33", "percent in `percentage`");
    }
}

#[test]
fn dynamic_takes_the_events_amounts_also_below_zero() {
    let mut dynamic = charge(PricingModel::Dynamic, &[("", "0", "")]);
    assert_eq!(amount(&dynamic, "0.402"), "0.402", "DYN-01");
    dynamic.pricings[0].multiplier = Some(dec("1.33333"));
    assert_eq!(priced(&dynamic, &units("10")).amount.round_half_away(2), 1333, "DYN-02");
    let refund = priced(&dynamic, &units("-10"));
    assert_eq!((refund.amount, refund.quantity, refund.charged), (exact("-13.3333"), exact("-10"), true));
}

#[test]
fn flat_costs_its_price_whatever_the_quantity_but_nothing_at_zero() {
    let flat = charge(PricingModel::Flat, &[("", "199", "")]);
    let one = priced(&flat, &units("1"));
    assert_eq!((one.amount, one.unit_price), (exact("199"), Some(dec("199"))));
    let three = priced(&flat, &units("3"));
    assert_eq!((three.amount, three.unit_price), (exact("199"), None), "3 × 199 would not be the amount");
    let none = priced(&flat, &units("0"));
    assert_eq!((none.amount, none.charged), (Exact::ZERO, false));
    assert_eq!(amount(&at_zero(flat), "0"), "199");
}

#[test]
fn the_price_on_the_subscription_replaces_that_of_flat_per_unit_and_custom() {
    let of = |model, rows: &[Row]| {
        let measure = units("3");
        let stretch = [Stretch { on: day("2026-03-01"), measure: &measure }];
        price(&charge(model, rows), dkk(), Some(dec("7")), &stretch)
    };
    let listed: &[Row] = &[("", "5", "")];
    assert_eq!(of(PricingModel::Flat, listed).amount, exact("7"));
    assert_eq!(of(PricingModel::PerUnit, listed).amount, exact("21"));
    assert_eq!(of(PricingModel::PerUnit, listed).unit_price, Some(dec("7")));
    assert_eq!(of(PricingModel::Custom, &[]).amount, exact("21"));
    assert_eq!(of(PricingModel::Tiered, listed).amount, exact("15"), "not of a price list");
}

#[test]
fn only_plain_lines_show_quantity_times_unit_price() {
    let plain = charge(PricingModel::PerUnit, &[("", "0.05", "")]);
    let unit_price = |charge: &Charge, quantity: &Measure| priced(charge, quantity).unit_price;
    assert_eq!(unit_price(&plain, &units("300")), Some(dec("0.05")));
    let third = Measure { quantity: Exact::ratio(1, 3), ..units("1") };
    assert_eq!(unit_price(&plain, &third), None, "0.333333333 would not be the amount");
    let one = |dress: fn(&mut Charge)| {
        let mut charge = plain.clone();
        dress(&mut charge);
        unit_price(&charge, &units("300"))
    };
    assert_eq!(one(|c| c.included_amount = Some(dec("10"))), None);
    assert_eq!(one(|c| c.minimum_amount = BTreeMap::from([(dkk(), dec("1"))])), None);
    assert_eq!(one(|c| c.maximum_amount = BTreeMap::from([(dkk(), dec("1"))])), None);
    assert_eq!(one(|c| c.pricing_model = PricingModel::Volume), None);
}

#[test]
fn included_units_come_first_and_the_maximum_last() {
    let mut api = charge(PricingModel::Tiered, &[("1000", "0.05", ""), ("", "0.02", "10")]);
    api.included_amount = Some(dec("1000"));
    let got = priced(&api, &units("2300"));
    assert_eq!((got.amount, got.quantity), (exact("66"), exact("2300")));
    assert_eq!(
        tier_text(&got.tiers, Some("call"), dkk()),
        "1 000 call included; 1 000 call à 0.05; 300 call à 0.02 + 10.00"
    );
    api.maximum_amount = BTreeMap::from([(dkk(), dec("60"))]);
    let capped = priced(&api, &units("2300"));
    assert_eq!(capped.amount, exact("60"));
    assert!(tier_text(&capped.tiers, None, dkk()).ends_with("; at most 60.00"));
    let free = priced(&api, &units("900"));
    assert_eq!((free.amount, free.charged), (Exact::ZERO, true), "a line of 0 for 900 included units");

    let volume = charge(PricingModel::Volume, &[("5", "0", "100"), ("", "0", "150")]);
    let capped = Charge { maximum_amount: BTreeMap::from([(dkk(), dec("125"))]), ..volume };
    assert_eq!(amount(&capped, "7"), "125", "MINMAX-06");
}

#[test]
fn the_minimum_is_made_up_by_a_shortfall() {
    let floor = |minimum: &str, billed| shortfall(exact(minimum), dkk(), billed);
    assert_eq!(floor("100", 0), 10_000, "MINMAX-01: owed at quantity 0 too");
    assert_eq!(floor("150", 10_000), 5000, "MINMAX-05");
    assert_eq!(floor("150", 20_000), 0);
    let share = crate::proration::share(
        crate::period::Period::new(day("2026-02-04"), day("2026-03-01")),
        crate::period::Period::new(day("2026-02-01"), day("2026-03-01")),
    );
    assert_eq!(shortfall(exact("100").times(share), dkk(), 7000), 1929, "MINMAX-15");
    let charge =
        Charge { minimum_amount: BTreeMap::from([(dkk(), dec("100"))]), ..charge(PricingModel::Tiered, &[]) };
    assert_eq!(minimum(&charge, dkk()), Some(exact("100")));
    assert_eq!(minimum(&charge, "EUR".parse().unwrap()), None);
}

/// Two versions: the given rows, and from 15 March the same with every price and flat amount doubled.
fn repriced(model: PricingModel, rows: &[Row]) -> Charge {
    let mut charge = charge(model, rows);
    let doubled: Vec<Pricing> = charge
        .pricings
        .iter()
        .map(|p| Pricing {
            price: p.price * dec("2"),
            flat_price: p.flat_price.map(|f| f * dec("2")),
            valid_from: Some(day("2026-03-15")),
            ..p.clone()
        })
        .collect();
    charge.pricings.extend(doubled);
    charge
}

fn over_two_versions(charge: &Charge, before: &str, after: &str) -> Priced {
    let (before, after) = (units(before), units(after));
    let stretches = [
        Stretch { on: day("2026-03-01"), measure: &before },
        Stretch { on: day("2026-03-15"), measure: &after },
    ];
    price(charge, dkk(), None, &stretches)
}

#[test]
fn the_running_total_goes_on_through_a_price_change() {
    let tiers: &[Row] = &[("10", "1", "3"), ("", "0.5", "5")];
    let graduated = repriced(PricingModel::Tiered, tiers);
    // 8 à 1 + 3, then 2 à 2, 5 à 1 + 10
    assert_eq!(over_two_versions(&graduated, "8", "7").amount, exact("30"));
    // 12: 10 à 1 + 3, 2 à 0.5 + 5; the second flat amount is not owed again
    assert_eq!(over_two_versions(&graduated, "12", "3").amount, exact("22"));
    let mut with_included = graduated.clone();
    with_included.included_amount = Some(dec("8"));
    // 5 included, then 3 included, 4 à 2 + 6
    assert_eq!(over_two_versions(&with_included, "5", "7").amount, exact("14"));

    let mut package = repriced(PricingModel::Package, &[("", "10", "")]);
    package.package_size = Some(dec("10"));
    assert_eq!(
        over_two_versions(&package, "15", "5").amount,
        exact("20"),
        "the second package was started before"
    );
    assert_eq!(over_two_versions(&package, "15", "6").amount, exact("40"));

    let per_unit = repriced(PricingModel::PerUnit, &[("", "1", "")]);
    let got = over_two_versions(&per_unit, "3", "4");
    assert_eq!((got.amount, got.unit_price), (exact("11"), None));
    assert_eq!(over_two_versions(&per_unit, "3", "-1").amount, exact("1"), "1 taken back at the newer price");
    assert_eq!(over_two_versions(&per_unit, "3", "-3").amount, Exact::ZERO);
    assert_eq!(
        over_two_versions(&at_zero(per_unit), "3", "-4").amount,
        Exact::ZERO,
        "below 0 is priced as 0"
    );
}

#[test]
fn in_volume_the_whole_quantity_picks_the_tier_in_each_version() {
    let volume = repriced(PricingModel::Volume, &[("10", "10", ""), ("", "5", "6")]);
    // 15 pick the second tier: 5 × 5 + 10 × 10, flat 6 for a third of the quantity and 12 for two thirds
    assert_eq!(over_two_versions(&volume, "5", "10").amount, exact("135"));
    let stairstep = repriced(PricingModel::Stairstep, &[("10", "10", ""), ("", "30", "")]);
    assert_eq!(over_two_versions(&stairstep, "5", "15").amount, exact("52.5"));
    let flat = repriced(PricingModel::Flat, &[("", "100", "")]);
    assert_eq!(over_two_versions(&flat, "1", "1").amount, exact("150"));
}

#[test]
fn fees_per_event_follow_each_version() {
    let mut fees = percentage("1", Some("2"), None);
    fees.pricings.push(Pricing {
        fixed_fee: Some(dec("3")),
        valid_from: Some(day("2026-03-15")),
        ..fees.pricings[0].clone()
    });
    fees.included_amount = Some(dec("100"));
    let (before, after) = (events(&["60", "60"]), events(&["80"]));
    let stretches = [
        Stretch { on: day("2026-03-01"), measure: &before },
        Stretch { on: day("2026-03-15"), measure: &after },
    ];
    let got = price(&fees, dkk(), None, &stretches);
    // 60 free; 20 of the second at 1 % + 2; 80 at 1 % + 3
    assert_eq!(got.amount, exact("6"));
    assert_eq!(
        tier_text(&got.tiers, None, dkk()),
        "100 included; 20 à 1 %, 1 event + 2.00; 80 à 1 %, 1 event + 3.00"
    );
}

fn scaled(units: i64) -> Measure {
    Measure { quantity: Exact::scaled(i128::from(units), 3), events: 1, each: Vec::new() }
}

/// Ascending bounds and unit prices as a graduated or volume list, at scale 3.
fn ladder(model: PricingModel, widths: &[u32], prices: &[u32]) -> Charge {
    let mut charge = charge(model, &[]);
    let mut bound = Decimal::ZERO;
    for (at, (width, unit_price)) in widths.iter().zip(prices).enumerate() {
        bound += Decimal::new(i64::from(*width) + 1, 3);
        let row =
            Pricing { price: Decimal::new(i64::from(*unit_price), 3), ..pricing(at + 1, ("", "0", "")) };
        charge.pricings.push(Pricing { tier_to: Some(bound).filter(|_| at + 1 < widths.len()), ..row });
    }
    charge
}

const EVERY_MODEL: [PricingModel; 9] = [
    PricingModel::Flat,
    PricingModel::PerUnit,
    PricingModel::Tiered,
    PricingModel::Volume,
    PricingModel::Percentage,
    PricingModel::Package,
    PricingModel::Stairstep,
    PricingModel::GraduatedPercentage,
    PricingModel::Dynamic,
];

proptest! {
    #[test]
    fn graduated_never_falls_and_never_jumps(
        widths in proptest::collection::vec(0_u32..5000, 4), prices in proptest::collection::vec(0_u32..9000, 4),
        quantity in 0_i64..25_000, step in 1_i64..2000,
    ) {
        let charge = ladder(PricingModel::Tiered, &widths, &prices);
        let (low, high) = (priced(&charge, &scaled(quantity)).amount, priced(&charge, &scaled(quantity + step)).amount);
        prop_assert!(low <= high);
        let dearest = Exact::scaled(i128::from(*prices.iter().max().unwrap()), 3);
        prop_assert!(high.minus(low) <= dearest.times(Exact::scaled(i128::from(step), 3)), "continuous at bounds");
    }

    #[test]
    fn volume_is_graduated_inside_the_first_tier(
        widths in proptest::collection::vec(0_u32..5000, 3), prices in proptest::collection::vec(0_u32..9000, 3),
        part in 0_i64..=1000,
    ) {
        let quantity = scaled((i64::from(widths[0]) + 1) * part / 1000);
        let of = |model| priced(&ladder(model, &widths, &prices), &quantity).amount;
        prop_assert_eq!(of(PricingModel::Volume), of(PricingModel::Tiered));
    }

    /// Cutting a period where the price does not change changes nothing; the parts shown always sum to the amount.
    #[test]
    fn a_cut_without_a_price_change_costs_the_same(
        model in proptest::sample::select(&EVERY_MODEL[..]), charge_at_zero in any::<bool>(),
        widths in proptest::collection::vec(0_u32..5000, 3), prices in proptest::collection::vec(1_u32..9000, 3),
        quantities in proptest::collection::vec(-3000_i64..9000, 1..5), included in 0_i64..3000, flat in 0_i64..500,
    ) {
        let mut charge = ladder(model, &widths, &prices);
        charge.charge_at_zero = charge_at_zero;
        charge.package_size = Some(dec("0.7"));
        charge.included_amount = Some(Decimal::new(included, 3));
        for row in &mut charge.pricings {
            row.flat_price = Some(Decimal::new(flat, 2));
        }
        if model == PricingModel::Percentage {
            charge.pricings.truncate(1);
        }
        let measures: Vec<Measure> = quantities.iter().map(|&q| scaled(q)).collect();
        let stretches: Vec<Stretch<'_>> = measures.iter().map(|measure| Stretch { on: day("2026-03-01"), measure }).collect();
        let cut = price(&charge, dkk(), None, &stretches);
        let whole = priced(&charge, &scaled(quantities.iter().sum()));
        prop_assert_eq!(cut.amount, whole.amount);
        prop_assert_eq!(cut.quantity, whole.quantity);
        if model != PricingModel::Flat {
            prop_assert_eq!(super::total(&cut.tiers), cut.amount);
        }
    }
}

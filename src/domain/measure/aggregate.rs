//! The aggregations of rules Q2 over the sorted samples of one stretch.

use super::{Instants, Measure, Sample};
use crate::catalogue::Aggregation;
use crate::exact::Exact;
use ethnum::I256;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// One quantity of the samples of one group and stretch (rules Q2); `each` is left empty.
///
/// `samples` are in (time, source, id) order and all inside `stretch`. No samples give 0; an aggregate may be below 0
/// (pricing takes it as 0). A `sum_average` without a factor divides by 1, a percentile without `percentile` is the
/// highest; `None` (it is set) measures nothing. `events` counts the samples, for `unique_count` also those without
/// the property.
pub fn aggregate(
    kind: Aggregation,
    samples: &[Sample<'_>],
    sum_average_factor: Option<Decimal>,
    percentile: Option<Decimal>,
    stretch: &[Instants],
) -> Measure {
    let events = u64::try_from(samples.len()).unwrap_or(u64::MAX);
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Measure::empty();
    };
    let quantity = match kind {
        Aggregation::None => Exact::ZERO,
        Aggregation::Sum => sum(samples),
        Aggregation::Count => Exact::int(i128::from(events)),
        Aggregation::UniqueCount => unique_count(samples),
        Aggregation::Average => sum(samples).over(Exact::int(i128::from(events))),
        Aggregation::SumAverage => sum_average(samples, sum_average_factor),
        Aggregation::Lowest => at_scale_9(samples.iter().map(|s| s.quantity).min().unwrap_or(0)),
        Aggregation::Highest => at_scale_9(samples.iter().map(|s| s.quantity).max().unwrap_or(0)),
        Aggregation::Last => at_scale_9(last.quantity),
        Aggregation::Range => at_scale_9(last.quantity).minus(at_scale_9(first.quantity)),
        Aggregation::WeightedSum => weighted_sum(samples, stretch),
        Aggregation::Percentile => nearest_rank(samples, percentile.unwrap_or(Decimal::ONE_HUNDRED)),
    };
    Measure { quantity, events, each: Vec::new() }
}

/// A quantity at scale 9, exactly.
fn at_scale_9(quantity: i128) -> Exact {
    Exact::scaled(quantity, 9)
}

/// Σ quantity. 21-digit quantities leave an `i128` after 10^17 of them, more than any store holds.
fn sum(samples: &[Sample<'_>]) -> Exact {
    at_scale_9(samples.iter().map(|s| s.quantity).sum())
}

fn sum_average(samples: &[Sample<'_>], factor: Option<Decimal>) -> Exact {
    match factor.filter(|f| !f.is_zero()) {
        Some(factor) => sum(samples).over(Exact::of(factor)),
        None => sum(samples),
    }
}

/// Distinct values of the property; samples without it are ignored.
fn unique_count(samples: &[Sample<'_>]) -> Exact {
    let values: BTreeSet<&str> = samples.iter().filter_map(|s| s.unique).collect();
    Exact::int(i128::try_from(values.len()).unwrap_or(i128::MAX))
}

/// The quantity at rank ceil(p ÷ 100 × n), at least 1 and at most n.
fn nearest_rank(samples: &[Sample<'_>], percentile: Decimal) -> Exact {
    let mut quantities: Vec<i128> = samples.iter().map(|s| s.quantity).collect();
    quantities.sort_unstable();
    let count = i128::try_from(quantities.len()).unwrap_or(i128::MAX);
    let rank =
        Exact::of(percentile).times(Exact::ratio(count, 100)).ceil().max(Exact::ONE).min(Exact::int(count));
    let index = usize::try_from(rank.round_half_away(0) - 1).unwrap_or(0);
    at_scale_9(quantities[index])
}

/// Quantities are changes of a level that starts at 0; the result is its mean over the stretch, weighted by time:
/// Σ change × microseconds left after it ÷ microseconds in all. Gaps in the stretch (holds) count for nothing.
fn weighted_sum(samples: &[Sample<'_>], stretch: &[Instants]) -> Exact {
    let total_us: i128 = stretch.iter().map(|i| i128::from(i.length_us())).sum();
    if total_us == 0 {
        return Exact::ZERO;
    }
    let weighted = samples.iter().fold(I256::ZERO, |acc, sample| {
        acc + I256::from(sample.quantity) * I256::from(left_after(sample.time_us, stretch))
    });
    Exact::wide(weighted, I256::from(total_us) * I256::from(crate::decimal::ONE_AT_SCALE_9))
}

/// Microseconds of the stretch from `time_us` on.
fn left_after(time_us: i64, stretch: &[Instants]) -> i128 {
    stretch
        .iter()
        .map(|i| i128::from(Instants { from_us: i.from_us.max(time_us), to_us: i.to_us }.length_us()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const UNIT: i128 = crate::decimal::ONE_AT_SCALE_9;

    fn samples(list: &[(i64, i128)]) -> Vec<Sample<'static>> {
        list.iter()
            .map(|&(time_us, units)| Sample {
                time_us,
                source: "s",
                id: "",
                quantity: units * UNIT,
                unique: None,
            })
            .collect()
    }

    fn measured(kind: Aggregation, list: &[(i64, i128)], hours: i64) -> Exact {
        aggregate(kind, &samples(list), None, None, &[Instants { from_us: 0, to_us: hours * HOUR }]).quantity
    }

    #[test]
    fn weighted_sum_reference_cases() {
        let deltas = [(0, 2), (60, 3), (90, 1), (120, -4), (240, -2), (300, 10), (330, -10)];
        let mut events: Vec<(i64, i128)> =
            deltas.iter().map(|&(minute, d)| (minute * HOUR / 60, d)).collect();
        let mean = measured(Aggregation::WeightedSum, &events, 744);
        assert_eq!(
            (mean, mean.to_decimal(5).to_string()),
            (Exact::ratio(165, 7440), "0.02218".into()),
            "WSUM-01"
        );
        // WSUM-02 carries 1000 in from before; tallybook starts every window at 0, so the carry is an event at its start.
        events.insert(0, (0, 1000));
        assert_eq!(
            measured(Aggregation::WeightedSum, &events, 744).to_decimal(5).to_string(),
            "1000.02218",
            "WSUM-02"
        );
        assert_eq!(measured(Aggregation::WeightedSum, &[(0, 3), (0, 3)], 744), Exact::int(6), "WSUM-06");
        assert_eq!(measured(Aggregation::WeightedSum, &[(0, 1000)], 744), Exact::int(1000), "WSUM-07");
    }

    #[test]
    fn weighted_sum_skips_the_gap_of_a_hold() {
        let stretch = [Instants { from_us: 0, to_us: 10 }, Instants { from_us: 30, to_us: 40 }];
        let level = aggregate(Aggregation::WeightedSum, &samples(&[(0, 4), (30, 4)]), None, None, &stretch);
        assert_eq!(level.quantity, Exact::int(6), "4 for half the time, 8 for the other half");
        assert_eq!(
            aggregate(Aggregation::WeightedSum, &samples(&[(0, 4)]), None, None, &[]).quantity,
            Exact::ZERO
        );
    }

    #[test]
    fn one_quantity_per_aggregation() {
        let list = [(1, 5), (2, -1), (3, 9), (4, 3)];
        let table = [
            (Aggregation::None, Exact::ZERO),
            (Aggregation::Sum, Exact::int(16)),
            (Aggregation::Count, Exact::int(4)),
            (Aggregation::Average, Exact::int(4)),
            (Aggregation::SumAverage, Exact::int(16)),
            (Aggregation::Lowest, Exact::int(-1)),
            (Aggregation::Highest, Exact::int(9)),
            (Aggregation::Last, Exact::int(3)),
            (Aggregation::Range, Exact::int(-2)),
            (Aggregation::Percentile, Exact::int(9)),
            (Aggregation::UniqueCount, Exact::ZERO),
        ];
        for (kind, expected) in table {
            assert_eq!(measured(kind, &list, 1), expected, "{kind:?}");
            assert_eq!(measured(kind, &[], 1), Exact::ZERO, "{kind:?} of an empty window");
        }
        let third = aggregate(Aggregation::SumAverage, &samples(&list), Some(Decimal::from(3)), None, &[]);
        assert_eq!(third.quantity, Exact::ratio(16, 3));
    }

    #[test]
    fn percentile_is_the_nearest_rank() {
        let list: Vec<(i64, i128)> = [15, 20, 35, 40, 50].iter().zip(0..).map(|(&q, t)| (t, q)).collect();
        for (p, expected) in [("5", 15), ("30", 20), ("40", 20), ("50", 35), ("100", 50), ("99.9", 50)] {
            let got =
                aggregate(Aggregation::Percentile, &samples(&list), None, Some(p.parse().unwrap()), &[]);
            assert_eq!(got.quantity, Exact::int(expected), "percentile {p}");
        }
    }

    #[test]
    fn unique_count_ignores_events_without_the_property() {
        let mut list = samples(&[(1, 1), (2, 1), (3, 1), (4, 1)]);
        list[0].unique = Some("a");
        list[1].unique = Some("b");
        list[3].unique = Some("a");
        let got = aggregate(Aggregation::UniqueCount, &list, None, None, &[]);
        assert_eq!((got.quantity, got.events), (Exact::int(2), 4));
    }
}

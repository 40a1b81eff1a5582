//! Sum, count, lowest and highest per place: the part of measuring that polars does.

use anyhow::{Context, Result, ensure};
use polars::prelude::{DataFrame, Int128Chunked, IntoColumn, IntoLazy, UInt32Chunked, col, len};

/// What the events of one place add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    /// At scale 9.
    pub sum: i128,
    pub lowest: i128,
    pub highest: i128,
    pub events: u64,
}

impl Sums {
    /// Both together. None if the sum leaves 128 bits.
    pub fn merged(self, other: Self) -> Option<Self> {
        Some(Self {
            sum: self.sum.checked_add(other.sum)?,
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
            events: self.events + other.events,
        })
    }
}

/// Sums `quantities` (scale 9) per place; `places[i]` is the place of `quantities[i]`.
pub(crate) fn sums(places: Vec<u32>, quantities: Vec<i128>) -> Result<Vec<(u32, Sums)>> {
    let rows = places.len();
    ensure!(rows == quantities.len(), "{rows} places, but {} quantities", quantities.len());
    if rows == 0 {
        return Ok(Vec::new());
    }
    ensure_bounded(&quantities)?;
    let quantities = Int128Chunked::from_vec("quantity".into(), quantities).into_decimal_unchecked(38, 9);
    let places = UInt32Chunked::from_vec("place".into(), places);
    let frame = DataFrame::new(rows, vec![places.into_column(), quantities.into_column()])?;
    let quantity = || col("quantity");
    let grouped = frame
        .lazy()
        .group_by([col("place")])
        .agg([
            quantity().sum().alias("sum"),
            quantity().min().alias("lowest"),
            quantity().max().alias("highest"),
            len().alias("events"),
        ])
        .collect()?;
    read(&grouped)
}

fn read(grouped: &DataFrame) -> Result<Vec<(u32, Sums)>> {
    let decimals = |name: &str| -> Result<Vec<i128>> {
        let column = grouped.column(name)?.decimal()?;
        ensure!(column.scale() == 9, "{name} has {} decimals", column.scale());
        Ok(column.physical().iter().flatten().collect())
    };
    let (totals, lowest, highest) = (decimals("sum")?, decimals("lowest")?, decimals("highest")?);
    let places: Vec<u32> = grouped.column("place")?.u32()?.iter().flatten().collect();
    let events: Vec<u32> = grouped.column("events")?.u32()?.iter().flatten().collect();
    ensure!(
        [totals.len(), lowest.len(), highest.len(), events.len()] == [places.len(); 4],
        "polars left out values of {} places",
        places.len()
    );
    let mut list = Vec::with_capacity(places.len());
    for (at, place) in places.into_iter().enumerate() {
        let sums =
            Sums { sum: totals[at], lowest: lowest[at], highest: highest[at], events: events[at].into() };
        list.push((place, sums));
    }
    Ok(list)
}

/// polars adds 128-bit integers unchecked: the sums are right if even the largest quantity times all of them fits.
fn ensure_bounded(quantities: &[i128]) -> Result<()> {
    let largest = quantities.iter().map(|quantity| quantity.unsigned_abs()).max().unwrap_or_default();
    let count = quantities.len();
    largest
        .checked_mul(count as u128)
        .filter(|bound| *bound <= i128::MAX.unsigned_abs())
        .with_context(|| format!("{count} quantities of up to {largest} leave 128 bits"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_beyond_what_a_float_holds() {
        let large = 999_999_999_999_999_999_999_i128;
        let mut list = sums(vec![7, 3, 7, 7], vec![large, -5, large, 1]).unwrap();
        list.sort_unstable_by_key(|(place, _)| *place);
        assert_eq!(list[0], (3, Sums { sum: -5, lowest: -5, highest: -5, events: 1 }));
        assert_eq!(list[1], (7, Sums { sum: 2 * large + 1, lowest: 1, highest: large, events: 3 }));
        assert!(sums(Vec::new(), Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn a_sum_that_may_overflow_is_refused() {
        assert!(sums(vec![1, 1], vec![i128::MAX / 2, i128::MAX / 2 + 2]).is_err());
    }
}

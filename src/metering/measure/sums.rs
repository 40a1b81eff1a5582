//! Sum, count, lowest and highest of the events of one place.

use anyhow::{Context, Result};

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
    /// Of no events.
    pub const NOTHING: Self = Self { sum: 0, lowest: i128::MAX, highest: i128::MIN, events: 0 };

    /// Adds the quantities of events. An error if the sum leaves 128 bits.
    #[inline]
    pub fn add(&mut self, quantities: &[i128]) -> Result<()> {
        for quantity in quantities {
            self.sum = self.sum.checked_add(*quantity).context(TOO_MUCH)?;
            self.lowest = self.lowest.min(*quantity);
            self.highest = self.highest.max(*quantity);
        }
        self.events += quantities.len() as u64;
        Ok(())
    }

    /// Both together.
    pub fn merged(self, other: Self) -> Result<Self> {
        Ok(Self {
            sum: self.sum.checked_add(other.sum).context(TOO_MUCH)?,
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
            events: self.events + other.events,
        })
    }
}

const TOO_MUCH: &str = "a sum of quantities leaves 128 bits";

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(quantities: &[i128]) -> Result<Sums> {
        let mut sums = Sums::NOTHING;
        sums.add(quantities)?;
        Ok(sums)
    }

    #[test]
    fn sums_are_exact_beyond_what_a_float_holds() {
        let large = 999_999_999_999_999_999_999_i128;
        let whole = Sums { sum: 2 * large - 4, lowest: -5, highest: large, events: 4 };
        assert_eq!(sums(&[large, -5, large, 1]).unwrap(), whole);
        assert_eq!(sums(&[large, -5]).unwrap().merged(sums(&[large, 1]).unwrap()).unwrap(), whole);
        assert_eq!(sums(&[1]).unwrap().merged(Sums::NOTHING).unwrap(), sums(&[1]).unwrap());
    }

    #[test]
    fn a_sum_that_overflows_is_refused() {
        let half = i128::MAX / 2 + 1;
        assert!(sums(&[half, half]).is_err());
        assert!(sums(&[half]).unwrap().merged(sums(&[half]).unwrap()).is_err());
    }
}

//! Foreign entries in the base currency, to the cent (rules I6, L5): what is printed on the invoice is what the books hold.

use super::{EntryBase, Posting};
use crate::exact::{Exact, apportion};
use crate::invoice::BaseAmounts;
use crate::money::Currency;
use rust_decimal::Decimal;

impl EntryBase {
    /// As the document was converted.
    pub fn of(base: &BaseAmounts) -> Self {
        Self { currency: base.currency, rate: base.rate.normalize(), rate_date: base.rate_date }
    }
}

/// A document's amounts in the base currency.
#[derive(Debug, Clone, Copy)]
pub struct InBase {
    pub net_minor: i64,
    pub vat_minor: i64,
    /// Minor units of the base currency for one of the document's.
    per_minor: Exact,
}

impl InBase {
    /// Of a booked document in this currency.
    pub fn of(base: &BaseAmounts, from: Currency) -> Self {
        Self::at(base.rate, from, base.currency, (base.net_minor, base.vat_minor))
    }

    /// Of a document of which rate, net and VAT in the base currency are known.
    pub fn at(rate: Decimal, from: Currency, to: Currency, (net_minor, vat_minor): (i64, i64)) -> Self {
        let per_major = Exact::of(rate).times(Exact::int(10_i128.pow(to.decimals())));
        Self { net_minor, vat_minor, per_minor: per_major.over(Exact::int(10_i128.pow(from.decimals()))) }
    }

    fn gross_minor(self) -> i64 {
        self.net_minor.saturating_add(self.vat_minor)
    }

    /// This much of a document of so much gross: round(gross in base × part ÷ gross). Differences of it between two sums
    /// that are settled come to the whole.
    pub fn part_minor(self, minor: i64, gross_minor: i64) -> i64 {
        if gross_minor == 0 {
            return 0;
        }
        let share = Exact::ratio(i128::from(minor), i128::from(gross_minor));
        Exact::int(i128::from(self.gross_minor())).times(share).round_half_away(0)
    }

    /// The rows of an invoice or credit note: its net over the revenue rows and its VAT over the VAT rows by largest
    /// remainder, and the sum of both on the receivable.
    pub fn convert_booking(self, postings: &mut [Posting]) {
        let [mut net, mut vat, mut receivable] = [const { Vec::new() }; 3];
        for (at, posting) in postings.iter().enumerate() {
            match (posting.line, posting.tax) {
                (Some(_), _) => net.push(at),
                (None, Some(_)) => vat.push(at),
                (None, None) => receivable.push(at),
            }
        }
        self.share(postings, &net, -self.net_minor);
        self.share(postings, &vat, -self.vat_minor);
        let others: i64 = postings.iter().filter_map(|posting| posting.base_minor).sum();
        receivable.into_iter().for_each(|at| postings[at].base_minor = Some(-others));
    }

    /// Shares a total, which is the converted sum of these rows rounded, among them.
    fn share(self, postings: &mut [Posting], places: &[usize], total: i64) {
        let minor = |at: &usize| i128::from(postings[*at].debit_minor - postings[*at].credit_minor);
        let shares: Vec<Exact> =
            places.iter().map(|at| Exact::int(minor(at)).times(self.per_minor)).collect();
        for (at, part) in places.iter().zip(apportion(total, &shares)) {
            postings[*at].base_minor = Some(part);
        }
    }

    /// A debit and a credit of one amount.
    pub fn convert_pair(self, postings: &mut [Posting], base_minor: i64) {
        for posting in postings {
            let is_debit = posting.debit_minor > 0;
            posting.base_minor = Some(if is_debit { base_minor.abs() } else { -base_minor.abs() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{catalogue, day, invoice, line};
    use super::super::{Calendar, Chart, Happening, book_entry, payment_entry, write_off_entry};
    use super::*;
    use crate::invoice::Invoice;

    fn in_euro(lines: Vec<crate::invoice::Line>, (net_minor, vat_minor): (i64, i64)) -> Invoice {
        let mut document = invoice("INV-0000001", lines);
        document.draft.currency = "EUR".parse().unwrap();
        document.base = Some(BaseAmounts {
            currency: "DKK".parse().unwrap(),
            rate: Decimal::new(74_690, 4),
            rate_date: day(1, 30),
            rate_source: "ECB".into(),
            net_minor,
            vat_minor,
        });
        document
    }

    fn base(postings: &[Posting]) -> Vec<i64> {
        postings.iter().map(|p| p.base_minor.unwrap()).collect()
    }

    #[test]
    fn every_row_has_its_amount_and_they_come_to_what_is_printed() {
        // 10.01, 10.01 and -5.00 net, 25 %: 3.755 VAT; net and VAT as the invoice prints them.
        let lines = vec![line(1, "A", 1_001, None), line(2, "B", 1_001, None), line(3, "C", -500, None)];
        let mut document = in_euro(lines, (11_218, 2_801));
        let entry = book_entry(&document, &catalogue(Chart::default()), Calendar::default()).unwrap();
        assert_eq!(base(&entry.postings).iter().sum::<i64>(), 0);
        assert_eq!(entry.postings[0].base_minor, Some(14_019));
        assert_eq!(base(&entry.postings)[2..].iter().sum::<i64>(), -11_218);
        assert_eq!(entry.base.unwrap().currency.code(), "DKK");
        document.base = None;
        let entry = book_entry(&document, &catalogue(Chart::default()), Calendar::default()).unwrap();
        assert!(entry.base.is_none() && entry.postings.iter().all(|p| p.base_minor.is_none()));
    }

    #[test]
    fn parts_that_are_paid_come_to_the_whole_whatever_they_are() {
        let document = in_euro(vec![line(1, "A", 800, None)], (5_975, 1_494));
        let book = catalogue(Chart::default());
        let gross = document.draft.gross_minor();
        for parts in [vec![gross], vec![333, 333, gross - 666], vec![1, gross - 1]] {
            let (mut settled_minor, mut paid) = (0, 0);
            for (ordinal, amount_minor) in (1..).zip(parts) {
                let happening = Happening { ordinal, on: day(2, 3), amount_minor, settled_minor };
                let entry = payment_entry(&document, &book, None, ("sandbox", happening)).unwrap();
                assert_eq!(base(&entry.postings).iter().sum::<i64>(), 0);
                (settled_minor, paid) = (settled_minor + amount_minor, paid + base(&entry.postings)[0]);
            }
            assert_eq!(paid, 5_975 + 1_494);
        }
        let happening = Happening { ordinal: 9, on: day(2, 3), amount_minor: -100, settled_minor: 100 };
        let back = write_off_entry(&document, &book, None, happening).unwrap();
        assert_eq!(base(&back.postings).iter().sum::<i64>(), 0);
        assert!(back.postings[0].credit_minor == 100 && back.postings[0].base_minor < Some(0));
    }
}

//! The check digits of payment references. They tell a mistyped digit, so that no money is put on the wrong invoice.

/// Modulus 10 with weights 2, 1 from the right and digits added up (Luhn): KID, OCR, +71.
pub(super) fn luhn(body: &str) -> Option<char> {
    let mut sum = 0;
    for (place, digit) in digits_from_the_right(body)?.enumerate() {
        let product = if place % 2 == 0 { digit * 2 } else { digit };
        sum += product / 10 + product % 10;
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// Modulus 11 with weights 2 to 7 from the right; 10 is written `-` (KID).
pub(super) fn eleven(body: &str) -> Option<char> {
    let weighted = digits_from_the_right(body)?.zip((2..=7).cycle()).map(|(digit, weight)| digit * weight);
    match 11 - weighted.sum::<u32>() % 11 {
        11 => Some('0'),
        10 => Some('-'),
        digit => char::from_digit(digit, 10),
    }
}

/// Weights 7, 3, 1 from the right, and what is missing to the next ten (Finnish reference number).
pub(super) fn seven_three_one(body: &str) -> Option<char> {
    let weighted = digits_from_the_right(body)?.zip([7, 3, 1].into_iter().cycle());
    let sum: u32 = weighted.map(|(digit, weight)| digit * weight).sum();
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// The two digits behind `RF`: ISO 7064, modulus 97-10.
pub(super) fn ninety_seven(body: &str) -> Option<String> {
    let rest = body.chars().chain("RF00".chars()).try_fold(0, |rest: u32, c| {
        let value = c.to_digit(36)?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    })?;
    Some(format!("{:02}", 98 - rest))
}

fn digits_from_the_right(body: &str) -> Option<impl Iterator<Item = u32>> {
    let digits: Option<Vec<u32>> = body.chars().rev().map(|c| c.to_digit(10)).collect();
    Some(digits?.into_iter())
}

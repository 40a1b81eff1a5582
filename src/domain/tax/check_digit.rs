//! Check digits of VAT numbers, where the country publishes its rule. They tell a mistyped digit; whether a number is
//! registered only its tax office knows.

/// Whether the check digits of a well-formed number fit; none where we know no rule.
pub(super) fn fits(prefix: &str, rest: &str) -> Option<bool> {
    let digits: Vec<u32> = rest.chars().filter_map(|c| c.to_digit(10)).collect();
    Some(match prefix {
        "AT" => austrian(&digits),
        "BE" => 97 - number(&digits[..8]) % 97 == number(&digits[8..]),
        "CH" => eleven(&digits, &[5, 4, 3, 2, 7, 6, 5, 4], Some(0), None),
        "DE" => iso_11_10(&digits),
        "HR" => iso_11_10(&digits),
        "DK" => weighted(&digits, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        "EL" => weighted(&digits, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == digits[8],
        "FI" => eleven(&digits, &[7, 9, 10, 5, 8, 4, 2], Some(0), None),
        "FR" => return french(rest),
        "HU" => weighted(&digits, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10),
        "IT" => luhn(&digits),
        "LU" => number(&digits[..6]) % 89 == number(&digits[6..]),
        "MT" => 37 - weighted(&digits, &[3, 4, 6, 7, 8, 9]) % 37 == number(&digits[6..]),
        "NO" => eleven(&digits, &[3, 2, 7, 6, 5, 4, 3, 2], Some(0), None),
        "PL" => weighted(&digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digits[9],
        "PT" => eleven(&digits, &[9, 8, 7, 6, 5, 4, 3, 2], Some(0), Some(0)),
        "SE" => luhn(&digits[..10]),
        "SI" => eleven(&digits, &[8, 7, 6, 5, 4, 3, 2], None, Some(0)),
        "SK" => digits.iter().fold(0, |rest, d| (rest * 10 + d) % 11) == 0,
        _ => return None,
    })
}

fn number(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + digit)
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The digit after the weighted ones is 11 − (sum mod 11); `eleven` and `ten` stand for those results, and where they
/// are none such a number is never given out.
fn eleven(digits: &[u32], weights: &[u32], if_eleven: Option<u32>, if_ten: Option<u32>) -> bool {
    let expected = match 11 - weighted(digits, weights) % 11 {
        11 => if_eleven,
        10 => if_ten,
        digit => Some(digit),
    };
    expected == digits.get(weights.len()).copied()
}

/// ISO 7064, mod 11,10.
fn iso_11_10(digits: &[u32]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// The last digit makes the sum a multiple of ten; every second one from the right counts twice.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

/// As Luhn's over seven digits from the left, shifted by four.
fn austrian(digits: &[u32]) -> bool {
    let sum: u32 = digits[..7]
        .iter()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    (10 - (sum + 4) % 10) % 10 == digits[7]
}

/// Two digits before the SIREN; of keys with letters we know no rule.
fn french(rest: &str) -> Option<bool> {
    let key: u64 = rest[..2].parse().ok()?;
    let siren: u64 = rest[2..].parse().ok()?;
    Some((siren * 100 + 12) % 97 == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that companies print on their papers, and the same with one digit changed.
    #[test]
    fn printed_numbers_fit_and_a_mistyped_digit_does_not() {
        for (prefix, rest) in [
            ("AT", "U37675002"),
            ("BE", "0403170701"),
            ("CH", "E116281710"),
            ("DE", "136695976"),
            ("DK", "22756214"),
            ("EL", "094014201"),
            ("FI", "01120389"),
            ("FR", "40303265045"),
            ("HU", "10773381"),
            ("IT", "00743110157"),
            ("LU", "26375245"),
            ("NO", "923609016"),
            ("PL", "7740001454"),
            ("PT", "500697256"),
            ("SE", "556703748501"),
            ("SI", "50223054"),
            ("SK", "2022749619"),
        ] {
            assert_eq!(fits(prefix, rest), Some(true), "{prefix}{rest}");
            let at = rest.find(|c: char| c.is_ascii_digit()).unwrap() + 3;
            let changed = if &rest[at..=at] == "9" {
                "0".to_owned()
            } else {
                (rest[at..=at].parse::<u32>().unwrap() + 1).to_string()
            };
            let mistyped = format!("{}{changed}{}", &rest[..at], &rest[at + 1..]);
            assert_eq!(fits(prefix, &mistyped), Some(false), "{prefix}{mistyped}");
        }
        assert_eq!(fits("GB", "123456789"), None, "two rules are in use");
    }
}

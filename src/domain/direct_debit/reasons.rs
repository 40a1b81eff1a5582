//! Why a debit was not carried out or came back: the codes of ISO 20022 (rules Y2).

use crate::payment::DeclineClass;

/// What a code means for the next try: hard where the mandate or account is the trouble, soft where there was no money,
/// technical where a file or time was. A code that says nothing known is hard: nobody is debited again on a guess.
pub fn class_of(code: &str) -> DeclineClass {
    match code {
        "AM04" | "MS03" | "AM02" => DeclineClass::Soft,
        "TM01" | "DT01" | "FF01" | "FF05" | "ED05" => DeclineClass::Technical,
        _ => DeclineClass::Hard,
    }
}

/// In words, for people.
pub fn words_of(code: &str) -> &'static str {
    match code {
        "AC01" => "the account number is wrong",
        "AC04" => "the account is closed",
        "AC06" => "the account is blocked",
        "AC13" => "the account is a consumer's",
        "AG01" => "direct debits are not allowed on the account",
        "AM04" => "there was not enough money",
        "AM05" => "it was sent twice",
        "BE05" => "the creditor is not known",
        "MD01" => "there is no valid mandate",
        "MD02" => "the mandate is not whole",
        "MD06" => "the payer wants the money back",
        "MD07" => "the payer has died",
        "MS02" => "the payer has refused it",
        "MS03" => "no reason was given",
        "RC01" => "the bank's number is wrong",
        "SL01" => "the payer's bank allows it for others only",
        _ => "the bank gives this code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_class_and_what_is_not_known_is_not_tried_again() {
        let of = |codes: [&str; 3], class| assert_eq!(codes.map(class_of), [class; 3]);
        of(["AM04", "MS03", "AM02"], DeclineClass::Soft);
        of(["AC01", "MD06", "XX99"], DeclineClass::Hard);
        of(["TM01", "DT01", "ED05"], DeclineClass::Technical);
    }
}

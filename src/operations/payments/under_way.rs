//! What is said of a payment that has no answer yet, and who knows the answer: the provider, who is asked, or the bank,
//! which answers a direct debit with a file.

use domain::direct_debit::SEPA;
use domain::payment::Attempt;
use domain::refusal::{Code, Command, Refusal, Verb};

/// Nothing is done about an invoice while this is not known.
pub fn refusal(invoice: &str, attempt: &Attempt) -> Refusal {
    let (message, hint) = if attempt.gateway == SEPA {
        let message = format!("a direct debit of {invoice} is under way: the bank answers with a file");
        (message, "read what the bank has sent with ")
    } else {
        (format!("a payment of {invoice} is under way and has no answer yet"), "ask for the answer with ")
    };
    Refusal::new(Code::PaymentUnderWay, message).hint(hint).ask(ask_for(attempt))
}

/// How its answer is found out.
pub fn ask_for(attempt: &Attempt) -> Command {
    if attempt.gateway == SEPA { Verb::ImportPayments.on("FILE") } else { Verb::RetryPayments.plain() }
}

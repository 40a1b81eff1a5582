//! Refusals of operations in the numbers of the API (the table of docs/api.md).

use crate::problem::{BUSY, Code, Fault, Problem};
use crate::wording::words;
use domain::refusal::{Code as Word, Kind, Refusal};
use operations::Stop;

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Broke(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let word = match refusal.code {
            Word::FaultyBook | Word::FaultyInvoice => crate::problem::INVALID.word,
            Word::Exists => crate::problem::DUPLICATE.word,
            Word::NameChanges => crate::problem::IMMUTABLE.word,
            Word::RunStands => "run_under_way",
            code => code.word(),
        };
        let (status, number) = numbers(refusal.code);
        let mut problem = Problem::new(Code { status, number, word }, refusal.message);
        problem.faults = refusal
            .faults
            .into_iter()
            .map(|fault| Fault {
                pointer: fault.pointer,
                code: word,
                message: fault.message,
                hint: fault.way_out.as_ref().map(words),
            })
            .collect();
        if let Some(hint) = refusal.way_out.as_ref().map(words) {
            problem = problem.or(hint);
        }
        if status == BUSY.status { problem.retry_after(5) } else { problem }
    }
}

/// Status and ErrorCode.
fn numbers(code: Word) -> (u16, u32) {
    match code {
        Word::UnknownCustomer => (404, 45301),
        Word::UnknownPlan => (404, 45302),
        Word::UnknownSubscription => (404, 45303),
        Word::UnknownCharge => (404, 45304),
        Word::UnknownInvoice | Word::NoDraft => (404, 45305),
        Word::UnknownMethod => (404, 45307),
        Word::UnknownCode => (404, 45309),
        Word::UnknownBusinessUnit => (404, 45312),
        Word::UnknownRun => (404, 45318),
        Word::UnknownWebhook => (404, 45317),
        Word::UnknownMetering => (404, 45319),
        Word::Forged => (401, 40102),
        Word::NoAccess => (403, 40301),
        Word::NotEntitled => (403, 40302),
        Word::OverQuota => (429, 42901),
        Word::BadUrl => (400, 40007),
        Word::RefundRefused => (402, 40201),
        Word::Exists => (422, 42200),
        Word::ChangedSinceDraft | Word::RunInProgress | Word::RunStands => (409, 40906),
        Word::InUse => (409, 40903),
        Word::NameChanges => (409, 40904),
        Word::UnknownObject => (404, 40400),
        Word::Empty
        | Word::CreditNote
        | Word::Conflict
        | Word::WrongState
        | Word::Booked
        | Word::NotBooked
        | Word::NotOpen => (409, 40900),
        Word::PaymentUnderWay | Word::EmptyBook => (409, 40908),
        other => match other.kind() {
            Kind::Malformed | Kind::Unknown => (400, 40001),
            Kind::Conflict => (409, 40908),
            Kind::Busy | Kind::Unavailable => (503, 50300),
        },
    }
}

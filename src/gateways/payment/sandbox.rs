//! The sandbox: a provider for demos, tests and first runs. What it answers is decided by
//! [`domain::payment::sandbox_answer`]; what it has done it remembers across processes.

use super::records::{Charge, Outcome, Record, RecordFile, RecordFileError, Refund};
use super::{
    ChargeAnswer, ChargeRequest, GatewayError, LookedUp, PaymentGateway, RefundAnswer, RefundRequest,
};
use crate::{Answer, Doors};
use domain::ids::AttemptId;
use domain::payment::{SandboxAnswer, sandbox_answer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "sandbox";
/// Marks the provider's name for a charge.
const REFERENCE: &str = "sbx_";

/// The sandbox provider on a file of records.
pub struct Sandbox {
    file: Arc<Mutex<RecordFile>>,
    doors: Doors,
}

impl Sandbox {
    /// On this file, which is made when the first charge comes.
    pub fn new(file: impl Into<PathBuf>, doors: Doors) -> Self {
        Self { file: Arc::new(Mutex::new(RecordFile::new(file.into()))), doors }
    }

    /// Everything the sandbox of this file has done, in order.
    pub fn records(file: &Path) -> Result<Vec<Record>, RecordFileError> {
        RecordFile::read(file)
    }

    /// Runs a turn at the file off the async threads, between the doors.
    async fn turn<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut RecordFile, &mut Vec<Record>) -> T + Send + 'static,
    ) -> Result<T, GatewayError> {
        let (file, doors) = (Arc::clone(&self.file), self.doors);
        let turn = tokio::task::spawn_blocking(move || {
            doors.pass("gateway.call.before");
            let outcome = file.lock().unwrap_or_else(PoisonError::into_inner).turn(decide);
            doors.pass("gateway.call.after");
            outcome
        });
        match turn.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(unknown(&e)),
            Err(e) => Err(unknown(&e)),
        }
    }
}

impl PaymentGateway for Sandbox {
    fn name(&self) -> &str {
        NAME
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> Answer<'a, Result<ChargeAnswer, GatewayError>> {
        Box::pin(async move {
            let request = request.clone();
            self.turn(move |file, records| charge(file, records, &request)).await?
        })
    }

    /// All charges are made durable together: 500 cost hardly more than one.
    fn charge_all<'a>(
        &'a self,
        requests: &'a [ChargeRequest],
    ) -> Answer<'a, Vec<Result<ChargeAnswer, GatewayError>>> {
        Box::pin(async move {
            let wanted = requests.to_vec();
            let all = self.turn(move |file, records| {
                wanted.iter().map(|request| charge(file, records, request)).collect::<Vec<_>>()
            });
            all.await.unwrap_or_else(|e| requests.iter().map(|_| Err(e.clone())).collect())
        })
    }

    fn look_up(&self, attempt: AttemptId) -> Answer<'_, Result<LookedUp, GatewayError>> {
        Box::pin(async move {
            self.turn(move |file, _| match file.charge(attempt) {
                None => LookedUp::NeverSeen,
                Some(charge) => LookedUp::Decided {
                    answer: answer(charge),
                    amount_minor: charge.amount_minor,
                    currency: charge.currency,
                },
            })
            .await
        })
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Result<RefundAnswer, GatewayError>> {
        Box::pin(async move {
            let request = request.clone();
            self.turn(move |file, records| refund(file, records, &request)).await?
        })
    }
}

fn charge(
    file: &mut RecordFile,
    records: &mut Vec<Record>,
    request: &ChargeRequest,
) -> Result<ChargeAnswer, GatewayError> {
    if request.amount_minor <= 0 {
        return Err(refused(format!("amount {} is not above 0", request.amount_minor)));
    }
    if let Some(known) = file.charge(request.attempt) {
        let is_same = known.token == request.token
            && known.invoice == request.invoice
            && (known.amount_minor, known.currency) == (request.amount_minor, request.currency);
        return if is_same { Ok(answer(known)) } else { Err(refused(key_reused(&request.attempt))) };
    }
    let prior = file.soft_declines(&request.token, request.invoice);
    let decision = sandbox_answer(&request.token, request.amount_minor, prior);
    let is_lost = matches!(decision, SandboxAnswer::PaidAnswerLost { .. });
    let outcome = match decision {
        SandboxAnswer::Paid { fee_minor } | SandboxAnswer::PaidAnswerLost { fee_minor } => {
            Outcome::Paid { fee_minor }
        }
        SandboxAnswer::Declined(decline) => Outcome::Declined(decline),
    };
    let charge = Charge {
        key: request.attempt,
        invoice: request.invoice,
        token: request.token.clone(),
        amount_minor: request.amount_minor,
        currency: request.currency,
        outcome,
    };
    let answer = answer(&charge);
    let record = Record::Charge(charge);
    file.learn(&record);
    records.push(record);
    if is_lost { Err(unknown(&"no answer in time")) } else { Ok(answer) }
}

fn refund(
    file: &mut RecordFile,
    records: &mut Vec<Record>,
    request: &RefundRequest,
) -> Result<RefundAnswer, GatewayError> {
    if request.amount_minor <= 0 {
        return Err(refused(format!("amount {} is not above 0", request.amount_minor)));
    }
    let reference = request.reference.strip_prefix(REFERENCE).and_then(|id| id.parse().ok()).map(AttemptId);
    let declined = |code: &str| Ok(RefundAnswer::Declined { code: code.to_owned() });
    let refunded = || RefundAnswer::Refunded { reference: format!("{REFERENCE}re_{}", request.id) };
    let Some(charge) = reference.and_then(|key| file.charge(key)) else {
        return declined("unknown_charge");
    };
    if let Some(known) = file.refund(request.id) {
        let is_same = known.charge == charge.key && known.amount_minor == request.amount_minor;
        return if is_same { Ok(refunded()) } else { Err(refused(key_reused(&request.id))) };
    }
    if !matches!(charge.outcome, Outcome::Paid { .. }) || charge.currency != request.currency {
        return declined("not_refundable");
    }
    if request.amount_minor > charge.amount_minor - file.refunded_minor(charge.key) {
        return declined("exceeds_charge");
    }
    let record =
        Record::Refund(Refund { key: request.id, charge: charge.key, amount_minor: request.amount_minor });
    file.learn(&record);
    records.push(record);
    Ok(refunded())
}

fn answer(charge: &Charge) -> ChargeAnswer {
    match &charge.outcome {
        Outcome::Paid { fee_minor } => {
            ChargeAnswer::Paid { reference: format!("{REFERENCE}{}", charge.key), fee_minor: *fee_minor }
        }
        Outcome::Declined(decline) => ChargeAnswer::Declined(decline.clone()),
    }
}

fn key_reused(key: &impl std::fmt::Display) -> String {
    format!("key {key} was used for another request")
}

fn unknown(why: &impl std::fmt::Display) -> GatewayError {
    GatewayError::Unknown { gateway: NAME.to_owned(), why: why.to_string() }
}

fn refused(why: String) -> GatewayError {
    GatewayError::Refused { gateway: NAME.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Uuid;
    use domain::ids::InvoiceId;
    use domain::payment::DeclineClass;
    use std::io::Write;

    struct Home {
        _folder: tempfile::TempDir,
        file: PathBuf,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("home/sandbox-payments.ndjson");
            Self { _folder: folder, file }
        }

        /// A new process, as far as the sandbox can tell.
        fn sandbox(&self) -> Sandbox {
            Sandbox::new(&self.file, Doors::OPEN)
        }

        fn paid(&self) -> usize {
            let is_paid =
                |r: &Record| matches!(r, Record::Charge(Charge { outcome: Outcome::Paid { .. }, .. }));
            Sandbox::records(&self.file).unwrap().iter().filter(|r| is_paid(r)).count()
        }
    }

    fn request(attempt: &str, token: &str) -> ChargeRequest {
        ChargeRequest {
            attempt: AttemptId::of(attempt),
            invoice: InvoiceId::of("INV-1"),
            token: token.to_owned(),
            amount_minor: 67_138,
            currency: "DKK".parse().unwrap(),
        }
    }

    fn class(answer: Result<ChargeAnswer, GatewayError>) -> Option<DeclineClass> {
        match answer.unwrap() {
            ChargeAnswer::Paid { .. } => None,
            ChargeAnswer::Declined(decline) => Some(decline.class),
        }
    }

    #[tokio::test]
    async fn the_same_key_never_charges_twice_in_any_process() {
        let home = Home::new();
        let first = home.sandbox().charge(&request("a", "tok_ok")).await.unwrap();
        let sandbox = home.sandbox();
        for _ in 0..3 {
            assert_eq!(sandbox.charge(&request("a", "tok_ok")).await.unwrap(), first);
        }
        assert_eq!(home.paid(), 1);
        sandbox.charge(&request("b", "tok_ok")).await.unwrap();
        assert_eq!(home.paid(), 2);
    }

    #[tokio::test]
    async fn a_lost_answer_is_heard_when_asked_again() {
        let home = Home::new();
        let lost = home.sandbox().charge(&request("a", "tok_timeout_once")).await;
        assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "{lost:?}");
        assert_eq!(home.paid(), 1, "it was charged all the same");
        let again = home.sandbox().charge(&request("a", "tok_timeout_once")).await.unwrap();
        assert!(matches!(again, ChargeAnswer::Paid { .. }));
        assert_eq!(home.paid(), 1);
    }

    #[tokio::test]
    async fn two_soft_declines_then_paid_counted_per_invoice_across_processes() {
        let home = Home::new();
        assert_eq!(
            class(home.sandbox().charge(&request("1", "tok_ok_after_2")).await),
            Some(DeclineClass::Soft)
        );
        assert_eq!(
            class(home.sandbox().charge(&request("2", "tok_ok_after_2")).await),
            Some(DeclineClass::Soft)
        );
        let mut other = request("x", "tok_ok_after_2");
        other.invoice = InvoiceId::of("INV-2");
        assert_eq!(class(home.sandbox().charge(&other).await), Some(DeclineClass::Soft));
        assert_eq!(class(home.sandbox().charge(&request("3", "tok_ok_after_2")).await), None);
        assert_eq!(
            class(home.sandbox().charge(&request("1", "tok_ok_after_2")).await),
            Some(DeclineClass::Soft)
        );
    }

    #[tokio::test]
    async fn a_slice_is_charged_together_and_answers_keep_their_order() {
        let home = Home::new();
        let tokens = ["tok_ok", "tok_soft_decline", "tok_expired", "tok_timeout_once", "tok_ok"];
        let mut requests: Vec<_> =
            tokens.iter().enumerate().map(|(n, token)| request(&n.to_string(), token)).collect();
        requests[4].attempt = requests[0].attempt;
        let mut zero = request("zero", "tok_ok");
        zero.amount_minor = 0;
        requests.push(zero);
        let answers = home.sandbox().charge_all(&requests).await;
        assert_eq!(answers[0], answers[4], "one key twice in a batch is one charge");
        assert_eq!(class(answers[1].clone()), Some(DeclineClass::Soft));
        assert_eq!(class(answers[2].clone()), Some(DeclineClass::Hard));
        assert!(matches!(answers[3], Err(GatewayError::Unknown { .. })));
        assert!(matches!(answers[5], Err(GatewayError::Refused { .. })));
        assert_eq!(home.paid(), 2);
    }

    #[tokio::test]
    async fn a_key_is_not_lent_to_another_request() {
        let home = Home::new();
        home.sandbox().charge(&request("a", "tok_ok")).await.unwrap();
        let mut dearer = request("a", "tok_ok");
        dearer.amount_minor += 1;
        assert!(matches!(home.sandbox().charge(&dearer).await, Err(GatewayError::Refused { .. })));
    }

    #[tokio::test]
    async fn refunds_are_bounded_by_the_charge_and_made_once() {
        let home = Home::new();
        let sandbox = home.sandbox();
        let Ok(ChargeAnswer::Paid { reference, .. }) = sandbox.charge(&request("a", "tok_ok")).await else {
            panic!("not paid")
        };
        let refund = |id: u128, amount_minor| RefundRequest {
            id: Uuid::from_u128(id),
            reference: reference.clone(),
            amount_minor,
            currency: "DKK".parse().unwrap(),
        };
        let declined = |code: &str| Ok(RefundAnswer::Declined { code: code.to_owned() });
        let first = sandbox.refund(&refund(1, 60_000)).await;
        assert!(matches!(first, Ok(RefundAnswer::Refunded { .. })));
        assert_eq!(home.sandbox().refund(&refund(1, 60_000)).await, first, "asked again: the same refund");
        assert_eq!(home.sandbox().refund(&refund(2, 7_139)).await, declined("exceeds_charge"));
        assert!(matches!(home.sandbox().refund(&refund(3, 7_138)).await, Ok(RefundAnswer::Refunded { .. })));
        let unknown = RefundRequest { reference: "sbx_nothing".to_owned(), ..refund(4, 1) };
        assert_eq!(sandbox.refund(&unknown).await, declined("unknown_charge"));
    }

    #[tokio::test]
    async fn half_a_line_is_cut_off_and_a_foreign_line_stops_everything() {
        let home = Home::new();
        home.sandbox().charge(&request("a", "tok_ok")).await.unwrap();
        let append = |text: &[u8]| {
            let mut file = std::fs::OpenOptions::new().append(true).open(&home.file).unwrap();
            file.write_all(text).unwrap();
        };
        append(b"{\"kind\":\"charge\",\"key\":\"00");
        home.sandbox().charge(&request("b", "tok_ok")).await.unwrap();
        assert_eq!(home.paid(), 2);
        append(b"not ours\n");
        let broken = home.sandbox().charge(&request("c", "tok_ok")).await.unwrap_err().to_string();
        assert!(broken.contains("line 3 is broken"), "{broken}");
    }

    #[tokio::test]
    async fn a_home_made_anew_is_noticed() {
        let home = Home::new();
        let sandbox = home.sandbox();
        sandbox.charge(&request("a", "tok_ok")).await.unwrap();
        std::fs::remove_file(&home.file).unwrap();
        sandbox.charge(&request("a", "tok_ok")).await.unwrap();
        assert_eq!(home.paid(), 1);
    }

    #[tokio::test]
    async fn many_processes_share_one_file() {
        let home = Home::new();
        let mut running = tokio::task::JoinSet::new();
        for process in 0..8 {
            let sandbox = home.sandbox();
            running.spawn(async move {
                for n in 0..10 {
                    sandbox.charge(&request(&format!("{}", (n + process) % 10), "tok_ok")).await.unwrap();
                }
            });
        }
        running.join_all().await;
        assert_eq!(home.paid(), 10);
    }

    #[test]
    fn a_token_is_never_shown() {
        assert!(!format!("{:?}", request("a", "tok_ok")).contains("tok_ok"));
    }
}

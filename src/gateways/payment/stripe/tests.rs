//! The client against a server that fails as Stripe may: no time (429), a failure that is kept under its key (500), an answer
//! that is lost after the charge was made, answers in another order, and nonsense.

use super::*;
use domain::Uuid;
use domain::ids::InvoiceId;
use domain::payment::DeclineClass;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const SHORT: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(5)];

/// What the server remembers.
#[derive(Default)]
struct Books {
    /// First answers by key.
    answers: BTreeMap<String, (u16, Value)>,
    /// Parameters by key.
    asked: BTreeMap<String, String>,
    /// Intents that took money.
    intents: Vec<Value>,
    refunds: u32,
    requests: u32,
}

struct Server {
    port: u16,
    books: Arc<Mutex<Books>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let books: Arc<Mutex<Books>> = Arc::default();
        let shared = Arc::clone(&books);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { port, books }
    }

    fn stripe(&self) -> Stripe {
        let url = format!("http://127.0.0.1:{}", self.port);
        let stripe = Stripe::new(&url, "sk_test_secret".to_owned(), Doors::OPEN).unwrap();
        Stripe { pauses: &SHORT, ..stripe }
    }

    fn charged(&self) -> usize {
        self.books.lock().unwrap().intents.len()
    }
}

/// Answers one request; what it does is decided by the payment method.
async fn serve(stream: TcpStream, books: Arc<Mutex<Books>>) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let form: BTreeMap<String, String> =
        Url::parse(&format!("http://x/?{}", String::from_utf8(body).unwrap()))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
    let method = form.get("payment_method").cloned().unwrap_or_default();
    let (status, answer) = answer(&head, &form, &books);
    match method.as_str() {
        "pm_lost" => return,
        "pm_nonsense" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>").await;
            return;
        }
        "pm_slow" => tokio::time::sleep(Duration::from_millis(60)).await,
        _ => {}
    }
    let text = answer.to_string();
    let answer = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn answer(head: &str, form: &BTreeMap<String, String>, books: &Mutex<Books>) -> (u16, Value) {
    let mut books = books.lock().unwrap();
    books.requests += 1;
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_owned())
    };
    if header("authorization").as_deref() != Some("Bearer sk_test_secret") {
        return (401, json!({"error": {"message": "Invalid API Key provided: sk_test_***9999"}}));
    }
    let first = head.lines().next().unwrap();
    if first.starts_with("GET /v1/payment_intents/search") {
        let url = Url::parse(&format!("http://x{}", first.split(' ').nth(1).unwrap())).unwrap();
        let query = url.query_pairs().find(|(name, _)| name == "query").unwrap().1.into_owned();
        let found: Vec<Value> = books
            .intents
            .iter()
            .filter(|i| query.contains(i["metadata"][ATTEMPT].as_str().unwrap()))
            .cloned()
            .collect();
        return (200, json!({"object": "search_result", "data": found}));
    }
    if first.starts_with("GET /v1/payment_intents") {
        return (200, json!({"object": "list", "data": []}));
    }
    let key = header("idempotency-key").unwrap();
    let asked = format!("{form:?}");
    if let Some(before) = books.asked.get(&key) {
        if *before != asked {
            return (400, json!({"error": {"type": "idempotency_error", "message": "other parameters"}}));
        }
        if let Some(first) = books.answers.get(&key) {
            return first.clone();
        }
    }
    let method = form.get("payment_method").map(String::as_str).unwrap_or_default();
    if method == "pm_busy" && books.requests < 3 {
        return (429, json!({"error": {"code": "rate_limit"}}));
    }
    books.asked.insert(key.clone(), asked);
    let decided = if first.starts_with("POST /v1/refunds") {
        books.refunds += 1;
        (200, json!({"id": format!("re_{}", books.refunds), "status": "succeeded"}))
    } else {
        match method {
            "pm_500" => (500, json!({"error": {"message": "we failed"}})),
            "pm_insufficient" => {
                (402, json!({"error": {"code": "card_declined", "decline_code": "insufficient_funds"}}))
            }
            _ => {
                let intent = json!({
                    "id": format!("pi_{}", books.intents.len() + 1), "status": "succeeded",
                    "amount": form["amount"].parse::<i64>().unwrap(), "currency": form["currency"],
                    "metadata": {ATTEMPT: form["metadata[tallybook_attempt]"]},
                    "latest_charge": {"balance_transaction": {"fee": 700, "currency": "dkk"}}});
                books.intents.push(intent.clone());
                (200, intent)
            }
        }
    };
    books.answers.insert(key, decided.clone());
    decided
}

fn request(attempt: &str, method: &str) -> ChargeRequest {
    ChargeRequest {
        attempt: AttemptId::of(attempt),
        invoice: InvoiceId::of("INV-1"),
        token: format!("cus_1/{method}"),
        amount_minor: 24_875,
        currency: "DKK".parse().unwrap(),
    }
}

fn reference(answer: Result<ChargeAnswer, GatewayError>) -> String {
    match answer {
        Ok(ChargeAnswer::Paid { reference, fee_minor: 700 }) => reference,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_attempt_is_charged_once_however_often_it_is_asked() {
    let server = Server::start().await;
    let stripe = server.stripe();
    let first = reference(stripe.charge(&request("a", "pm_ok")).await);
    assert_eq!(reference(stripe.charge(&request("a", "pm_ok")).await), first);
    assert_eq!(server.charged(), 1);
    let other = stripe.charge(&ChargeRequest { amount_minor: 1, ..request("a", "pm_ok") }).await;
    assert!(matches!(other, Err(GatewayError::Refused { .. })), "a key is not lent: {other:?}");
    let Ok(ChargeAnswer::Declined(decline)) = stripe.charge(&request("b", "pm_insufficient")).await else {
        panic!("not declined")
    };
    assert_eq!((decline.class, decline.code.as_str()), (DeclineClass::Soft, "insufficient_funds"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_up_and_never_charged_again() {
    let server = Server::start().await;
    let stripe = server.stripe();
    let unseen = stripe.look_up(AttemptId::of("a")).await;
    assert_eq!(unseen, Ok(LookedUp::NeverSeen));
    let lost = stripe.charge(&request("a", "pm_lost")).await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "{lost:?}");
    assert_eq!(server.charged(), 1, "it was charged all the same");
    let Ok(LookedUp::Decided { answer, amount_minor, currency }) = stripe.look_up(AttemptId::of("a")).await
    else {
        panic!("it was charged")
    };
    assert_eq!((reference(Ok(answer)), amount_minor, currency.code()), ("pi_1".to_owned(), 24_875, "DKK"));
    assert_eq!(server.charged(), 1);
}

#[tokio::test]
async fn no_time_is_waited_for_and_a_kept_failure_stays_unknown() {
    let server = Server::start().await;
    let stripe = server.stripe();
    assert_eq!(reference(stripe.charge(&request("a", "pm_busy")).await), "pi_1");
    assert_eq!(server.books.lock().unwrap().requests, 3);
    for _ in 0..2 {
        let failed = stripe.charge(&request("b", "pm_500")).await;
        assert!(matches!(failed, Err(GatewayError::Unknown { .. })), "{failed:?}");
    }
    let nonsense = stripe.charge(&request("c", "pm_nonsense")).await;
    assert!(matches!(nonsense, Err(GatewayError::Unknown { .. })), "{nonsense:?}");
    assert_eq!(server.charged(), 2, "it was charged, and said so in no words of ours");
}

#[tokio::test]
async fn answers_that_come_in_another_order_go_to_their_requests() {
    let server = Server::start().await;
    let methods = ["pm_slow", "pm_ok", "pm_insufficient", "pm_slow", "pm_lost", "pm_ok"];
    let requests: Vec<_> = methods.iter().enumerate().map(|(n, m)| request(&n.to_string(), m)).collect();
    let answers = server.stripe().charge_all(&requests).await;
    let intents = server.books.lock().unwrap().intents.clone();
    for (request, answer) in requests.iter().zip(answers) {
        match (request.token.as_str(), answer) {
            ("cus_1/pm_insufficient", Ok(ChargeAnswer::Declined(_)))
            | ("cus_1/pm_lost", Err(GatewayError::Unknown { .. })) => {}
            (_, answer) => {
                let reference = reference(answer);
                let own = intents.iter().find(|intent| intent["id"] == reference.as_str()).unwrap();
                assert_eq!(own["metadata"][ATTEMPT], request.attempt.to_string());
            }
        }
    }
    assert_eq!(server.charged(), 5);
}

#[tokio::test]
async fn a_refund_is_made_once_and_a_wrong_key_is_told_without_it() {
    let server = Server::start().await;
    let stripe = server.stripe();
    let refund = RefundRequest {
        id: Uuid::from_u128(7),
        reference: "pi_1".to_owned(),
        amount_minor: 1_000,
        currency: "DKK".parse().unwrap(),
    };
    let first = stripe.refund(&refund).await;
    assert_eq!(first, Ok(RefundAnswer::Refunded { reference: "re_1".to_owned() }));
    assert_eq!(stripe.refund(&refund).await, first);
    assert_eq!(server.books.lock().unwrap().refunds, 1);
    assert_eq!(stripe.check().await, Ok(()));
    let wrong = Stripe { key: "sk_test_wrong".to_owned(), ..server.stripe() };
    let why = wrong.check().await.unwrap_err();
    assert!(why.contains("401") && !why.contains("wrong") && !why.contains("9999"), "{why}");
    let away = Stripe::new("http://127.0.0.1:1", "sk_test_secret".to_owned(), Doors::OPEN).unwrap();
    let why = away.check().await.unwrap_err();
    assert!(why.contains("refused") && !why.contains("sk_test"), "{why}");
    for url in ["http://api.stripe.com", "ftp://localhost", "nowhere"] {
        assert!(Stripe::new(url, String::new(), Doors::OPEN).is_err(), "{url}");
    }
}

#[test]
fn amounts_are_counted_as_stripe_counts_them() {
    for (minor, code, expected) in [
        (24_875, "DKK", Some("24875")),
        (500, "JPY", Some("500")),
        (500, "ISK", Some("50000")),
        (1_230, "KWD", Some("1230")),
        (1_234, "KWD", None),
    ] {
        let currency: Currency = code.parse().unwrap();
        assert_eq!(stripe_amount(minor, currency).ok().as_deref(), expected, "{code}");
        if let Some(amount) = expected {
            assert_eq!(minor_of(amount.parse().unwrap(), currency), minor);
        }
    }
}

//! Stripe's own events, posted to the server: believed by their signature alone.

use crate::support::books::both;
use crate::support::http::Server;
use crate::support::{book, counterpart};
use serde_json::json;

/// Signs as Stripe does, with a library of others.
const SIGN: &str = "
import hashlib, hmac, sys
secret, time, body = sys.argv[1:]
print(hmac.new(secret.encode(), f'{time}.{body}'.encode(), hashlib.sha256).hexdigest(), end='')
";

#[test]
fn an_event_is_taken_once_if_it_is_signed_and_refused_if_it_is_not() {
    for books in both() {
        let file = books.file("book.json", book(1).to_string());
        books.run(&["load", &file]).exits(0);
        let mut command = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
        command
            .env("TALLYBOOK_STRIPE_SECRET_KEY", "sk_test_x")
            .env("TALLYBOOK_STRIPE_WEBHOOK_SECRET", "whsec_x");
        let server = Server::started(command);
        let body = json!({"id": "evt_1", "type": "payment_intent.succeeded",
                          "data": {"object": {"metadata": {"tallybook_attempt": "00000000-0000-4000-8000-000000000000"}}}});
        let time = chrono::Utc::now().timestamp().to_string();
        let signature = counterpart("python3", &["-c", SIGN, "whsec_x", &time, &body.to_string()]);
        let with = |signature: &str| {
            server.anybody().header("Stripe-Signature", &format!("t={time},v1={signature}"))
        };
        server.anybody().post("/stripe/events", &body).refused(400, "invalid");
        with(&format!("00{signature}")).post("/stripe/events", &body).refused(401, "forged");
        let mut other = body.clone();
        other["id"] = json!("evt_2");
        with(&signature).post("/stripe/events", &other).refused(401, "forged");
        let became = || with(&signature).post("/stripe/events", &body).is(200).json()["became"].clone();
        assert_eq!((became(), became()), (json!("nothing"), json!("known")));
        let plain = Server::start(&books, &["--no-work"]);
        plain.anybody().header("Stripe-Signature", "t=1,v1=00").post("/stripe/events", &body).is(400);
    }
}

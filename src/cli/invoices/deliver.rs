//! The verbs by which an invoice reaches its buyer: send, markdelivered.

use super::find_booked;
use super::operate::day_or_today;
use crate::app::App;
use crate::cli::operator;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use domain::NaiveDate;
use operations::delivery::deliver::Sent;
use operations::delivery::send::HandedOver;

/// Mails an invoice.
pub async fn send(app: &App, name: &str, to: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "sent").await?;
    let sent = operations::delivery::send::send_now(&app.ctx, booked.invoice.draft.id, to).await?;
    if sent == Sent::default() {
        return Err(Failure::input("nothing_to_send", format!("everybody who is to get {name} has got it"))
            .hint(format!("send it again with `tallybook invoices send {name} --to ADDRESS`")));
    }
    if output.is_json() {
        let counts = sent.counts();
        let reasons: Vec<&String> = sent.reasons().collect();
        output.document(&serde_json::json!({
            "invoice": name, "sent": counts.sent, "failed": counts.set_aside(), "waiting": counts.waiting, "reasons": reasons,
        }));
    } else if sent.sent > 0 {
        output.line(&format!("{name} is sent to {} address(es)", sent.sent));
    }
    if !sent.nobody.is_empty() {
        output.say(&format!("hint: name an address with `tallybook invoices send {name} --to ADDRESS`"));
    }
    Ok(sent_exit(&sent, output))
}

/// What was refused or has nobody to go to is for a person; a relay that is down is not.
pub fn sent_exit(sent: &Sent, output: &Output) -> Exit {
    sent.reasons().for_each(|reason| output.say(reason));
    match (sent.refused.is_empty() && sent.nobody.is_empty(), sent.waiting.is_empty()) {
        (false, _) => Exit::SetAside,
        (true, false) => {
            output.say("hint: `tallybook mails send` sends all that wait");
            Exit::Fault
        }
        (true, true) => Exit::Done,
    }
}

/// It was handed over otherwise.
pub async fn mark_delivered(
    app: &App,
    name: &str,
    on: Option<NaiveDate>,
    note: Option<String>,
    output: &Output,
) -> Result<Exit, Failure> {
    let booked = find_booked(app, name, "delivered").await?;
    let on = day_or_today(app, on).await?;
    let by = HandedOver { on, note, actor: operator() };
    let is_news = operations::delivery::send::mark_delivered(&app.ctx, booked.invoice.draft.id, &by).await?;
    if output.is_json() {
        output.document(
            &serde_json::json!({"invoice": name, "delivered": on, "note": by.note, "changed": is_news}),
        );
    } else if is_news {
        output.line(&format!("{name} is delivered, {on}"));
    } else {
        output.line(&format!("{name} was marked as delivered before"));
    }
    Ok(Exit::Done)
}

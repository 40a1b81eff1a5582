//! The verbs by which an invoice reaches its buyer: send, markdelivered.

use crate::app::App;
use crate::cli::act;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use domain::NaiveDate;
use operations::delivery::deliver::Sent;
use operations::invoices::{mark_delivered, send};

/// Mails an invoice.
pub async fn send(app: &App, name: &str, to: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let sent = send::send(&app.ctx, name, to).await?;
    if output.is_json() {
        output.document(&sent);
    } else if sent.sent > 0 {
        output.line(&format!("{name} is sent to {} address(es)", sent.sent));
    }
    if !sent.mails.nobody.is_empty() {
        output.say(&format!("hint: name an address with `tallybook invoices send {name} --to ADDRESS`"));
    }
    Ok(sent_exit(&sent.mails, output))
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
    let act = act(app, on).await?;
    let delivered = mark_delivered::mark_delivered(&app.ctx, &act, name, note).await?;
    if output.is_json() {
        output.document(&delivered);
    } else if delivered.changed {
        output.line(&format!("{name} is delivered, {}", delivered.delivered));
    } else {
        output.line(&format!("{name} was marked as delivered before"));
    }
    Ok(Exit::Done)
}

//! What is done to invoices (routes 64 to 72, T10, T11): each handler calls one operation and answers the invoice as it
//! stands.

use super::day::{amount, object};
use super::listed;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, field};
use crate::problem::{BUSY, DECLINED, INVOICE_NOT_FOUND, NOT_CALLED, Problem};
use crate::route::{Again, Route};
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::einvoice::Format;
use domain::query::Kind;
use http::{Method, StatusCode};
use operations::invoices::cancel::{self, ReleasedPeriods};
use operations::invoices::mark_paid::{self, Paid, Pending};
use operations::invoices::refund::{self, Refund, RefundBy};
use operations::invoices::{book, document, recharge, send, void};
use operations::lists::Noun;
use operations::payments::tried::TriedOutcome;

const NOUN: Noun = Noun::Invoice;

const BOOK: Doc =
    Doc::new("Book a draft: number, document, mail and first payment follow", Gives::Object(NOUN))
        .takes(&[field("BookedOn", Kind::Day, "today unless given")]);
const CANCEL: Doc =
    Doc::new("Drop a draft, or credit a booked invoice on which nothing was paid", Gives::Object(NOUN))
        .takes(&[field("Release", Kind::Flag, "the periods of a draft are due again")]);
const MARK_PAID: Doc = Doc::new("Note a payment made outside", Gives::Object(NOUN)).takes(&[
    field("PaymentDate", Kind::Day, "today unless given"),
    field("Amount", Kind::Exact, "all that is open unless given"),
]);
const RECHARGE: Doc = Doc::new("Charge what is open now", Gives::Object(NOUN));
const REFUND: Doc =
    Doc::new("Pay back what is owed on a credit note or an overpaid invoice", Gives::Object(NOUN)).takes(&[
        field("Amount", Kind::Exact, "all that is owed unless given"),
        field("Manual", Kind::Flag, "by bank transfer, not through the provider"),
    ]);
const SEND: Doc = Doc::new("Mail an invoice", Gives::Object(NOUN)).takes(&[field(
    "Email",
    Kind::Text,
    "to this address alone",
)]);
const DELETE: Doc = Doc::new("Drop a draft", Gives::Nothing).success(204);
const PDF: Doc = Doc::new("The PDF; a draft's is marked as one", Gives::Media("application/pdf"));
const XML: Doc = Doc::new("The invoice as UBL 2.1", Gives::Media("application/xml"));

pub fn routes() -> Vec<Route> {
    vec![
        verb("/v3/invoices/{invoiceId}/book", BOOK, book),
        verb("/v3/invoices/{invoiceId}/cancel", CANCEL, cancel),
        verb("/v3/invoices/{invoiceId}/markpaid", MARK_PAID, mark_paid),
        verb("/v3/invoices/{invoiceId}/recharge", RECHARGE, recharge)
            .answered_by(|call| async move { recharged(&call).await })
            .again(Again::Resume),
        verb("/v3/invoices/{invoiceId}/refund", REFUND, refund).again(Again::Resume),
        verb("/v3/invoices/{invoiceId}/sendasemail", SEND, send),
        Route::new(Method::DELETE, "/v3/invoices/{invoiceId}", Scope::Write, DELETE, delete),
        Route::new(Method::GET, "/v3/invoices/{invoiceId}/getpdfwithid", Scope::Read, PDF, pdf),
        Route::new(
            Method::GET,
            "/v3/invoices/{invoiceNumber}/getpdfwithinvoicenumber",
            Scope::Read,
            PDF,
            pdf_by_number,
        ),
        Route::new(Method::GET, "/v3/invoices/{invoiceId}/xml", Scope::Read, XML, xml),
    ]
}

/// A verb whose answer is the invoice.
fn verb<F, Fut>(path: &'static str, doc: Doc, handler: F) -> Route
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    Route::new(Method::PUT, path, Scope::Write, doc, handler)
        .shown_by(|call| async move { shown(&call).await })
}

async fn shown(call: &Call) -> Result<Answer, Problem> {
    listed::one(call, NOUN, call.id("invoiceId")?, INVOICE_NOT_FOUND).await
}

fn name(call: &Call) -> Result<String, Problem> {
    Ok(call.id("invoiceId")?.to_string())
}

async fn book(call: Call) -> Result<Answer, Problem> {
    let node = object(call.json()?, "BookedOn");
    let body = checked(&node, &["BookedOn"])?;
    let act = call.act_on(Some(&body), &["BookedOn"]).await?;
    book::book(call.ctx(), &act, &name(&call)?).await?;
    shown(&call).await
}

async fn cancel(call: Call) -> Result<Answer, Problem> {
    let node = object(call.json()?, "Release");
    let body = checked(&node, &["Release"])?;
    let released = matches!(body.get(&["Release"]), Some(Node::Bool(true)));
    let periods = if released { ReleasedPeriods::Released } else { ReleasedPeriods::Waived };
    void::void(call.ctx(), &call.act().await?, &name(&call)?, periods).await?;
    shown(&call).await
}

async fn mark_paid(call: Call) -> Result<Answer, Problem> {
    let node = object(call.json()?, "PaymentDate");
    let body = checked(&node, &["PaymentDate", "Amount"])?;
    let mut faults = Faults::default();
    let amount = amount(&body, &["Amount"], &mut faults);
    faults.check()?;
    let act = call.act_on(Some(&body), &["PaymentDate"]).await?;
    let paid = Paid { invoice: &name(&call)?, amount, pending: Pending::Refuse };
    mark_paid::mark_paid(call.ctx(), &act, &paid).await?;
    shown(&call).await
}

async fn recharge(call: Call) -> Result<Answer, Problem> {
    let tried = recharge::recharge(call.ctx(), &call.act().await?, &name(&call)?).await?;
    let why = || tried.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
    match tried.outcome {
        TriedOutcome::Declined => Err(declined(&why())),
        TriedOutcome::Unanswered => Err(Problem::new(BUSY, why()).retry_after(5)),
        TriedOutcome::NotCalled => Err(Problem::new(NOT_CALLED, format!("nobody was charged: {}", why()))),
        TriedOutcome::Paid | TriedOutcome::AwaitsFile | TriedOutcome::Acted => shown(&call).await,
    }
}

fn declined(why: &str) -> Problem {
    Problem::new(DECLINED, format!("the payment was declined: {why}"))
}

/// What the provider has said.
async fn recharged(call: &Call) -> Result<Answer, Problem> {
    match recharge::declined(call.ctx(), &name(call)?).await? {
        Some(why) => Err(declined(&why)),
        None => shown(call).await,
    }
}

async fn refund(call: Call) -> Result<Answer, Problem> {
    let node = object(call.json()?, "Amount");
    let body = checked(&node, &["Amount", "Manual"])?;
    let mut faults = Faults::default();
    let amount = amount(&body, &["Amount"], &mut faults);
    faults.check()?;
    let by = match body.get(&["Manual"]) {
        Some(Node::Bool(true)) => RefundBy::Hand,
        _ => RefundBy::Provider,
    };
    let asked = Refund { invoice: &name(&call)?, amount, by };
    refund::refund(call.ctx(), &call.act().await?, &asked).await?;
    shown(&call).await
}

async fn send(call: Call) -> Result<Answer, Problem> {
    let node = object(call.json()?, "Email");
    let body = checked(&node, &["Email"])?;
    let mut faults = Faults::default();
    let to = body.plain(&["Email"], &mut faults);
    faults.check()?;
    send::send(call.ctx(), &name(&call)?, to.as_deref()).await?;
    shown(&call).await
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    cancel::cancel(call.ctx(), &call.act().await?, &name(&call)?, ReleasedPeriods::Waived).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

async fn pdf(call: Call) -> Result<Answer, Problem> {
    let pdf = document::pdf(call.ctx(), &name(&call)?).await?;
    Ok(Answer::bytes("application/pdf", pdf.bytes))
}

async fn pdf_by_number(call: Call) -> Result<Answer, Problem> {
    let pdf = document::pdf(call.ctx(), call.part("invoiceNumber")).await?;
    Ok(Answer::bytes("application/pdf", pdf.bytes))
}

async fn xml(call: Call) -> Result<Answer, Problem> {
    let xml = document::xml(call.ctx(), &name(&call)?, Format::Peppol).await?;
    Ok(Answer::bytes("application/xml", xml.into_bytes()))
}

/// The body, if it has none but these members.
fn checked<'n>(node: &'n Node, names: &[&'static str]) -> Result<Body<'n>, Problem> {
    let body = Body::of(node, "")?;
    let mut faults = Faults::default();
    body.only(names, &mut faults);
    faults.check()?;
    Ok(body)
}

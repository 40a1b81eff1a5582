//! A run's reconciliation for people: the page, which is one file without scripts, and the report that the operator gets by
//! mail.

use crate::Renderer;
use crate::error::{DocumentError, TemplateError};
use crate::figures::Figures;
use chrono::{DateTime, Utc};
use domain::mail::{Mail, Mailbox};
use domain::run::{MailCounts, RunSummary};
use minijinja::syntax::SyntaxConfig;
use serde::Serialize;

const FILE: &str = "report/run.html.j2";
const TEMPLATE: &str = include_str!("../../templates/report/run.html.j2");

const MAIL_FILE: &str = "report/run.txt.j2";
const MAIL_TEMPLATE: &str = include_str!("../../templates/report/run.txt.j2");

/// Payers, and files, that a mail names one by one.
const NAMED_MAX: usize = 20;

/// Fills the page with the values of `runs report --format json`.
///
/// # Errors
/// If the values have not the form that the template asks for.
pub fn run_page(report: &impl Serialize) -> Result<String, TemplateError> {
    let mut engine = minijinja::Environment::new();
    engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // The ending of the name decides that values are escaped.
    engine.add_template("run.html", TEMPLATE).map_err(|e| TemplateError::broken(FILE, e))?;
    let template = engine.get_template("run.html").map_err(|e| TemplateError::broken(FILE, e))?;
    template.render(minijinja::value::Serde(report)).map_err(|e| TemplateError::broken(FILE, e))
}

/// The report of a run to one address.
#[derive(Debug, Clone)]
pub struct RunMail<'a> {
    pub message_id: String,
    /// Name of the tenant, who is also the sender.
    pub seller: &'a str,
    /// Sender address; there is no mail without one.
    pub from: Option<&'a str>,
    pub to: &'a str,
    pub summary: &'a RunSummary,
    /// Payers that were set aside: account number, state and reason.
    pub aside: Vec<(String, String, String)>,
    /// Usage files that were refused, with the reason.
    pub refused_files: Vec<String>,
    /// Records that were refused, with the file that they lie in.
    pub open_rejects: Vec<String>,
    /// The `Date` header, from the edge.
    pub at: DateTime<Utc>,
}

impl RunMail<'_> {
    /// One line for the subject, and for whoever looks at a monitor. It names nobody.
    pub fn headline(summary: &RunSummary, needs_person: bool) -> String {
        let aside = if needs_person { ", something needs a person" } else { "" };
        format!(
            "run {} as of {}: {}, {} invoice(s){aside}",
            summary.ordinal,
            summary.as_of,
            summary.state.name(),
            summary.invoiced
        )
    }
}

/// What the template sees: texts.
#[derive(Serialize)]
struct Texts {
    seller: String,
    run: u64,
    as_of: String,
    state: &'static str,
    payers: u64,
    totals: Vec<TotalText>,
    usage: String,
    mails: String,
    payments: String,
    /// What is tried again by itself.
    waiting: u64,
    pending: u64,
    declined: u64,
    needs_person: bool,
    /// Payers that were set aside, as many as are named.
    aside: Vec<String>,
    more_aside: usize,
    any_failed: bool,
    parked: u64,
    refused: u64,
    nobody: u64,
    refused_files: Vec<String>,
    open_rejects: Vec<String>,
    older: u64,
}

#[derive(Serialize)]
struct TotalText {
    currency: String,
    invoices: u64,
    net: String,
    vat: String,
    gross: String,
}

/// Writes the report as plain text, in the operator's language: that of commands.
pub(crate) fn run_mail(renderer: &Renderer, mail: &RunMail) -> Result<Mail, DocumentError> {
    let document = format!("run {}", mail.summary.ordinal);
    let Some(from) = mail.from else { return Err(DocumentError::NoSender { document }) };
    let texts = texts(Figures::of(renderer.templates.labels("en")), mail);
    let text = render(&texts).map_err(|e| DocumentError::Mail {
        document,
        template: MAIL_FILE.to_owned(),
        why: e.to_string(),
    })?;
    let headline = RunMail::headline(mail.summary, texts.needs_person);
    Ok(Mail {
        message_id: mail.message_id.clone(),
        from: Mailbox { name: Some(mail.seller.to_owned()), address: from.to_owned() },
        to: Mailbox::bare(mail.to),
        subject: format!("{}: {headline}", mail.seller),
        text: text.trim().to_owned() + "\n",
        html: String::new(),
        attachments: Vec::new(),
        date: mail.at,
    })
}

fn render(texts: &Texts) -> Result<String, minijinja::Error> {
    let mut engine = minijinja::Environment::new();
    engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    engine.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    engine.add_template("run.txt", MAIL_TEMPLATE)?;
    engine.get_template("run.txt")?.render(minijinja::value::Serde(texts))
}

fn texts(figures: Figures, mail: &RunMail) -> Texts {
    let summary = mail.summary;
    let totals = summary.totals.iter().map(|t| TotalText {
        currency: t.currency.to_string(),
        invoices: t.invoices,
        net: figures.wide_amount(t.net_minor, t.currency),
        vat: figures.wide_amount(t.vat_minor, t.currency),
        gross: figures.wide_amount(t.net_minor + t.vat_minor, t.currency),
    });
    let usage = &summary.usage;
    let mut events = vec![(usage.rated, "rated")];
    events.extend(usage.unrated.iter().map(|(reason, n)| (*n, reason.as_str())));
    events.extend([(usage.superseded, "superseded"), (usage.open, "open")]);
    let MailCounts { sent, waiting, refused, nobody } = summary.mails;
    let payments = summary.payments;
    Texts {
        seller: mail.seller.to_owned(),
        run: summary.ordinal,
        as_of: summary.as_of.to_string(),
        state: summary.state.name(),
        payers: summary.payers,
        totals: totals.collect(),
        usage: listed(&events),
        mails: listed(&[
            (sent, "sent"),
            (waiting, "waiting"),
            (refused, "refused"),
            (nobody, "without an address"),
        ]),
        payments: listed(&[
            (payments.paid, "taken"),
            (payments.declined, "declined"),
            (payments.pending, "without an answer"),
        ]),
        waiting,
        pending: payments.pending,
        declined: payments.declined,
        needs_person: needs_person(mail),
        aside: mail
            .aside
            .iter()
            .take(NAMED_MAX)
            .map(|(account, state, why)| format!("{account} {state}: {why}"))
            .collect(),
        more_aside: mail.aside.len().saturating_sub(NAMED_MAX),
        any_failed: mail.aside.iter().any(|(_, state, _)| state == "failed"),
        parked: summary.parked,
        refused,
        nobody,
        refused_files: mail.refused_files.iter().take(NAMED_MAX).cloned().collect(),
        open_rejects: mail.open_rejects.iter().take(NAMED_MAX).cloned().collect(),
        older: summary.older,
    }
}

fn needs_person(mail: &RunMail) -> bool {
    let summary = mail.summary;
    let counted = summary.parked + summary.mails.set_aside() + summary.older;
    let missing = mail.refused_files.len() + mail.open_rejects.len();
    counted > 0 || !mail.aside.is_empty() || missing > 0
}

/// `3 sent, 1 waiting`: what there is none of is not told.
fn listed(parts: &[(u64, &str)]) -> String {
    let told = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

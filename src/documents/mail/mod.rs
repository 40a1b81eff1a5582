//! Mails: subject, text and HTML from templates, with the PDF attached. Templates hold words, never sums: every figure
//! comes to them as text.

use crate::Renderer;
use crate::error::{DocumentError, TemplateError};
use crate::figures::Figures;
use crate::invoice::letter::{self, OpenItem, ReminderLevel};
use crate::invoice::{Collection, InvoiceDocument, in_fours};
use crate::templates::{MailWords, Templates, Words};
use chrono::{DateTime, NaiveDate, Utc};
use domain::invoice::Invoice;
use domain::mail::{Attachment, Mail, Mailbox, message_id};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The invoice or credit note itself.
    Invoice,
    /// A step of a dunning policy.
    Reminder {
        /// From 1.
        step: u32,
        /// Day of the step; what is overdue is counted up to it, so that a mail sent twice says the same.
        on: NaiveDate,
    },
    /// An online payment was declined.
    PaymentFailed {
        /// Which attempt, from 1.
        ordinal: u32,
        /// Whether trying again may help; otherwise the customer must give another method.
        will_retry: bool,
    },
}

impl MailKind {
    /// Part of the Message-ID: one mail per invoice, channel and address (ARCHITECTURE.md).
    pub fn channel(self) -> String {
        match self {
            Self::Invoice => "invoice".to_owned(),
            Self::Reminder { step, on } => format!("reminder-{step}-{on}"),
            Self::PaymentFailed { ordinal, .. } => format!("payment_failed-{ordinal}"),
        }
    }

    /// Reads a channel back; what else the mail says comes from the invoice as it stands.
    pub fn of_channel(channel: &str, will_retry: bool) -> Option<Self> {
        if channel == "invoice" {
            return Some(Self::Invoice);
        }
        if let Some((step, on)) = channel.strip_prefix("reminder-").and_then(|rest| rest.split_once('-')) {
            return Some(Self::Reminder { step: step.parse().ok()?, on: on.parse().ok()? });
        }
        let ordinal = channel.strip_prefix("payment_failed-")?.parse().ok()?;
        Some(Self::PaymentFailed { ordinal, will_retry })
    }

    /// Folder of its templates.
    fn template(self, is_credit_note: bool) -> &'static str {
        match self {
            Self::Invoice if is_credit_note => "credit_note",
            Self::Invoice => "invoice",
            Self::Reminder { .. } => "reminder",
            Self::PaymentFailed { .. } => "payment_failed",
        }
    }
}

/// A mail to be composed.
#[derive(Debug, Clone)]
pub struct InvoiceMail<'a> {
    /// The invoice it is about.
    pub document: InvoiceDocument<'a>,
    /// What it says.
    pub kind: MailKind,
    /// One recipient.
    pub to: Mailbox,
    /// Sender address; `None` = the seller's.
    pub from: Option<&'a str>,
    /// The PDF as rendered; `None` sends no attachment.
    pub pdf: Option<Vec<u8>>,
    /// Of a reminder: which it is. Its letter goes along.
    pub level: ReminderLevel,
    /// The `Date` header, from the edge.
    pub at: DateTime<Utc>,
}

/// Parsed mail templates.
pub(crate) struct MailTexts {
    engine: Environment<'static>,
    /// Template name → file, for errors.
    files: std::collections::BTreeMap<String, String>,
}

impl MailTexts {
    /// Parses every mail template; a name that is not filled is an error when the mail is composed, never a gap.
    pub fn parse(templates: &Templates) -> Result<Self, TemplateError> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        let own_lines = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        // At least one blank stands between a label and what it says.
        engine.add_filter("padded", |text: String, width: usize| format!("{:<width$}", text + " "));
        engine.set_syntax(own_lines.map_err(|e| TemplateError::broken("email", describe(&e)))?);
        let mut files = std::collections::BTreeMap::new();
        for (name, source) in &templates.mails {
            let broken = |e: minijinja::Error| TemplateError::broken(&source.file, describe(&e));
            engine.add_template_owned(name.clone(), source.content.clone()).map_err(broken)?;
            files.insert(name.clone(), source.file.clone());
        }
        Ok(Self { engine, files })
    }

    fn render(
        &self,
        name: &str,
        context: &Value,
        document: &InvoiceDocument,
    ) -> Result<String, DocumentError> {
        let failed = |e: minijinja::Error| DocumentError::Mail {
            document: document.name(),
            template: self.files.get(name).cloned().unwrap_or_else(|| name.to_owned()),
            why: describe(&e),
        };
        self.engine.get_template(name).and_then(|t| t.render(context.clone())).map_err(failed)
    }
}

/// The engine's message with its line, on one line.
fn describe(error: &minijinja::Error) -> String {
    let place = error.line().map_or(String::new(), |line| format!(" (line {line})"));
    format!("{}{place}", error.to_string().lines().next().unwrap_or_default())
}

/// What templates see: texts and yes or no.
#[derive(Serialize)]
struct Context {
    language: String,
    words: Words,
    mail: MailWords,
    /// Of the labels that stand one below the other, with a colon and a blank.
    label_width: usize,
    seller: SellerText,
    buyer: BuyerText,
    invoice: InvoiceText,
    /// What reminders of it have cost and is open.
    late_charges: Vec<LateChargeText>,
    /// All that is asked for.
    demanded: String,
    payment: PaymentText,
    accent: String,
    days_overdue: u32,
    will_retry: bool,
}

#[derive(Serialize)]
struct SellerText {
    name: String,
    vat_number: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

#[derive(Serialize)]
struct BuyerText {
    name: String,
    account: String,
}

#[derive(Serialize)]
struct InvoiceText {
    number: String,
    date: String,
    due_date: String,
    net: String,
    vat: String,
    gross: String,
    /// What is still to be paid.
    open: String,
    /// What has been paid or credited of it.
    settled: String,
    is_partly_settled: bool,
    /// Nothing is to be paid.
    is_settled: bool,
    reference: Option<String>,
    credits: String,
}

#[derive(Serialize)]
struct LateChargeText {
    label: String,
    open: String,
}

#[derive(Serialize)]
struct PaymentText {
    automatic: bool,
    /// The bank fetches it.
    debit: bool,
    /// What the payer states with a transfer.
    reference: String,
    iban: Option<String>,
    bic: Option<String>,
}

/// Fills the templates of the payer's language.
pub(crate) fn compose(renderer: &Renderer, mail: &InvoiceMail) -> Result<Mail, DocumentError> {
    let (document, draft) = (&mail.document, mail.document.draft);
    let sender = mail.from.or(draft.seller.email.as_deref()).or(document.tenant.email.as_deref());
    let sender = sender.ok_or_else(|| DocumentError::NoSender { document: document.name() })?;
    let name = mail.kind.template(draft.is_credit_note);
    let language = renderer.templates.mail_language(name, &draft.language);
    let context = context(renderer, mail, &language);
    let letter = reminder(renderer, mail, &context)?;
    let context = Value::from(Serde(context));
    let part = |part: &str| {
        let template = renderer.templates.mail_part(name, &language, part);
        renderer.mails.render(&template, &context, document)
    };
    let subject = part("subject.txt")?.split_whitespace().collect::<Vec<_>>().join(" ");
    let attachments = mail.pdf.iter().map(|bytes| Attachment {
        file_name: document.file_name(),
        content_type: "application/pdf".to_owned(),
        bytes: bytes.clone(),
    });
    Ok(Mail {
        message_id: message_id(draft.id, &mail.kind.channel(), &mail.to.address, sender),
        from: Mailbox { name: Some(draft.seller.name.clone()), address: sender.to_owned() },
        to: mail.to.clone(),
        subject,
        text: part("body.txt")?.trim().to_owned() + "\n",
        html: part("body.html")?,
        attachments: letter.into_iter().chain(attachments).collect(),
        date: mail.at,
    })
}

/// The letter of a reminder. One that no font can write is left out: the mail says the same.
fn reminder(
    renderer: &Renderer,
    mail: &InvoiceMail,
    context: &Context,
) -> Result<Option<Attachment>, DocumentError> {
    let MailKind::Reminder { on, .. } = mail.kind else { return Ok(None) };
    let said = &context.mail;
    let overdue = match context.days_overdue {
        0 => &said.overdue,
        1 => &said.overdue_day,
        _ => &said.overdue_days,
    };
    let sentences = [said.dear.as_str(), overdue, &said.pay_now];
    let labels = renderer.templates.labels(&mail.document.draft.language);
    let texts = mail.document.texts().chain(labels.texts()).chain(sentences);
    if renderer.unwritable(texts).is_some() {
        return Ok(None);
    }
    let bytes = letter::reminder(renderer, &mail.document, (mail.level, on), &sentences)?;
    let file_name = format!("{}-{}-{}", labels.words.reminder, mail.level.number, mail.document.file_name());
    Ok(Some(Attachment { file_name, content_type: "application/pdf".to_owned(), bytes }))
}

fn context(renderer: &Renderer, mail: &InvoiceMail, language: &str) -> Context {
    let (document, draft) = (&mail.document, mail.document.draft);
    let figures = Figures::of(renderer.templates.labels(language));
    let accent = renderer.templates.theme.accent;
    let (days_overdue, will_retry) = match mail.kind {
        MailKind::Reminder { on, .. } => {
            (u32::try_from((on - document.pay_by()).num_days()).unwrap_or(0), false)
        }
        MailKind::PaymentFailed { will_retry, .. } => (0, will_retry),
        MailKind::Invoice => (0, false),
    };
    let invoice = invoice_text(document, &figures);
    let days = days_overdue.to_string();
    let demanded = plain(figures.money(document.demanded_minor(), draft.currency));
    let (debit_date, debit) = match document.collection {
        Collection::Debit(notice) => {
            (plain(figures.date(notice.on)), [notice.account, notice.mandate, notice.creditor])
        }
        Collection::Transfer | Collection::Automatic => (String::new(), [""; 3]),
    };
    let places: [(&str, &str); 12] = [
        ("debit_date", &debit_date),
        ("account", debit[0]),
        ("mandate", debit[1]),
        ("creditor", debit[2]),
        ("number", &invoice.number),
        ("date", &invoice.date),
        ("due_date", &invoice.due_date),
        ("gross", &invoice.gross),
        ("open", &demanded),
        ("days", &days),
        ("seller", &draft.seller.name),
        ("buyer", &draft.buyer.name),
    ];
    let (words, said) = renderer.templates.mail_words(language);
    let late_charge = |item: &OpenItem| LateChargeText {
        label: words.late_charge.replace("{number}", &item.number),
        open: plain(figures.money(item.open_minor, draft.currency)),
    };
    let late_charges: Vec<LateChargeText> = document.late_charges.iter().map(late_charge).collect();
    let said = said.map(|sentence| filled(sentence, &places));
    Context {
        language: language.to_owned(),
        label_width: late_charges
            .iter()
            .map(|l| l.label.chars().count() + 2)
            .fold(label_width(words, &said), usize::max),
        words: words.clone(),
        mail: said,
        invoice,
        late_charges,
        demanded,
        seller: SellerText {
            name: draft.seller.name.clone(),
            vat_number: draft.seller.vat_number.clone(),
            email: draft.seller.email.clone().or_else(|| document.tenant.email.clone()),
            phone: document.tenant.phone.clone(),
        },
        buyer: BuyerText { name: draft.buyer.name.clone(), account: draft.account_number.clone() },
        payment: PaymentText {
            automatic: document.collection != Collection::Transfer,
            debit: matches!(document.collection, Collection::Debit(_)),
            reference: document.invoice.map_or_else(|| document.name(), Invoice::stated_reference),
            iban: document.tenant.iban.as_deref().map(in_fours),
            bic: document.tenant.bic.clone(),
        },
        accent: format!("#{:02X}{:02X}{:02X}", accent.red, accent.green, accent.blue),
        days_overdue,
        will_retry,
    }
}

/// Blanks that do not break are for paper.
fn plain(text: String) -> String {
    text.replace('\u{a0}', " ")
}

/// The invoice in words, with plain blanks. A credit note speaks of what is credited, whichever sign its lines carry.
fn invoice_text(document: &InvoiceDocument<'_>, figures: &Figures<'_>) -> InvoiceText {
    let draft = document.draft;
    let money = |minor| plain(figures.money(minor, draft.currency));
    let signed = |minor: i64| if draft.is_credit_note { minor.saturating_abs() } else { minor };
    let open = document.open_minor();
    InvoiceText {
        number: document.name(),
        date: plain(figures.date(draft.invoice_date)),
        due_date: plain(figures.date(document.pay_by())),
        net: money(signed(draft.net_minor)),
        vat: money(signed(draft.vat_minor)),
        gross: money(signed(draft.gross_minor())),
        open: money(open),
        settled: money(document.settled_minor()),
        is_partly_settled: open > 0 && open < draft.gross_minor(),
        is_settled: open <= 0,
        reference: draft.reference.clone(),
        credits: draft.credits.join(", "),
    }
}

/// A sentence with its places filled, each once: what a name holds in braces stays as it is.
fn filled(sentence: &str, places: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let place = after.split_once('}').and_then(|(name, behind)| {
            places.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, behind))
        });
        match place {
            Some((value, behind)) => {
                text.push_str(value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}

/// Of the facts that every mail has; longer ones stand out.
fn label_width(words: &Words, said: &MailWords) -> usize {
    let labels = [
        &words.number,
        &words.date,
        &said.payable_by,
        &words.reference,
        &words.net,
        &words.vat_total,
        &words.gross,
        &words.open,
        &words.payment_reference,
    ];
    labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) + ": ".len()
}

#[cfg(test)]
mod tests;

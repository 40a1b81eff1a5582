//! Mails of every kind and language, as a reader sees them.

use super::*;
use crate::sample::{self, one_page, tenant};
use domain::invoice::{InvoiceStatus, Settlement};

fn renderer() -> Renderer {
    Renderer::new(&Templates::embedded().unwrap()).unwrap()
}

fn mail<'a>(document: InvoiceDocument<'a>, kind: MailKind) -> InvoiceMail<'a> {
    InvoiceMail {
        document,
        kind,
        to: Mailbox::bare("bogholder@kaffe.example"),
        from: None,
        pdf: Some(b"%PDF".to_vec()),
        level: ReminderLevel { number: 1, is_last: false },
        at: DateTime::from_timestamp(1_769_846_400, 0).unwrap(),
    }
}

fn composed(document: InvoiceDocument, kind: MailKind) -> Mail {
    let mail = renderer().compose(&mail(document, kind)).unwrap();
    if let Some(keep) = std::env::var_os("TALLYBOOK_KEEP_DOCUMENTS") {
        std::fs::create_dir_all(&keep).unwrap();
        let name = format!(
            "{}-{}",
            kind.channel(),
            mail.message_id.trim_matches(['<', '>']).len() + mail.text.len()
        );
        std::fs::write(std::path::Path::new(&keep).join(format!("{name}.html")), &mail.html).unwrap();
        std::fs::write(std::path::Path::new(&keep).join(format!("{name}.txt")), &mail.text).unwrap();
    }
    mail
}

#[test]
fn a_danish_invoice_mail_in_full() {
    let (invoice, tenant) = (one_page(), tenant());
    let mail = composed(InvoiceDocument::booked(&invoice, &tenant), MailKind::Invoice);
    assert_eq!(mail.subject, "Faktura INV-0000001 fra Nordlys Cloud ApS");
    assert_eq!(mail.from.address, "billing@nordlys.example");
    assert!(mail.message_id.ends_with("@nordlys.example>"));
    assert_eq!(mail.attachments[0].file_name, "INV-0000001.pdf");
    assert_eq!(
        mail.text,
        "\
Kære Kaffe & Co

Vedhæftet er faktura INV-0000001 af 31. januar 2026 på DKK 671,38.

Betal venligst DKK 671,38 senest 14. februar 2026.

Fakturanr.:         INV-0000001
Fakturadato:        31. januar 2026
Betales senest:     14. februar 2026
Deres reference:    PO-4711
I alt ekskl. moms:  DKK 537,10
Moms:               DKK 134,28
I alt:              DKK 671,38

IBAN:               DK50 0040 0440 1162 43
BIC:                NDEADKKK
Betalingsreference: INV-0000001

Venlig hilsen
Nordlys Cloud ApS
billing@nordlys.example
+45 70 10 20 30
"
    );
}

#[test]
fn every_kind_in_every_language_is_complete() {
    let tenant = tenant();
    let mut settlement = Settlement::open(InvoiceStatus::Booked);
    settlement.settled_minor = 50_000;
    let reminder = MailKind::Reminder { step: 2, on: "2026-03-18".parse().unwrap() };
    assert_eq!(MailKind::of_channel(&reminder.channel(), false), Some(reminder));
    let kinds = [
        (MailKind::Invoice, "671"),
        (reminder, "171"),
        (MailKind::PaymentFailed { ordinal: 1, will_retry: true }, "171"),
        (MailKind::PaymentFailed { ordinal: 2, will_retry: false }, "171"),
    ];
    for language in ["da", "de", "en", "en-GB", "fi", "fr", "nb", "no", "nl", "sv", "tlh"] {
        for is_credit_note in [false, true] {
            let mut invoice = one_page();
            invoice.draft.language = language.to_owned();
            invoice.draft.is_credit_note = is_credit_note;
            for (kind, amount) in kinds {
                let document = InvoiceDocument::booked(&invoice, &tenant).with_settlement(&settlement);
                let mail = composed(document, kind);
                for text in [&mail.text, &mail.html] {
                    assert!(text.contains("INV-0000001") && text.contains(amount), "{text}");
                    assert!(!text.contains('{') && !text.contains('}'), "{text}");
                }
                assert!(!mail.text.contains("\n\n\n"), "{}", mail.text);
                assert!(!mail.subject.contains('\n'));
                assert!(
                    mail.html.starts_with("<!doctype html>") && mail.html.trim_end().ends_with("</html>")
                );
            }
        }
    }
}

#[test]
fn names_cannot_become_markup_or_headers() {
    let (mut invoice, tenant) = (one_page(), tenant());
    invoice.draft.buyer.name = "<b>Kaffe</b> & \"Co\"".to_owned();
    invoice.draft.seller.name = "Nordlys\r\nBcc: x@y.example".to_owned();
    let mail = composed(InvoiceDocument::booked(&invoice, &tenant), MailKind::Invoice);
    assert!(mail.html.contains("&lt;b&gt;Kaffe&lt;") && !mail.html.contains("<b>"), "{}", mail.html);
    assert!(mail.text.contains("<b>Kaffe</b> & \"Co\""), "plain text is not escaped");
    invoice.draft.buyer.name = "{seller} {number} {".to_owned();
    let mail = composed(InvoiceDocument::booked(&invoice, &tenant), MailKind::Invoice);
    assert!(mail.text.starts_with("Kære {seller} {number} {\n"), "a name fills no place: {}", mail.text);
    assert_eq!(mail.subject, "Faktura INV-0000001 fra Nordlys Bcc: x@y.example");
}

#[test]
fn automatic_collection_and_zero_ask_for_nothing() {
    let tenant = tenant();
    let invoice = one_page();
    let document = InvoiceDocument::booked(&invoice, &tenant).with_collection(Collection::Automatic);
    let text = composed(document, MailKind::Invoice).text;
    assert!(text.contains("opkræves automatisk") && !text.contains("IBAN"), "{text}");
    let nothing = sample::with_lines(sample::invoice("INV-0000002"), Vec::new());
    let text = composed(InvoiceDocument::booked(&nothing, &tenant), MailKind::Invoice).text;
    assert!(text.contains("intet at betale") && !text.contains("IBAN"), "{text}");
}

#[test]
fn no_sender_is_refused_and_a_gap_in_a_template_names_it() {
    let (mut invoice, mut tenant) = (one_page(), tenant());
    (invoice.draft.seller.email, tenant.email) = (None, None);
    let refused = renderer().compose(&mail(InvoiceDocument::booked(&invoice, &tenant), MailKind::Invoice));
    assert!(refused.unwrap_err().to_string().contains("set mail.from"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("email/invoice/da");
    std::fs::create_dir_all(&path).unwrap();
    for part in ["subject.txt.j2", "body.html.j2"] {
        std::fs::write(path.join(part), "x").unwrap();
    }
    std::fs::write(path.join("body.txt.j2"), "Hej\n{{ invoice.colour }}").unwrap();
    let renderer = Renderer::new(&Templates::from_folder(folder.path()).unwrap()).unwrap();
    let (invoice, tenant) = (one_page(), crate::sample::tenant());
    let gap =
        renderer.compose(&mail(InvoiceDocument::booked(&invoice, &tenant), MailKind::Invoice)).unwrap_err();
    let said = gap.to_string();
    assert!(said.contains("email/invoice/da/body.txt.j2") && said.contains("line 2"), "{said}");
}

//! Whole documents, read back with other people's tools: poppler (`pdftotext`, `pdffonts`, `pdfinfo`) and `qpdf`.
//!
//! To look at the documents, set `TALLYBOOK_KEEP_DOCUMENTS` to a folder: every PDF made here is also put there.

use crate::sample::{self, day, decimal, line, one_page, tenant, tiered, with_lines};
use crate::{Collection, InvoiceDocument, Renderer, Templates};
use domain::catalogue::{TaxCategory, Tenant};
use domain::customer::Address;
use domain::invoice::{BaseAmounts, Invoice, InvoiceStatus, PaymentStatus, Settlement};
use std::process::Command;
use std::sync::LazyLock;

static RENDERER: LazyLock<Renderer> =
    LazyLock::new(|| Renderer::new(&Templates::embedded().unwrap()).unwrap());

/// A PDF on disk, for the tools.
pub(crate) struct Paper {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Paper {
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{name}.pdf"));
        std::fs::write(&path, bytes).unwrap();
        if let Some(keep) = std::env::var_os("TALLYBOOK_KEEP_DOCUMENTS") {
            std::fs::create_dir_all(&keep).unwrap();
            std::fs::write(std::path::Path::new(&keep).join(format!("{name}.pdf")), bytes).unwrap();
        }
        let paper = Self { _folder: folder, path };
        paper.check();
        paper
    }

    fn tool(&self, tool: &str, before: &[&str], after: &[&str]) -> String {
        let output =
            Command::new(tool).args(before).arg(&self.path).args(after).output().unwrap_or_else(|e| {
                panic!(
                    "`{tool}` is needed to read documents back: {e}; hint: apt-get install poppler-utils qpdf"
                )
            });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool}: {said}");
        assert_eq!(said, "", "{tool} complains");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What holds for every document: valid, and all fonts embedded, subset and mapped to Unicode.
    fn check(&self) {
        let report = self.tool("qpdf", &["--check"], &[]);
        assert!(report.contains("No syntax or stream encoding errors"), "{report}");
        let about = self.tool("pdfinfo", &[], &[]);
        assert!(about.contains("PDF version:     1.7") && about.contains("Metadata Stream: yes"), "{about}");
        let fonts = self.tool("pdffonts", &[], &[]);
        let rows: Vec<&str> = fonts.lines().skip(2).collect();
        let is_own = |row: &&&str| row.contains("+Inter");
        assert_eq!(rows.iter().filter(is_own).count(), 2, "{fonts}");
        for row in rows {
            assert!(row.contains("+Inter") || row.contains("+Noto"), "{row}");
            assert!(row.contains("yes yes yes"), "embedded, subset, Unicode: {row}");
        }
    }

    pub fn text(&self) -> String {
        self.tool("pdftotext", &["-layout"], &["-"])
    }

    /// Runs of spaces as one, for sentences.
    fn words(&self) -> String {
        self.text().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn pages(&self) -> usize {
        let info = self.tool("pdfinfo", &[], &[]);
        info.lines().find_map(|l| l.strip_prefix("Pages:")).unwrap().trim().parse().unwrap()
    }
}

fn booked(name: &str, invoice: &Invoice) -> Paper {
    booked_with(name, invoice, &tenant())
}

fn booked_with(name: &str, invoice: &Invoice, tenant: &Tenant) -> Paper {
    Paper::of(name, &RENDERER.render_invoice(&InvoiceDocument::booked(invoice, tenant)).unwrap())
}

fn in_english(mut invoice: Invoice) -> Invoice {
    invoice.draft.language = "en".to_owned();
    invoice
}

fn assert_has(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn a_danish_invoice_of_one_page_says_everything() {
    let paper = booked("one-page-da", &one_page());
    assert_eq!(paper.pages(), 1);
    assert_has(
        &paper.words(),
        &[
            "Nordlys Cloud ApS",
            "Faktura",
            "INV-0000001",
            "Havnegade 1",
            "1058 København K",
            "Danmark",
            "CVR/moms-nr. DK12345678",
            "Kaffe & Co",
            "8000 Aarhus C",
            "CVR/moms-nr. DK87654321",
            "Fakturadato 31. januar 2026",
            "Forfaldsdato 14. februar 2026",
            "Netto 14 dage",
            "Kundenr. CU-0001",
            "Deres reference PO-4711",
            "Pro abonnement",
            "31. januar 2026 – 27. februar 2026",
            "Launch 10 %: -19,90",
            "7 bruger 49,00 25 % 343,00",
            "1.300 kald",
            "1.001 – 10.000: 0,05 pr. kald = 15,00",
            "I alt ekskl. moms 537,10",
            "I alt DKK 671,38",
            "IBAN DK50 0040 0440 1162 43",
            "BIC NDEADKKK",
            "Betal venligst DKK 671,38 senest 14. februar 2026",
            "Side 1 af 1",
        ],
    );
}

#[test]
fn an_english_invoice_uses_english_words_and_figures() {
    let paper = booked("one-page-en", &in_english(one_page()));
    assert_has(
        &paper.words(),
        &[
            "Invoice",
            "Invoice date 31 Jan 2026",
            "14 days net",
            "Denmark",
            "Total excl. VAT 537.10",
            "Total DKK 671.38",
            "31 Jan 2026 – 27 Feb 2026",
            "Page 1 of 1",
            "25%",
        ],
    );
}

#[test]
fn long_invoices_repeat_the_head_and_carry_the_subtotal() {
    for (count, pages) in [(30, 3), (158, 12)] {
        let invoice = sample::long(count);
        let paper = booked(&format!("{pages}-pages"), &invoice);
        assert_eq!(paper.pages(), pages, "{count} lines");
        let text = paper.text();
        let sheets: Vec<&str> = text.split('\u{c}').filter(|s| !s.trim().is_empty()).collect();
        assert_eq!(sheets.len(), pages);
        for (place, sheet) in sheets.iter().enumerate() {
            assert_has(sheet, &[&format!("Side {} af {pages}", place + 1), "Enhedspris", "INV-0000042"]);
            assert_eq!(sheet.contains("Overført"), place > 0);
            assert_eq!(sheet.contains("Overføres"), place + 1 < pages);
        }
        for line in &invoice.draft.lines {
            assert!(
                text.lines().any(|l| l.trim_start().starts_with(&format!("{} ", line.number))),
                "{}",
                line.number
            );
        }
        // Carried and brought are equal, and the last one plus the lines after it is the net.
        let carried: Vec<&str> = text.lines().filter(|l| l.contains("Overføres")).map(last_word).collect();
        let brought: Vec<&str> = text.lines().filter(|l| l.contains("Overført")).map(last_word).collect();
        assert_eq!(carried, brought);
    }
}

fn last_word(line: &str) -> &str {
    line.split_whitespace().last().unwrap()
}

#[test]
fn a_credit_note_says_what_it_credits_and_asks_for_nothing() {
    let mut invoice = sample::invoice("CN-0000003");
    invoice.draft.is_credit_note = true;
    invoice.draft.credits = vec!["INV-0000001".to_owned(), "INV-0000002".to_owned()];
    let mut credit = line("Pro abonnement", -17_910);
    credit.amends = Some("INV-0000001".to_owned());
    let paper = booked("credit-note", &with_lines(invoice, vec![credit]));
    let words = paper.words();
    assert_has(
        &words,
        &[
            "Kreditnota",
            "CN-0000003",
            "Krediterer faktura INV-0000001, INV-0000002",
            "Vedrører faktura INV-0000001",
            "-179,10",
            "I alt DKK -223,88",
            "DKK 223,88 krediteres din konto",
        ],
    );
    assert!(!words.contains("IBAN") && !words.contains("Forfaldsdato"), "{words}");
}

#[test]
fn a_draft_has_no_number_and_says_so() {
    let invoice = sample::long(30);
    let tenant = tenant();
    let paper = Paper::of(
        "draft",
        &RENDERER.render_invoice(&InvoiceDocument::draft(&invoice.draft, &tenant)).unwrap(),
    );
    let text = paper.text();
    assert!(!text.contains("INV-0000042"));
    assert!(text.matches("KLADDE").count() >= 3 || text.matches("Kladde").count() >= 3, "{text}");
}

#[test]
fn two_vat_rates_and_a_reason_stand_in_the_specification() {
    let mut exempt = line("Kursus i bogføring", 250_000);
    exempt.tax_category = TaxCategory::E;
    exempt.tax_pct = decimal("0");
    exempt.tax_reason = Some("Fritaget efter momslovens § 13, stk. 1, nr. 3 om skoleundervisning".to_owned());
    let invoice = with_lines(sample::invoice("INV-0000007"), vec![line("Pro abonnement", 19_900), exempt]);
    let words = booked("two-vat-rates", &invoice).words();
    assert_has(
        &words,
        &["25 % · Normalsats 199,00 49,75", "0 % · Momsfritaget 2.500,00 0,00", "§ 13, stk. 1"],
    );
}

#[test]
fn yen_have_no_decimals_and_foreign_vat_is_restated_in_the_base_currency() {
    let mut invoice = sample::invoice("INV-0000008");
    invoice.draft.currency = sample::currency("JPY");
    let mut base = line("Pro", 1_234_567);
    base.unit_price = decimal("1234567");
    let invoice = in_english(with_lines(invoice, vec![base]));
    let words = booked("yen", &invoice).words();
    assert_has(&words, &["Amount JPY", "1,234,567", "Total JPY 1,543,209"]);
    assert!(!words.contains("1,234,567.00"));

    let mut invoice = one_page();
    invoice.draft.currency = sample::currency("EUR");
    invoice.base = Some(BaseAmounts {
        currency: sample::currency("DKK"),
        rate: decimal("7.4690"),
        rate_date: day(2026, 1, 30),
        rate_source: "ECB".to_owned(),
        net_minor: 401_160,
        vat_minor: 100_301,
    });
    let words = booked("euro", &in_english(invoice)).words();
    assert_has(&words, &["Total EUR 671.38", "VAT in DKK at 7.469 (ECB, 30 Jan 2026)", "1,003.01"]);
}

#[test]
fn twelve_digit_amounts_and_long_names_fit() {
    let mut invoice = sample::invoice("INV-0000009");
    let name = "Interessentskabet Rødgrød med Fløde, Æbleskiver & Søstrene Ågårds Specialkonditori og \
                Rugbrødsekspedition på Nørre Strandvejsforlængelse";
    invoice.draft.buyer.name = name.to_owned();
    invoice.draft.seller.name =
        "Speditionsselskabet Øresund-Kattegat-Skagerrak Transport & Logistik Holding A/S".to_owned();
    invoice.draft.buyer.address.line1 =
        Some("Speciallægepraksisplanlægningsstabiliseringsperiodevej 1234, 17. sal, mf.".to_owned());
    invoice.draft.reference =
        Some("Projekt Ærø-forbindelsen / kontrakt 2026-000-441-B / att. Åse Østergård-Sørensen".to_owned());
    let mut large = line(
        "Speciallægepraksisplanlægningsstabiliseringsperiodelicens til hele koncernen",
        99_999_999_999_999,
    );
    large.quantity = decimal("999999999999");
    large.rated_quantity = large.quantity;
    large.unit_price = decimal("123456.123456789012");
    large.unit = Some("kilowatt-time pr. måler".to_owned());
    large.tax_pct = decimal("12.5");
    let mut small = line("Lille linje", 5);
    small.tax_pct = decimal("12.5");
    let paper = booked("twelve-digits", &with_lines(invoice, vec![large, small]));
    assert_eq!(paper.pages(), 1);
    let words = paper.words();
    assert_has(
        &words,
        &[
            "999.999.999.999,99",
            "1.125.000.000.000,0",
            "Interessentskabet Rødgrød med Fløde",
            "123.456,123456789012",
        ],
    );
}

#[test]
fn a_zero_invoice_and_a_consumer_without_vat_number_are_fine() {
    let mut invoice = sample::invoice("INV-0000010");
    invoice.draft.buyer.name = "Åse Øster".to_owned();
    invoice.draft.buyer.vat_number = None;
    invoice.draft.buyer.address = Address::default();
    invoice.draft.reference = None;
    invoice.draft.payment_term = 0;
    let words = booked("zero", &with_lines(invoice, vec![line("Gratis måned", 0)])).words();
    assert_has(
        &words,
        &["Åse Øster", "Gratis måned", "I alt DKK 0,00", "Der er intet at betale.", "Netto kontant"],
    );
    assert_eq!(words.matches("CVR").count(), 2, "the seller's, above and below: {words}");

    let empty = booked("no-lines", &with_lines(sample::invoice("INV-0000011"), Vec::new())).words();
    assert_has(&empty, &["I alt DKK 0,00", "Side 1 af 1"]);
}

#[test]
fn automatic_collection_paid_and_partly_paid_change_the_words() {
    let (invoice, tenant) = (one_page(), tenant());
    let document = InvoiceDocument::booked(&invoice, &tenant);
    let words =
        |document: &InvoiceDocument| Paper::of("paid", &RENDERER.render_invoice(document).unwrap()).words();
    let automatic = words(&document.with_collection(Collection::Automatic));
    assert!(automatic.contains("opkræves automatisk") && !automatic.contains("IBAN"));
    let mut settlement = Settlement::open(InvoiceStatus::Booked);
    settlement.settled_minor = 50_000;
    assert_has(
        &words(&document.with_settlement(&settlement)),
        &["Betalt eller krediteret -500,00", "Til betaling 171,38"],
    );
    settlement.settled_minor = 67_138;
    settlement.payment_status = PaymentStatus::Paid;
    settlement.payment_date = Some(day(2026, 2, 3));
    assert_has(
        &words(&document.with_settlement(&settlement)),
        &["Betalt 3. februar 2026. Tak for betalingen."],
    );
}

#[test]
fn tax_inclusive_and_collective_lines_are_explained() {
    let mut invoice = sample::invoice("INV-0000012");
    invoice.draft.subscription = None;
    invoice.draft.subscription_number = None;
    invoice.payable_by = day(2026, 2, 20);
    let mut inclusive = line("Gavekort", 10_000);
    inclusive.tax_inclusive = true;
    let words = booked("inclusive", &with_lines(invoice, vec![inclusive])).words();
    assert_has(
        &words,
        &["Abonnement SUB-0001 · 31. januar 2026", "Pris inkl. moms 125,00", "Forfaldsdato 20. februar 2026"],
    );
}

#[test]
fn long_descriptions_and_notes_flow_over_pages() {
    let tiers: String =
        (1..=150).map(|n| format!("Trin {n}: {n}.000 kald à 0,0{} = {n},00\n", n % 9)).collect();
    let mut tenant = tenant();
    tenant.invoice_note = Some("Ved forsinket betaling beregnes rente efter renteloven. ".repeat(60));
    let paper = booked_with(
        "flow",
        &with_lines(sample::invoice("INV-0000013"), vec![tiered("API", "5", &tiers, 100)]),
        &tenant,
    );
    let words = paper.words();
    assert!((1..=150).all(|n| words.contains(&format!("Trin {n}: "))));
    assert_eq!(words.matches("efter renteloven.").count(), 60);
    assert_has(&words, &["Overføres 1,00", "Overført 1,00"]);
    assert!(paper.pages() >= 4);
}

#[test]
fn a_logo_takes_the_place_of_the_name() {
    // 2 × 1 pixels: red and teal.
    let png = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x01\x08\x02\x00\x00\x00{@\xe8\xdd\x00\x00\x00\x0fIDATx\xdac8!\xa7!\x12\x10\x03\x00\x07%\x01\xcf\xd71v\xb6\x00\x00\x00\x00IEND\xaeB`\x82";
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("invoice")).unwrap();
    std::fs::write(folder.path().join("invoice/logo.png"), png).unwrap();
    let templates = Templates::from_folder(folder.path()).unwrap();
    let renderer = Renderer::new(&templates).unwrap();
    let (invoice, tenant) = (one_page(), tenant());
    let document = InvoiceDocument::booked(&invoice, &tenant);
    let bytes = renderer.render_invoice(&document).unwrap();
    let paper = Paper::of("logo", &bytes);
    assert_eq!(paper.tool("pdfimages", &["-list"], &[]).lines().count(), 3, "two lines of head, one picture");
    assert_has(&paper.words(), &["Nordlys Cloud ApS", "I alt DKK 671,38"]);
    assert_eq!(bytes, renderer.render_invoice(&document).unwrap());
}

#[test]
fn the_same_invoice_gives_the_same_bytes_on_every_thread() {
    let (invoice, tenant) = (sample::long(30), tenant());
    let first = RENDERER.render_invoice(&InvoiceDocument::booked(&invoice, &tenant)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let again = Renderer::new(&Templates::embedded().unwrap()).unwrap();
                assert_eq!(first, again.render_invoice(&InvoiceDocument::booked(&invoice, &tenant)).unwrap());
                assert_eq!(
                    first,
                    RENDERER.render_invoice(&InvoiceDocument::booked(&invoice, &tenant)).unwrap()
                );
            });
        }
    });
    assert!(first.len() < 40_000, "{} bytes", first.len());
    assert!(String::from_utf8_lossy(&first).contains("D:20260131"), "dated by the booking");
}

#[test]
fn characters_without_a_glyph_are_named() {
    let (mut invoice, tenant) = (one_page(), tenant());
    invoice.draft.buyer.name = "寿司 ApS".to_owned();
    let document = InvoiceDocument::booked(&invoice, &tenant);
    let refused = RENDERER.render_invoice(&document).unwrap_err().to_string();
    assert!(refused.contains("`寿司 ApS`") && refused.contains("司 寿"), "{refused}");
}

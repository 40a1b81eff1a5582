//! The invoice, credit note or draft as PDF. Sums are the invoice's own; what is added up here is only the subtotal
//! that a page carries to the next.

mod closing;
mod columns;
mod flow;
mod head;
pub(crate) mod letter;
mod row;

pub(crate) use closing::in_fours;

use crate::Renderer;
use crate::error::DocumentError;
use crate::figures::Figures;
use crate::paper::{self, Align, Face, Fonts, Identity, Logo, Sheet, TextStyle};
use crate::templates::{Colour, Labels, Theme};
use chrono::NaiveDate;
use domain::Uuid;
use domain::catalogue::Tenant;
use domain::invoice::{BaseAmounts, Draft, Invoice, Settlement};
use letter::OpenItem;

/// Left edge of everything.
const LEFT: f32 = 48.0;
/// Right edge of everything.
const RIGHT: f32 = paper::WIDTH - 48.0;
/// Below this only the footer is printed.
const BOTTOM: f32 = 778.0;

/// How the invoice will be paid, which decides the words under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collection<'a> {
    /// The customer pays to the seller's account.
    #[default]
    Transfer,
    /// An online payment method is charged.
    Automatic,
    /// The bank fetches it: this is the notice that must come before (rules Y8).
    Debit(DebitNotice<'a>),
}

/// What a payer is told before the bank fetches money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebitNotice<'a> {
    /// The first day on which it may be fetched.
    pub on: NaiveDate,
    pub mandate: &'a str,
    /// The account, as far as it may be read by all.
    pub account: &'a str,
    /// The creditor identifier.
    pub creditor: &'a str,
}

/// What to print: built of domain values alone.
#[derive(Debug, Clone, Copy)]
pub struct InvoiceDocument<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) invoice: Option<&'a Invoice>,
    pub(crate) tenant: &'a Tenant,
    pub(crate) settlement: Option<&'a Settlement>,
    pub(crate) collection: Collection<'a>,
    pub(crate) data: Option<&'a str>,
    /// What reminders of it have cost and is open (rules Y9).
    pub(crate) late_charges: &'a [OpenItem],
}

impl<'a> InvoiceDocument<'a> {
    /// A booked invoice or credit note. IBAN, note and phone are the tenant's; the parties are as booked (I6).
    pub fn booked(invoice: &'a Invoice, tenant: &'a Tenant) -> Self {
        Self { invoice: Some(invoice), ..Self::draft(&invoice.draft, tenant) }
    }

    /// A draft for review: without number, and marked as a draft across every page.
    pub fn draft(draft: &'a Draft, tenant: &'a Tenant) -> Self {
        Self {
            draft,
            invoice: None,
            tenant,
            settlement: None,
            collection: Collection::default(),
            data: None,
            late_charges: &[],
        }
    }

    /// Says what has been paid or credited since: a demand is for what is open (rules Y3).
    pub fn with_settlement(self, settlement: &'a Settlement) -> Self {
        Self { settlement: Some(settlement), ..self }
    }

    /// Says how it will be paid.
    pub fn with_collection(self, collection: Collection<'a>) -> Self {
        Self { collection, ..self }
    }

    /// Carries the invoice for programs inside (Factur-X, ZUGFeRD): XML that [`crate::EInvoice::xml`] gave.
    pub fn with_data(self, xml: &'a str) -> Self {
        Self { data: Some(xml), ..self }
    }

    /// Asks for what reminders of it have cost, too (rules Y9).
    pub fn with_late_charges(self, late_charges: &'a [OpenItem]) -> Self {
        Self { late_charges, ..self }
    }

    /// `INV-0000001.pdf`, or the draft's id: safe as a file name.
    pub fn file_name(&self) -> String {
        let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        format!("{}.pdf", self.name().chars().map(safe).collect::<String>().trim_start_matches('.'))
    }

    /// The number, or the draft's id.
    pub(crate) fn name(&self) -> String {
        self.invoice.map_or_else(|| self.draft.id.to_string(), |invoice| invoice.number.clone())
    }

    pub(crate) fn base(&self) -> Option<&'a BaseAmounts> {
        self.invoice.and_then(|invoice| invoice.base.as_ref()).filter(|b| b.currency != self.draft.currency)
    }

    /// The last day to pay (rules I3): a late run overruns nobody.
    pub(crate) fn pay_by(&self) -> NaiveDate {
        self.invoice.map_or(self.draft.due_date, |invoice| invoice.payable_by)
    }

    /// Paid and credited so far, minor units.
    pub(crate) fn settled_minor(&self) -> i64 {
        self.settlement.map_or(0, |s| s.settled_minor)
    }

    /// What is still to be paid.
    pub(crate) fn open_minor(&self) -> i64 {
        self.draft.gross_minor().saturating_sub(self.settled_minor())
    }

    /// What is asked for: what is open of it, and of what its reminders have cost.
    pub(crate) fn demanded_minor(&self) -> i64 {
        self.late_charges.iter().fold(self.open_minor(), |sum, item| sum.saturating_add(item.open_minor))
    }

    /// Everything printed that is not from templates.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a str> {
        let draft = self.draft;
        let parties = [&draft.seller, &draft.buyer].into_iter().flat_map(|party| {
            let a = &party.address;
            let parts =
                [&a.line1, &a.line2, &a.postal_code, &a.city, &a.state, &a.country, &party.vat_number];
            std::iter::once(party.name.as_str()).chain(parts.into_iter().filter_map(|p| p.as_deref()))
        });
        let lines = draft.lines.iter().flat_map(|line| {
            let optional = [&line.unit, &line.discount_text, &line.subscription_number, &line.amends];
            [line.title.as_str(), line.description.as_str()]
                .into_iter()
                .chain(optional.into_iter().filter_map(|t| t.as_deref()))
        });
        let rest = [
            draft.reference.as_deref(),
            draft.seller.email.as_deref(),
            self.tenant.note(&draft.language),
            self.tenant.paper.registration.as_deref(),
            self.tenant.phone.as_deref(),
            draft.subscription_number.as_deref(),
            self.invoice.and_then(|invoice| invoice.base.as_ref()).map(|base| base.rate_source.as_str()),
            self.invoice.map(|invoice| invoice.number.as_str()),
        ];
        let rest = rest.into_iter().flatten().chain([draft.account_number.as_str()]);
        let rest = rest.chain(draft.credits.iter().map(String::as_str));
        parties.chain(lines).chain(rest)
    }
}

/// What every part of the page needs.
struct Layout<'a> {
    document: &'a InvoiceDocument<'a>,
    draft: &'a Draft,
    labels: &'a Labels,
    figures: Figures<'a>,
    theme: &'a Theme,
    fonts: &'a Fonts,
    logo: Option<&'a Logo>,
    /// Of a letter that is no invoice.
    heading: Option<Heading>,
}

/// What a letter has in the place of an invoice's title and facts.
struct Heading {
    title: String,
    number: String,
    /// Its day.
    on: NaiveDate,
    facts: Vec<(String, String)>,
}

impl<'a> Layout<'a> {
    fn of(renderer: &'a Renderer, document: &'a InvoiceDocument<'a>, heading: Option<Heading>) -> Self {
        let labels = renderer.templates.labels(&document.draft.language);
        Self {
            document,
            draft: document.draft,
            labels,
            figures: Figures::of(labels),
            theme: &renderer.templates.theme,
            fonts: &renderer.fonts,
            logo: renderer.logo.as_ref(),
            heading,
        }
    }

    fn plain(&self, size: f32) -> TextStyle {
        TextStyle { face: Face::Regular, size, colour: self.theme.ink }
    }

    fn strong(&self, size: f32) -> TextStyle {
        TextStyle { face: Face::Bold, size, colour: self.theme.ink }
    }

    fn muted(&self, size: f32) -> TextStyle {
        TextStyle { face: Face::Regular, size, colour: self.theme.muted }
    }

    fn accent(&self, size: f32) -> TextStyle {
        TextStyle { face: Face::Bold, size, colour: self.theme.accent }
    }

    fn title(&self) -> &str {
        if let Some(heading) = &self.heading {
            return &heading.title;
        }
        if self.draft.is_credit_note { &self.labels.words.credit_note } else { &self.labels.words.invoice }
    }

    /// The number, or the word for a draft.
    fn number(&self) -> &str {
        match (&self.heading, self.document.invoice) {
            (Some(heading), _) => &heading.number,
            (None, Some(invoice)) => &invoice.number,
            (None, None) => &self.labels.words.draft,
        }
    }

    fn wrap(&self, ink: TextStyle, text: &str, width: f32) -> Vec<String> {
        self.fonts.of(ink.face).wrap(text, ink.size, width)
    }

    /// Writes wrapped lines from baseline `y`; gives the baseline after the last.
    fn lines(
        &self,
        sheet: &mut Sheet,
        ink: TextStyle,
        align: Align,
        (x, y): (f32, f32),
        lines: &[String],
        step: f32,
    ) -> f32 {
        let mut y = y;
        for line in lines {
            sheet.text(self.fonts, ink, align, (x, y), line);
            y += step;
        }
        y
    }

    /// Writes a figure so that it ends at `x`, smaller if it is wider than `width`.
    fn figure(&self, sheet: &mut Sheet, ink: TextStyle, (x, y): (f32, f32), width: f32, text: &str) {
        let natural = self.fonts.of(ink.face).width(text, ink.size);
        let size = if natural > width { ink.size * width / natural } else { ink.size };
        sheet.text(self.fonts, TextStyle { size, ..ink }, Align::Right, (x, y), text);
    }
}

/// Renders one document.
pub(crate) fn render(renderer: &Renderer, document: &InvoiceDocument) -> Result<Vec<u8>, DocumentError> {
    let layout = Layout::of(renderer, document, None);
    let on = document.invoice.map_or(layout.draft.invoice_date, |invoice| invoice.booked_on);
    save(&layout, flow::pages(&layout), (on, layout.draft.id.0))
}

/// Writes pages as a PDF that says when it was made, and which document it is.
fn save(
    layout: &Layout<'_>,
    sheets: Vec<Sheet>,
    (on, id): (NaiveDate, Uuid),
) -> Result<Vec<u8>, DocumentError> {
    let pages = sheets.len();
    let finished =
        sheets.into_iter().enumerate().map(|(page, sheet)| finish(layout, sheet, page + 1, pages)).collect();
    let title = format!("{} {}", layout.title(), layout.number());
    let identity = Identity { title, author: &layout.draft.seller.name, on, id, data: layout.document.data };
    paper::write(layout.fonts, layout.logo, &identity, finished)
        .map_err(|why| DocumentError::Pdf { document: layout.document.name(), why })
}

/// Lays the watermark under a page and the footer on it.
fn finish(layout: &Layout, content: Sheet, page: usize, pages: usize) -> Sheet {
    let mut sheet = Sheet::default();
    if layout.document.invoice.is_none() {
        let pale = Colour { red: 0xEE, green: 0xF1, blue: 0xF3 };
        sheet.watermark(layout.fonts, pale, &layout.labels.words.draft);
    }
    sheet.overlay(content);
    sheet.rule(layout.theme.rule, 0.5, (LEFT, RIGHT), 792.0);
    let words = &layout.labels.words;
    let of = words.page.replace("{page}", &page.to_string()).replace("{pages}", &pages.to_string());
    let ink = layout.muted(7.5);
    sheet.text(layout.fonts, ink, Align::Right, (RIGHT, 804.0), &of);
    let imprint = layout.wrap(ink, &head::imprint(layout), RIGHT - LEFT - 80.0);
    layout.lines(&mut sheet, ink, Align::Left, (LEFT, 804.0), &imprint[..imprint.len().min(3)], 9.5);
    sheet
}

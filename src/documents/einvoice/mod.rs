//! Invoices and credit notes for the receiver's system, as XML (rules E1 to E3). What a format's rules cannot take is told
//! before anything is written: see [`Gap`].

mod cii;
mod content;
mod gaps;
mod means;
mod national;
mod ubl;
mod xml;

use domain::catalogue::{TaxCategory, Tenant};
use domain::customer::Customer;
use domain::einvoice::{Format, Identifier, address_of_customer};
use domain::invoice::{Invoice, Party, Settlement};
use domain::period::Period;
pub use gaps::Gap;
pub(crate) use xml::escaped;

/// A booked invoice or credit note, with the book as it is now: what the document says is as booked (rules I6); where it is
/// sent, and to what account it is paid, is as of today.
#[derive(Debug, Clone, Copy)]
pub struct EInvoice<'a> {
    pub invoice: &'a Invoice,
    pub settlement: &'a Settlement,
    pub tenant: &'a Tenant,
    pub payer: &'a Customer,
}

impl EInvoice<'_> {
    /// Its XML: it asks for what is open (rules Y3).
    ///
    /// # Errors
    /// All that the format's rules would not take.
    pub fn xml(&self, format: Format) -> Result<String, Vec<Gap>> {
        let written = Written::of(self, format);
        let gaps = gaps::gaps(&written);
        match format {
            _ if !gaps.is_empty() => Err(gaps),
            Format::FacturX => Ok(cii::cii(&written)),
            Format::Peppol => Ok(ubl::ubl(&written, ubl::PEPPOL)),
            Format::XRechnung => Ok(ubl::ubl(&written, ubl::XRECHNUNG)),
        }
    }
}

/// A seller or buyer as it is written.
struct Side<'a> {
    party: &'a Party,
    /// None where no line is in the scope of VAT: it may not be told then (BR-O-02).
    vat_number: Option<String>,
    /// What a seller without a VAT number is known to the tax office by (BT-32): the number of its register.
    tax_number: Option<String>,
    address: Option<Identifier>,
    legal_id: Option<Identifier>,
}

impl Side<'_> {
    fn country(&self) -> Option<&str> {
        self.party.address.country.as_deref()
    }
}

/// All that is written, settled.
struct Written<'a> {
    format: Format,
    of: &'a EInvoice<'a>,
    seller: Side<'a>,
    buyer: Side<'a>,
    /// A credit note whose amounts are below zero; one above is an invoice to those who read it.
    is_credit: bool,
    means: Option<means::Means>,
    period: Option<Period>,
    deliver_to: Option<&'a str>,
}

impl<'a> Written<'a> {
    fn of(of: &'a EInvoice<'a>, format: Format) -> Self {
        let (draft, tenant, payer) = (&of.invoice.draft, of.tenant, of.payer);
        let is_in_scope = !has(of, TaxCategory::O);
        let side = |party: &'a Party, address: Option<Identifier>, legal_id: Option<Identifier>| Side {
            vat_number: party
                .vat_number
                .as_deref()
                .filter(|_| is_in_scope)
                .map(|number| on_the_wire(number, party)),
            tax_number: None,
            legal_id: legal_id.or_else(|| Identifier::legal_of(party.vat_number.as_deref()?)),
            party,
            address,
        };
        let own = &tenant.identifiers;
        let seller_address = own.electronic_address.clone();
        let seller_address =
            seller_address.or_else(|| Identifier::address_of(draft.seller.vat_number.as_deref()?));
        let mail = |party: &Party| {
            let is_taken = format != Format::Peppol;
            party.email.as_deref().filter(|_| is_taken).and_then(|mail| Identifier::address("EM", mail).ok())
        };
        let buyer_address = address_of_customer(payer, draft.buyer.vat_number.as_deref());
        let mut seller =
            side(&draft.seller, seller_address.or_else(|| mail(&draft.seller)), own.legal_id.clone());
        if is_in_scope && seller.vat_number.is_none() {
            seller.tax_number = seller.legal_id.as_ref().map(|id| id.value.clone());
        }
        let buyer = side(
            &draft.buyer,
            buyer_address.or_else(|| mail(&draft.buyer)),
            payer.identifiers.legal_id.clone(),
        );
        let is_credit = draft.is_credit_note && draft.gross_minor() <= 0;
        Self {
            format,
            is_credit,
            means: means::means(of, seller.country(), buyer.country(), is_credit),
            period: period(of),
            deliver_to: payer.delivery_country.as_deref().or(draft.buyer.address.country.as_deref()),
            of,
            seller,
            buyer,
        }
    }
}

impl Written<'_> {
    /// Whether both parties are in this country.
    fn is_within(&self, country: &str) -> bool {
        [self.seller.country(), self.buyer.country()] == [Some(country); 2]
    }
}

/// Whether a line has this category.
fn has(of: &EInvoice<'_>, category: TaxCategory) -> bool {
    of.invoice.draft.lines.iter().any(|line| line.tax_category == category)
}

/// VAT numbers carry no blanks or dots on the wire, and Norwegian ones the letters MVA.
fn on_the_wire(number: &str, party: &Party) -> String {
    let number: String =
        number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let is_norwegian = party.address.country.as_deref() == Some("NO") && number.len() == "NO123456789".len();
    if is_norwegian { format!("{number}MVA") } else { number }
}

/// From the first day of service to the last.
fn period(of: &EInvoice<'_>) -> Option<Period> {
    let periods = of.invoice.draft.lines.iter().map(|line| line.period).filter(|period| !period.is_empty());
    periods.reduce(|all, one| Period { start: all.start.min(one.start), end: all.end.max(one.end) })
}

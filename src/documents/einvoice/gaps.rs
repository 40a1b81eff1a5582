//! What is missing before a document is valid: everything at once, each with the place in the book where it is fixed. The
//! names of rules are those of EN 16931 and of Peppol.

use super::{Side, Written, has, national};
use domain::catalogue::TaxCategory;
use domain::einvoice::Format;
use domain::money::Currency;

/// ISO 3166 alpha-2, with Kosovo's 1A and Northern Ireland's XI, as EN 16931 lists them.
const COUNTRIES: &str = "1A AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR \
MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU \
RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG \
UM US UY UZ VA VC VE VG VI VN VU WF WS XI YE YT ZA ZM ZW";
/// Decimals that amounts have on the wire (BR-DEC).
const DECIMALS_MAX: u32 = 2;

/// Something that a format's rules ask for and the document has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where in the book it is fixed, as a JSON pointer; the invoice's own name where no book fixes it.
    pub place: String,
    pub message: String,
    /// What to do, in words.
    pub hint: Option<&'static str>,
}

impl Gap {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl Written<'_> {
    /// The place of a field of the seller.
    pub(super) fn at_seller(&self, field: &str) -> String {
        format!("/tenant/{field}")
    }

    /// The place of a field of the buyer.
    pub(super) fn at_buyer(&self, field: &str) -> String {
        format!("/customers/{}/{field}", self.of.invoice.draft.account_number)
    }

    fn at_invoice(&self) -> String {
        self.of.invoice.number.clone()
    }
}

/// All that is missing.
pub(super) fn gaps(written: &Written<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    gaps.extend(countries(written));
    gaps.extend(amounts(written));
    gaps.extend(vat(written));
    // A PDF with the invoice inside is mailed to a person: it needs no address of a network, and no national form of one.
    if written.format != Format::FacturX {
        gaps.extend(addresses(written));
        gaps.extend(national::gaps(written));
    }
    gaps
}

/// BR-09, BR-11, BR-CL-14.
fn countries(written: &Written<'_>) -> Vec<Gap> {
    const BOOKED: &str = "an invoice keeps the address that it was booked with: fix the book, then `invoices credit N --rebill` \
                          bills it again";
    let fault = |side: &Side<'_>, place: String| {
        let message = match side.country() {
            None => "is missing: every party's country is named".to_owned(),
            Some(country) if COUNTRIES.split(' ').any(|known| known == country) => return None,
            Some(country) => format!("`{country}` is no country of ISO 3166"),
        };
        Some(Gap::new(place, message).hint(BOOKED))
    };
    let seller = fault(&written.seller, written.at_seller("country"));
    seller.into_iter().chain(fault(&written.buyer, written.at_buyer("country"))).collect()
}

/// PEPPOL-EN16931-R010, R020, CL008.
fn addresses(written: &Written<'_>) -> Vec<Gap> {
    const SELLER: &str =
        "for example {\"scheme\": \"0184\", \"value\": \"DK12345678\"}, your own number in Peppol";
    const BUYER: &str = "for example {\"scheme\": \"0184\", \"value\": \"DK12345678\"}; a contact for einvoice with a gln and a VAT \
                         number will do too; without any of them the PDF is the invoice";
    let fault = |side: &Side<'_>, place: String, hint| {
        let message = match &side.address {
            None => "is missing: an electronic invoice is sent from and to an electronic address".to_owned(),
            Some(address) if written.format == Format::Peppol && !address.is_of_network() => {
                format!("`{}` is a mail address: Peppol's network has none", address.value)
            }
            Some(_) => return None,
        };
        Some(Gap::new(place, message).hint(hint))
    };
    let seller = fault(&written.seller, written.at_seller("electronicaddress"), SELLER);
    let buyer = fault(&written.buyer, written.at_buyer("electronicaddress"), BUYER);
    seller.into_iter().chain(buyer).collect()
}

/// BR-DEC: no amount has more than two decimals.
fn amounts(written: &Written<'_>) -> Vec<Gap> {
    let invoice = written.of.invoice;
    let base = invoice.base.as_ref().map(|base| base.currency);
    let mut currencies: Vec<Currency> = base.into_iter().chain([invoice.draft.currency]).collect();
    currencies.dedup();
    let fine = currencies.into_iter().filter(|currency| currency.decimals() > DECIMALS_MAX);
    let gap = |currency: Currency| {
        let message = format!(
            "amounts in {currency} have {} decimals, electronic invoices at most two",
            currency.decimals()
        );
        Gap::new(written.at_invoice(), message).hint("send the PDF")
    };
    fine.map(gap).collect()
}

/// Who must be known to the tax office for which category: BR-CO-26, BR-S-02 and its like.
fn vat(written: &Written<'_>) -> Vec<Gap> {
    const NUMBER: &str = "an invoice keeps the VAT numbers that it was booked with: fix the book, then \
                          `invoices credit N --rebill` bills it again";
    let mut gaps = Vec::new();
    let of = written.of;
    let categories = |wanted: &[TaxCategory]| wanted.iter().copied().find(|category| has(of, *category));
    if has(of, TaxCategory::O)
        && of.invoice.draft.lines.iter().any(|line| line.tax_category != TaxCategory::O)
    {
        gaps.push(
            Gap::new(written.at_invoice(), "lines outside the scope of VAT (O) stand with others (BR-O-12)")
                .hint("bill them on an invoice of their own, or by a tax rule of category E"),
        );
    }
    let (seller, buyer) = (&written.seller, &written.buyer);
    if seller.vat_number.is_none() {
        let needs_number = categories(&[TaxCategory::K, TaxCategory::G]);
        if let Some(category) = needs_number {
            let message = format!("is missing: category {} names the seller's VAT number", category.code());
            gaps.push(Gap::new(written.at_seller("companyvat"), message).hint(NUMBER));
        } else if seller.legal_id.is_none() {
            let message = "is missing: a seller without a VAT number is known by its register (BR-CO-26)";
            let hint = "for example {\"scheme\": \"0184\", \"value\": \"DK12345678\"}";
            gaps.push(Gap::new(written.at_seller("legalid"), message).hint(hint));
        }
    }
    let knows_buyer = |category| match category {
        TaxCategory::AE => buyer.vat_number.is_some() || buyer.legal_id.is_some(),
        _ => buyer.vat_number.is_some(),
    };
    let needing = categories(&[TaxCategory::AE, TaxCategory::K]);
    if let Some(category) = needing.filter(|category| !knows_buyer(*category)) {
        let message = format!("is missing: category {} names the buyer's VAT number", category.code());
        gaps.push(Gap::new(written.at_buyer("companyvat"), message).hint(NUMBER));
    }
    gaps
}

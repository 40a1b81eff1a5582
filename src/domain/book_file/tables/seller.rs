//! Tenant, business units, tax rules, rates, units of measure, families and dunning policies.

use super::Shape::*;
use super::{Table, assumed, not_used, optional, required};
use crate::book_file::content::ObjectKind;
use crate::catalogue::InvoiceDateRule;
use crate::dunning::DunningAction;
use crate::einvoice::InvoiceForm;
use crate::payment_reference::ReferenceKind;

const CATEGORIES: &[&str] = &["S", "Z", "E", "AE", "K", "G", "O"];
const RULE_TYPES: &[&str] = &["*", "business", "consumer"];

const STATUS: &[&str] = &["active", "inactive"];
const DAYS_MAX: i64 = crate::dunning::DAYS_MAX as i64;

pub(super) static TENANT: Table = Table {
    name: "tenant",
    meaning: "The one legal entity that sells.",
    fields: &[
        required("fullname", Text, "Name of the seller, on every document."),
        required("currencycode", Currency, "Base currency of the ledger; fixed once anything is billed."),
        required(
            "timezone",
            Text,
            "Zone of the IANA database in which days begin; fixed once anything is billed.",
        ),
        optional("companyvat", Text, "VAT number with its country; without one the seller bills no VAT."),
        assumed("paymentterm", Integer(-1, 90), "8", "Net days: 0, 8, 14, 21, 30, 45, 60 or 90."),
        optional("addressline1", Text, "Street and number."),
        optional("addressline2", Text, "Second line of the address."),
        optional("postalcode", Text, "Postal code."),
        optional("city", Text, "City."),
        optional("state", Text, "State or region."),
        optional("country", Text, "Two letters of ISO 3166."),
        not_used("county"),
        optional("iban", Text, "Bank account that payers transfer to."),
        optional("bic", Text, "The bank's BIC."),
        optional("creditorid", Text, "SEPA creditor identifier: direct debits are made in its name."),
        assumed(
            "debitnotice",
            Integer(1, 60),
            "14",
            "Days between an invoice and its direct debit, as agreed with payers.",
        ),
        optional("email|primaryemail", Text, "Sender of mails, and address on documents."),
        optional("phone|businessphone", Text, "Telephone number on documents."),
        optional("legalid", Object(&LEGAL_ID), "Number in a register of companies, on electronic invoices."),
        optional("electronicaddress", Object(&ELECTRONIC_ADDRESS), "Address of electronic invoices."),
        assumed(
            "invoicedaterule|invoicedate",
            Choice(InvoiceDateRule::NAMES),
            "charge_date",
            "Date of an invoice: its charge date, or a day earlier if a line is in arrears.",
        ),
        optional(
            "minimuminvoice",
            Decimal,
            "Smallest total that is invoiced; what is below joins the next invoice.",
        ),
        assumed(
            "invoicenumberpattern",
            Text,
            "INV-{seq:07}",
            "Pattern of invoice numbers: `{seq}` or `{seq:07}` once, `{year}` at most once.",
        ),
        assumed("creditnotenumberpattern", Text, "CN-{seq:07}", "Pattern of credit note numbers."),
        assumed(
            "firstinvoicenumber",
            Text,
            "the pattern with 1",
            "The first number of the series, as it will read: where another system's numbers go on.",
        ),
        assumed(
            "firstcreditnotenumber",
            Text,
            "the pattern with 1",
            "As `firstinvoicenumber`, for credit notes.",
        ),
        assumed(
            "language",
            Text,
            "en",
            "Language of documents, as `da` or `de-AT`: Danish, Dutch, English, Finnish, French, German, Norwegian (`nb`) and Swedish are built in.",
        ),
        optional("invoicenote", Note, "Text under the totals of every invoice."),
        optional(
            "invoicenotes",
            Any,
            "Notes by language, in place of `invoicenote`: `{\"de\": \"Es gelten unsere AGB.\"}`.",
        ),
        optional(
            "registration",
            Text,
            "In the foot of each page: what the law wants named besides numbers, as `HRB 12345, Amtsgericht Hamburg`, `Foretaksregisteret`, `Godkänd för F-skatt`.",
        ),
        assumed(
            "invoiceform",
            Choice(InvoiceForm::NAMES),
            "pdf",
            "What is mailed to customers who do not say: a PDF, or one with the invoice as data inside (Factur-X, ZUGFeRD).",
        ),
        assumed(
            "paymentreference",
            Choice(ReferenceKind::NAMES),
            "the invoice's number",
            "What payers state with a transfer: a creditor reference RF (ISO 11649), the Danish line +71, a Norwegian KID (modulus 10 or 11), a Swedish OCR or a Finnish reference.",
        ),
        assumed(
            "paymentreferencelength",
            Integer(1, 99),
            "10, with RF 13",
            "Length of the whole reference, as agreed with the bank.",
        ),
        optional(
            "paymentcreditor",
            Text,
            "The seller's number at the payment system: the FI creditor number of +71, a bankgiro.",
        ),
        assumed(
            "accounts",
            Any,
            "the built-in chart",
            "What is changed of the chart of accounts: an account code by role (`receivable`, `revenue`, …), `vat` by category and rate (`S25`, `S19@DE`), `revenue_by_sku`, `revenue_by_plan`, `revenue_by_country` (`SE`, `EU`, `world`), `clearing_by_gateway`, and `defer` (true spreads revenue over its period).",
        ),
        not_used("id"),
        not_used("note"),
        not_used("description"),
    ],
};

pub(super) static LEGAL_ID: Table = Table {
    name: "legalid",
    meaning: "A number in a register of companies. Without one it follows from a Danish, Swedish, Norwegian, Finnish, Belgian or French VAT number.",
    fields: &[
        required(
            "scheme",
            Text,
            "Four digits of ISO 6523: `0184` is the Danish CVR, `0192` the Norwegian register.",
        ),
        required("value", Text, "The number, without blanks."),
    ],
};

pub(super) static ELECTRONIC_ADDRESS: Table = Table {
    name: "electronicaddress",
    meaning: "Where electronic invoices are sent. Without one a customer's is the `gln` of a contact for `einvoice`, or follows from the VAT number.",
    fields: &[
        required(
            "scheme",
            Text,
            "Of Peppol's list: `0088` is a GLN, `0184` the Danish CVR, `9930` a German VAT number; `EM`, a mail address, for XRechnung alone.",
        ),
        required("value", Text, "The identifier, without blanks."),
    ],
};

pub(super) static BUSINESS_UNIT: Table = Table {
    name: "businessunit",
    meaning: "A branch of the tenant.",
    fields: &[
        required("refkey", Text, "Name by which others refer to it."),
        assumed("fullname", Text, "refkey", "Name for people."),
        optional("accountingcode", Text, "Printed on ledger lines."),
        assumed("timezone", Text, "the tenant's", "Zone of its payers' days; fixed once anything is billed."),
        assumed(
            "invoicenumberpattern",
            Text,
            "the tenant's series",
            "A unit with a pattern has a series of its own.",
        ),
        assumed(
            "creditnotenumberpattern",
            Text,
            "the tenant's series",
            "As `invoicenumberpattern`, for credit notes.",
        ),
        assumed(
            "firstinvoicenumber",
            Text,
            "the pattern with 1",
            "The first number of the unit's own series, as it will read.",
        ),
        assumed(
            "firstcreditnotenumber",
            Text,
            "the pattern with 1",
            "As `firstinvoicenumber`, for credit notes.",
        ),
        optional("accounts", TextsByName, "Accounts of the tenant's chart that it replaces: from, to."),
        optional(
            "dunningpolicy|dunningscheme",
            Reference(ObjectKind::DunningPolicy),
            "Policy for its payers' invoices.",
        ),
        assumed(
            "paymentreference",
            Choice(ReferenceKind::NAMES),
            "the tenant's",
            "As the tenant's, with the two fields below.",
        ),
        assumed("paymentreferencelength", Integer(1, 99), "10, with RF 13", "As the tenant's."),
        optional("paymentcreditor", Text, "As the tenant's."),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

pub(super) static TAX_RULE: Table = Table {
    name: "taxrule",
    meaning: "A rate of VAT and whom it concerns, dated. Its key is made of name, country, state, type and first day.",
    fields: &[
        required("fullname", Text, "Name of the rule."),
        assumed("country", Text, "*", "Two letters of ISO 3166, or `*` for any."),
        assumed("state", Text, "*", "State, or `*` for any."),
        assumed("ruletype", Choice(RULE_TYPES), "*", "Buyers with a VAT number, without one, or any."),
        assumed("priority", Integer(0, 1_000_000), "0", "The lowest wins; ties go to the more exact match."),
        assumed(
            "taxpct",
            Decimal,
            "0 with a category other than `S`",
            "Percent: 25 is 25 %; needed for category `S`.",
        ),
        assumed("category", Choice(CATEGORIES), "S, or Z at 0 %", "VAT category of EN 16931."),
        optional("validfrom", Date, "First day on which it holds."),
        optional("validto", Date, "First day on which it no longer holds."),
        optional("reason", Text, "Printed where no VAT is charged."),
        not_used("id"),
    ],
};

pub(super) static RATE: Table = Table {
    name: "rate",
    meaning: "An exchange rate for reporting. Prices are never converted. Its key is currency and date.",
    fields: &[
        required("currencycode", Currency, "The foreign currency."),
        required("date", Date, "Day of the rate."),
        required("rate|exchangerate", Decimal, "Units of the base currency for one unit."),
        optional("source", Text, "Who says so, for example ECB."),
    ],
};

pub(super) static UOM: Table = Table {
    name: "uom",
    meaning: "A unit of measure, printed beside quantities.",
    fields: &[
        required("refkey", Text, "Name by which charges refer to it."),
        assumed("fullname", Text, "refkey", "What is printed."),
        not_used("pluralname"),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

pub(super) static PRODUCT_FAMILY: Table = Table {
    name: "productfamily",
    meaning: "A group of plans.",
    fields: &[
        required("refkey", Text, "Name by which plans refer to it."),
        assumed("fullname", Text, "refkey", "Name for people."),
        not_used("description"),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

pub(super) static DUNNING_POLICY: Table = Table {
    name: "dunningpolicy",
    meaning: "What happens to invoices that are not paid, day by day.",
    fields: &[
        required("refkey", Text, "Name by which units and plans refer to it."),
        assumed("fullname", Text, "refkey", "Name for people."),
        assumed("default", Boolean, "false", "Used where no other is named."),
        assumed("manual", Boolean, "false", "Also for invoices that no provider collects."),
        required("steps", List(&DUNNING_STEP), "In the order of their days; one is taken a day."),
        not_used("description"),
        not_used("note"),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

static DUNNING_STEP: Table = Table {
    name: "step",
    meaning: "One step of a dunning policy.",
    fields: &[
        required("days", Integer(0, DAYS_MAX), "Days after the due date."),
        required("action", Choice(DunningAction::NAMES), "What is done."),
        optional(
            "fee",
            Amounts,
            "Of a `mail`: what the reminder costs, by the invoice's currency; an invoice of its own.",
        ),
        assumed("feetext", Text, "Reminder fee", "What the fee is called on that invoice."),
        optional(
            "interest",
            Decimal,
            "Of a `mail`: percent a year of what is open, from the due date on: 8.15 is 8.15 %.",
        ),
        assumed("interesttext", Text, "Interest on late payment", "What the interest is called."),
    ],
};

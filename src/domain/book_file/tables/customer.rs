//! Customers with their contacts and payment methods.

use super::Shape::*;
use super::{Table, assumed, not_used, optional, plan, required, seller};
use crate::book_file::content::ObjectKind;
use crate::customer::Delivery;
use crate::direct_debit::Scheme;
use crate::einvoice::InvoiceForm;

const STATUS: &[&str] = &["active", "inactive"];

pub(super) static CUSTOMER: Table = Table {
    name: "customer",
    meaning: "Who owns subscriptions and, unless a parent is billed, who pays.",
    fields: &[
        required("accountnumber", Text, "Name by which others refer to it; never changes."),
        required("fullname", Text, "Name on documents."),
        optional("companyname", Text, "Second name on documents."),
        optional(
            "companyvat",
            Text,
            "VAT number with its country: makes a business of the customer. Leave it out of who has none.",
        ),
        optional("refkey", Text, "Another name by which it may be referred to."),
        assumed(
            "currencycode",
            Currency,
            "the tenant's",
            "Currency in which it is billed where the plan has it.",
        ),
        assumed("autobill", Boolean, "true", "false leaves invoices as drafts for review."),
        assumed("paymentterm", Integer(-1, 90), "the tenant's", "Net days: 0, 8, 14, 21, 30, 45, 60 or 90."),
        optional("addressline1", Text, "Street and number."),
        optional("addressline2", Text, "Second line of the address."),
        optional("postalcode", Text, "Postal code."),
        optional("city", Text, "City."),
        optional("state", Text, "State or region."),
        optional("country", Text, "Two letters of ISO 3166; decides about VAT."),
        not_used("county"),
        optional("primaryemail|email", Text, "Where invoices go if no contact is for them."),
        assumed(
            "invoiceform",
            Choice(InvoiceForm::NAMES),
            "the tenant's",
            "What is mailed: a PDF, or one with the invoice as data inside (Factur-X, ZUGFeRD).",
        ),
        assumed("delivery", Choice(Delivery::NAMES), "mail", "`none` mails nothing."),
        optional("businessphone|phone", Text, "Telephone number."),
        optional(
            "businessunit|businessunitid",
            Reference(ObjectKind::BusinessUnit),
            "Branch that serves it.",
        ),
        assumed("collectivebilling", Boolean, "false", "One invoice for all that is due on a day."),
        optional("parent|parentid", Reference(ObjectKind::Customer), "Customer above it."),
        assumed("billtoparent", Boolean, "false", "The parent pays."),
        optional("ourreference", Text, "Printed on invoices."),
        optional(
            "legalid",
            Object(&seller::LEGAL_ID),
            "Number in a register of companies, on electronic invoices.",
        ),
        optional(
            "electronicaddress",
            Object(&seller::ELECTRONIC_ADDRESS),
            "Where electronic invoices are sent.",
        ),
        optional(
            "buyerreference",
            Text,
            "What the buyer's system routes an electronic invoice by, as a German Leitweg-ID.",
        ),
        assumed(
            "deliverycountry",
            Text,
            "the address's",
            "Country that is delivered to, on electronic invoices: two letters of ISO 3166.",
        ),
        assumed("language", Text, "the tenant's", "Language of its documents, as the tenant's."),
        optional("discount", TextOr(&plan::MARK), "Discount code that it enjoys, with its first day."),
        optional("contacts", List(&CONTACT), "People and addresses."),
        optional("paymentmethods", List(&PAYMENT_METHOD), "Ways to pay."),
        not_used("id"),
        not_used("note"),
        not_used("homephone"),
        not_used("mobilephone"),
        not_used("fax"),
        assumed("status", Choice(STATUS), "active", "`inactive`: what uses it goes on, and nothing new may."),
    ],
};

static CONTACT: Table = Table {
    name: "contact",
    meaning: "A person or address at a customer.",
    fields: &[
        required("fullname", Text, "Name."),
        optional("refkey", Text, "Another name of it."),
        optional(
            "contacttype",
            Texts,
            "What it is for: `invoice`, `delivery`, `einvoice`, or the sum of 8, 16, 32.",
        ),
        optional("gln", Text, "Global location number, for electronic invoices."),
        optional("primaryemail|email", Text, "Where mails go."),
        optional("addressline1", Text, "Street and number."),
        optional("addressline2", Text, "Second line of the address."),
        optional("postalcode", Text, "Postal code."),
        optional("city", Text, "City."),
        optional("state", Text, "State or region."),
        optional("country", Text, "Two letters of ISO 3166."),
        not_used("county"),
        not_used("id"),
        not_used("businessphone"),
        not_used("phone"),
        not_used("note"),
        not_used("homephone"),
        not_used("mobilephone"),
        not_used("fax"),
    ],
};

static PAYMENT_METHOD: Table = Table {
    name: "paymentmethod",
    meaning: "A way to pay.",
    fields: &[
        required("refkey", Text, "Name of the method, once at a customer."),
        required(
            "type|paymentmethodtype",
            Text,
            "`token` is collected by a provider, `sepa` by direct debit; `card`, `fi`, `ls`, `manual` or another word are collected elsewhere.",
        ),
        optional("gateway", Text, "Provider; needed for `token`."),
        optional("token", Text, "What the provider knows it by; needed for `token`. Never printed."),
        assumed("makedefault|isdefault", Boolean, "false", "Used unless a subscription names another one."),
        optional(
            "expires|expirydate",
            Date,
            "First day on which it is no longer valid, or the mandate has ended.",
        ),
        optional("iban", Text, "Account that `sepa` fetches from; needed for it."),
        optional("bic", Text, "BIC of its bank; none is needed within the EU."),
        optional("mandateid", Text, "Reference of the mandate, once per creditor; needed for `sepa`."),
        optional("mandatedate", Date, "Day on which the mandate was signed; needed for `sepa`."),
        assumed("mandatescheme", Choice(Scheme::NAMES), "core", "`b2b` between businesses."),
        assumed(
            "mandatesequence",
            Choice(&["recurring", "one_off"]),
            "recurring",
            "`one_off` is for one debit.",
        ),
        not_used("id"),
        not_used("fullname"),
        not_used("issuer"),
        not_used("isonline"),
    ],
};

//! The fields of every object of the book, once: what the reference page and the JSON Schema are made of, which name a field
//! goes by when it has several, and what words of other systems are called here. A test compares them with what the
//! readers ask for.

mod customer;
mod plan;
mod seller;
mod subscription;
mod words;

pub(super) use words::our_word;

use super::content::ObjectKind;
use super::fields::is_named;

/// The fields of one object, or of a part of one.
#[derive(Debug)]
pub struct Table {
    /// What one such object is called.
    pub name: &'static str,
    pub meaning: &'static str,
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// `name` or `name|other name`, as readers ask for it.
    pub(super) names: &'static str,
    pub shape: Shape,
    pub default: FieldDefault,
    pub meaning: &'static str,
}

/// What a field is when it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldDefault {
    /// It may not be left out.
    Required,
    /// Nothing is assumed.
    Nothing,
    /// This is assumed, in words.
    Is(&'static str),
    /// The field is read and not used: other systems write it.
    NotUsed,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text of one line, up to 255 bytes.
    Text,
    /// A text that may have several lines, up to 4,000 bytes.
    Note,
    Boolean,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A decimal: a string, or a number where that is exact.
    Decimal,
    /// A local date.
    Date,
    /// A code of ISO 4217.
    Currency,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// The name of another object: its natural key, refkey or id.
    Reference(ObjectKind),
    /// Texts as a list, or one text with commas.
    Texts,
    /// Lists of texts by name.
    TextsByName,
    /// Amounts by currency, or one amount in the plan's currency.
    Amounts,
    /// An object of these fields.
    Object(&'static Table),
    /// An object of these fields, or a text that stands for its first.
    TextOr(&'static Table),
    /// A list of objects of these fields.
    List(&'static Table),
    /// Anything; it is not looked at, or described elsewhere.
    Any,
}

impl Field {
    /// The name that documents and messages use.
    pub fn name(&self) -> &'static str {
        self.names.split('|').next().unwrap_or(self.names)
    }

    /// Other names under which the field is read.
    pub fn other_names(&self) -> impl Iterator<Item = &'static str> {
        self.names.split('|').skip(1)
    }
}

const fn required(names: &'static str, shape: Shape, meaning: &'static str) -> Field {
    Field { names, shape, default: FieldDefault::Required, meaning }
}

const fn optional(names: &'static str, shape: Shape, meaning: &'static str) -> Field {
    Field { names, shape, default: FieldDefault::Nothing, meaning }
}

const fn assumed(names: &'static str, shape: Shape, default: &'static str, meaning: &'static str) -> Field {
    Field { names, shape, default: FieldDefault::Is(default), meaning }
}

const fn not_used(names: &'static str) -> Field {
    Field { names, shape: Shape::Any, default: FieldDefault::NotUsed, meaning: "read and not used" }
}

/// Fields of every object that other systems set themselves.
pub(super) const SET_BY_SERVERS: [&str; 5] = ["id", "createdby", "createddate", "modifiedby", "modifieddate"];

impl ObjectKind {
    /// The fields of its objects.
    pub fn table(self) -> &'static Table {
        match self {
            Self::Tenant => &seller::TENANT,
            Self::DunningPolicy => &seller::DUNNING_POLICY,
            Self::BusinessUnit => &seller::BUSINESS_UNIT,
            Self::TaxRule => &seller::TAX_RULE,
            Self::Rate => &seller::RATE,
            Self::Uom => &seller::UOM,
            Self::ProductFamily => &seller::PRODUCT_FAMILY,
            Self::ProductPlan => &plan::PLAN,
            Self::Discount => &plan::DISCOUNT,
            Self::Customer => &customer::CUSTOMER,
            Self::Subscription => &subscription::SUBSCRIPTION,
        }
    }
}

impl Table {
    /// The field of this name, in any case.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| is_named(field.names, key))
    }
}

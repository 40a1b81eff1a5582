//! The boxes of a VAT return, as a table that an accountant can change: each sale goes to the first line that it matches
//! (rules L6).

use crate::catalogue::TaxCategory;
use crate::tax::is_in_union;
use rust_decimal::Decimal;

/// What was sold to one kind of buyer at one rate, in minor units of the base currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The buyer's country; home if the invoice has none.
    pub country: Option<String>,
    /// The buyer has a VAT number.
    pub is_business: bool,
    pub category: TaxCategory,
    /// Percent.
    pub rate_pct: Decimal,
    pub net_minor: i128,
    pub vat_minor: i128,
}

/// What a box holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    Net,
    Vat,
    Both,
    /// The VAT of these boxes.
    Sum(Vec<String>),
}

/// Where the buyer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuyerPlace {
    Any,
    Home,
    /// Another member state.
    Union,
    /// Outside the Union, and not at home.
    World,
    Country(String),
}

/// Who buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buyer {
    Any,
    Business,
    Consumer,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    name: String,
    text: String,
    amount: Amount,
    categories: Vec<TaxCategory>,
    /// Percent; empty = every rate.
    rates: Vec<Decimal>,
    place: BuyerPlace,
    buyer: Buyer,
}

/// The table of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxTable(Vec<Rule>);

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BoxFault {
    pub line: usize,
    pub what: String,
}

/// A box with what fell into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boxed {
    pub name: String,
    pub text: String,
    /// None where the box does not ask for it.
    pub net_minor: Option<i128>,
    pub vat_minor: Option<i128>,
}

/// The table that the program brings for sellers of a country.
pub fn builtin(country: &str) -> Option<&'static str> {
    match country {
        "DK" => Some(include_str!("../../../templates/vat/DK.csv")),
        "SE" => Some(include_str!("../../../templates/vat/SE.csv")),
        "NO" => Some(include_str!("../../../templates/vat/NO.csv")),
        "DE" => Some(include_str!("../../../templates/vat/DE.csv")),
        _ => None,
    }
}

impl BoxTable {
    /// Reads a table: seven fields, separated by commas or semicolons, a line of headings, `#` begins a comment.
    ///
    /// # Errors
    /// With the first line that cannot be read.
    pub fn read(text: &str) -> Result<Self, BoxFault> {
        let mut rules: Vec<Rule> = Vec::new();
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let mut lines =
            lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')).peekable();
        let separator = lines.peek().map_or(',', |(_, head)| if head.contains(';') { ';' } else { ',' });
        for (at, line) in lines.skip(1) {
            let fault = |what: String| BoxFault { line: at + 1, what };
            let fields = fields(line, separator).map_err(fault)?;
            let [name, text, amount, of, rates, place, buyer] = fields.as_slice() else {
                return Err(fault(format!("{} fields instead of 7", fields.len())));
            };
            let rule = Rule {
                name: name.clone(),
                text: text.clone(),
                amount: read_amount(amount, of).map_err(fault)?,
                categories: if amount == "sum" { Vec::new() } else { categories(of).map_err(fault)? },
                rates: read_rates(rates).map_err(fault)?,
                place: read_place(place).map_err(fault)?,
                buyer: read_buyer(buyer).map_err(fault)?,
            };
            if let Amount::Sum(boxes) = &rule.amount
                && let Some(missing) = boxes.iter().find(|name| !rules.iter().any(|r| r.name == **name))
            {
                return Err(fault(format!("there is no box `{missing}` above it")));
            }
            rules.push(rule);
        }
        match rules.is_empty() {
            true => Err(BoxFault { line: 1, what: "there is no box in the table".to_owned() }),
            false => Ok(Self(rules)),
        }
    }

    /// The boxes in the order of the table, and the sales that no line takes.
    pub fn fill(&self, home: Option<&str>, sales: &[Sale]) -> (Vec<Boxed>, Vec<Sale>) {
        let mut boxes: Vec<Boxed> = Vec::new();
        for rule in &self.0 {
            if !boxes.iter().any(|known| known.name == rule.name) {
                boxes.push(rule.empty());
            }
        }
        let mut left = Vec::new();
        for sale in sales {
            let Some(rule) = self.rule_of(home, sale) else {
                left.push(sale.clone());
                continue;
            };
            for filled in boxes.iter_mut().filter(|filled| filled.name == rule.name) {
                if matches!(rule.amount, Amount::Net | Amount::Both) {
                    *filled.net_minor.get_or_insert(0) += sale.net_minor;
                }
                if matches!(rule.amount, Amount::Vat | Amount::Both) {
                    *filled.vat_minor.get_or_insert(0) += sale.vat_minor;
                }
            }
        }
        for rule in &self.0 {
            let Amount::Sum(names) = &rule.amount else { continue };
            let parts = boxes.iter().filter(|part| names.contains(&part.name));
            let sum = parts.filter_map(|part| part.vat_minor).sum();
            boxes.iter_mut().filter(|b| b.name == rule.name).for_each(|b| b.vat_minor = Some(sum));
        }
        (boxes, left)
    }

    /// The box that takes a sale.
    pub fn box_of(&self, home: Option<&str>, sale: &Sale) -> Option<&str> {
        self.rule_of(home, sale).map(|rule| rule.name.as_str())
    }

    fn rule_of(&self, home: Option<&str>, sale: &Sale) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.takes(home, sale))
    }

    /// Whether any line of this box asks for sums of others.
    pub fn is_sum(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.name == name && matches!(rule.amount, Amount::Sum(_)))
    }
}

impl Rule {
    fn empty(&self) -> Boxed {
        let (net, vat) = match self.amount {
            Amount::Net => (Some(0), None),
            Amount::Vat | Amount::Sum(_) => (None, Some(0)),
            Amount::Both => (Some(0), Some(0)),
        };
        Boxed { name: self.name.clone(), text: self.text.clone(), net_minor: net, vat_minor: vat }
    }

    fn takes(&self, home: Option<&str>, sale: &Sale) -> bool {
        let country = sale.country.as_deref();
        let is_home = country.is_none() || country == home;
        let is_there = match &self.place {
            BuyerPlace::Any => true,
            BuyerPlace::Home => is_home,
            BuyerPlace::Union => !is_home && country.is_some_and(is_in_union),
            BuyerPlace::World => !is_home && !country.is_some_and(is_in_union),
            BuyerPlace::Country(code) => country == Some(code.as_str()),
        };
        let is_buyer = match self.buyer {
            Buyer::Any => true,
            Buyer::Business => sale.is_business,
            Buyer::Consumer => !sale.is_business,
        };
        let is_rate = self.rates.is_empty() || self.rates.contains(&sale.rate_pct.normalize());
        is_there && is_buyer && is_rate && self.categories.contains(&sale.category)
    }
}

/// Fields of a line, quoted where they hold the separator (RFC 4180).
fn fields(line: &str, separator: char) -> Result<Vec<String>, String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            letter if letter == separator && !is_quoted => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
            }
            letter => field.push(letter),
        }
    }
    if is_quoted {
        return Err("a quotation mark is open".to_owned());
    }
    fields.push(field.trim().to_owned());
    Ok(fields)
}

fn read_amount(word: &str, of: &str) -> Result<Amount, String> {
    match word {
        "net" => Ok(Amount::Net),
        "vat" => Ok(Amount::Vat),
        "both" => Ok(Amount::Both),
        "sum" => Ok(Amount::Sum(of.split('+').map(|name| name.trim().to_owned()).collect())),
        _ => Err(format!("the amount `{word}` is not net, vat, both or sum")),
    }
}

fn categories(text: &str) -> Result<Vec<TaxCategory>, String> {
    let read = |word: &str| {
        let word = word.trim();
        let category = TaxCategory::parse(word).filter(|category| category.code() == word);
        category.ok_or_else(|| format!("`{word}` is not a VAT category: S, Z, E, AE, K, G or O"))
    };
    text.split('+').map(read).collect()
}

fn read_rates(text: &str) -> Result<Vec<Decimal>, String> {
    if ["", "*"].contains(&text) {
        return Ok(Vec::new());
    }
    let read = |word: &str| {
        let rate = crate::decimal::parse(word.trim(), crate::decimal::RATE);
        rate.map(|rate| rate.normalize()).map_err(|_| format!("`{word}` is not a rate in percent"))
    };
    text.split('+').map(read).collect()
}

fn read_place(text: &str) -> Result<BuyerPlace, String> {
    match text {
        "" | "*" => Ok(BuyerPlace::Any),
        "home" => Ok(BuyerPlace::Home),
        "eu" => Ok(BuyerPlace::Union),
        "world" => Ok(BuyerPlace::World),
        code if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) => {
            Ok(BuyerPlace::Country(code.to_owned()))
        }
        _ => Err(format!("the place `{text}` is not home, eu, world, a country code or *")),
    }
}

fn read_buyer(text: &str) -> Result<Buyer, String> {
    match text {
        "" | "*" => Ok(Buyer::Any),
        "business" => Ok(Buyer::Business),
        "consumer" => Ok(Buyer::Consumer),
        _ => Err(format!("the buyer `{text}` is not business, consumer or *")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(country: &str, is_business: bool, key: (TaxCategory, i64), net_minor: i128) -> Sale {
        let (category, rate) = key;
        Sale {
            country: Some(country.to_owned()),
            is_business,
            category,
            rate_pct: Decimal::from(rate),
            net_minor,
            vat_minor: net_minor * i128::from(rate) / 100,
        }
    }

    /// (box, net, VAT) of what is not empty.
    fn filled(country: &str, sales: &[Sale]) -> Vec<(String, i128, i128)> {
        let table = BoxTable::read(builtin(country).unwrap()).unwrap();
        let (boxes, left) = table.fill(Some(country), sales);
        assert_eq!(left, [], "{country}");
        let told = |b: Boxed| (b.name, b.net_minor.unwrap_or(0), b.vat_minor.unwrap_or(0));
        boxes.into_iter().map(told).filter(|(_, net, vat)| *net != 0 || *vat != 0).collect()
    }

    #[test]
    fn each_country_has_its_boxes() {
        use TaxCategory::{AE, E, G, K, O, S, Z};
        let sales = |home: &str, rates: &[i64]| {
            let mut sales: Vec<Sale> =
                rates.iter().map(|rate| sale(home, true, (S, *rate), 10_000)).collect();
            sales.extend([
                sale("AT", true, (AE, 0), 2_000),
                sale("AT", true, (K, 0), 3_000),
                sale("US", true, (G, 0), 4_000),
                sale("AT", false, (S, 20), 5_000),
                sale(home, true, (E, 0), 600),
                sale(home, true, (Z, 0), 70),
                sale(home, true, (AE, 0), 8),
                sale("US", true, (O, 0), 9),
            ]);
            sales
        };
        let told = |list: &[(&str, i128, i128)]| -> Vec<(String, i128, i128)> {
            list.iter().map(|(name, net, vat)| ((*name).to_owned(), *net, *vat)).collect()
        };
        let oss = ("OSS", 5_000, 1_000);
        assert_eq!(
            filled("DK", &sales("DK", &[25])),
            told(&[
                oss,
                ("Salgsmoms", 0, 2_500),
                ("Rubrik B-varer", 3_000, 0),
                ("Rubrik B-ydelser", 2_000, 0),
                ("Rubrik C", 4_078, 0),
                ("-", 609, 0)
            ])
        );
        assert_eq!(
            filled("SE", &sales("SE", &[25, 12, 6])),
            told(&[
                oss,
                ("05/10", 10_000, 2_500),
                ("05/11", 10_000, 1_200),
                ("05/12", 10_000, 600),
                ("35", 3_000, 0),
                ("36", 4_000, 0),
                ("39", 2_000, 0),
                ("41", 8, 0),
                ("40", 9, 0),
                ("42", 670, 0),
                ("49", 0, 4_300)
            ])
        );
        assert_eq!(
            filled("NO", &sales("NO", &[25, 15, 12])),
            told(&[
                oss,
                ("3", 10_000, 2_500),
                ("31", 10_000, 1_500),
                ("33", 10_000, 1_200),
                ("51", 8, 0),
                ("52", 9_000, 0),
                ("5", 70, 0),
                ("6", 609, 0)
            ])
        );
        assert_eq!(
            filled("DE", &sales("DE", &[19, 7, 16])),
            told(&[
                oss,
                ("81", 10_000, 1_900),
                ("86", 10_000, 700),
                ("35/36", 10_000, 1_600),
                ("41", 3_000, 0),
                ("21", 2_000, 0),
                ("60", 8, 0),
                ("43", 4_070, 0),
                ("45", 9, 0),
                ("48", 600, 0),
                ("83", 0, 4_200)
            ])
        );
    }

    #[test]
    fn what_no_line_takes_is_left_over() {
        let table = BoxTable::read(
            "box;text;amount;categories;rates;place;buyer\nA;\"x; y\";both;S;25+12.5;home;*\n",
        );
        let table = table.unwrap();
        let sales = [
            sale("DK", true, (TaxCategory::S, 25), 100),
            sale("DK", true, (TaxCategory::S, 20), 100),
            Sale { country: None, ..sale("", false, (TaxCategory::S, 25), 50) },
        ];
        let (boxes, left) = table.fill(Some("DK"), &sales);
        assert_eq!((boxes[0].net_minor, boxes[0].text.as_str()), (Some(150), "x; y"));
        assert_eq!(left, sales[1..2]);
    }

    #[test]
    fn a_table_that_cannot_be_read_names_its_line() {
        let head = "# a remark\nbox,text,amount,categories,rates,place,buyer\n";
        for (line, what) in [
            ("A,x,both,S,25,home", "6 fields"),
            ("A,x,all,S,25,home,*", "`all`"),
            ("A,x,net,X,25,home,*", "`X`"),
            ("A,x,net,S,a,home,*", "`a`"),
            ("A,x,net,S,25,here,*", "`here`"),
            ("A,x,net,S,25,home,all", "`all`"),
            ("A,x,sum,B,,,", "`B`"),
            ("A,\"x,net,S,25,home,*", "quotation"),
        ] {
            let fault = BoxTable::read(&format!("{head}{line}\n")).unwrap_err();
            assert!(fault.line == 3 && fault.what.contains(what), "{fault}");
        }
        assert!(BoxTable::read("").is_err());
    }
}

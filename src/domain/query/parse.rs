//! From the text of `$filter`, `$orderby`, `$select` and `$expand` to trees over an [`Entity`].

use super::lex::{Token, What, lex};
use super::{Comparison, Entity, Filter, Function, Kind, Operand, OrderKey, Path, Quantifier, Test, Value};
use crate::book_file::nearest;

/// Bytes of one text.
const TEXT_MAX: usize = 4 * 1024;
/// Conditions and operands of a filter.
const NODES_MAX: usize = 100;
const DEPTH_MAX: usize = 10;
/// Keys of an order.
const KEYS_MAX: usize = 5;

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte of the text.
    pub at: usize,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a filter; none if the text is blank.
pub fn filter(text: &str, entity: &'static Entity) -> Result<Option<Filter>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut parser = Parser::new(text, entity)?;
    let filter = parser.or(0)?;
    parser.end()?;
    Ok(Some(filter))
}

/// Reads `Name, Other desc`.
pub fn order(text: &str, entity: &'static Entity) -> Result<Vec<OrderKey>, Fault> {
    let mut keys = Vec::new();
    if text.trim().is_empty() {
        return Ok(keys);
    }
    let mut parser = Parser::new(text, entity)?;
    loop {
        let path = parser.path()?;
        let descending = parser.keyword("desc");
        if !descending {
            parser.keyword("asc");
        }
        keys.push(OrderKey { path, descending });
        if keys.len() > KEYS_MAX {
            return Err(Fault::new(0, format!("more than {KEYS_MAX} keys to order by")));
        }
        if !parser.take(&What::Comma) {
            parser.end()?;
            return Ok(keys);
        }
    }
}

/// Reads `A, B/C`: the parts of each path.
pub fn paths(text: &str) -> Vec<Vec<&str>> {
    text.split(',').map(parts).filter(|parts| !parts.is_empty()).collect()
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// A literal before it is known what it meets.
enum Half {
    Whole(Operand, Kind),
    Literal(usize, String),
    Null,
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    entity: &'static Entity,
    /// Inside `any` or `all`: the name of the variable, and what it stands for.
    inner: Option<(String, &'static Entity)>,
    nodes: usize,
}

impl Parser {
    fn new(text: &str, entity: &'static Entity) -> Result<Self, Fault> {
        if text.len() > TEXT_MAX {
            return Err(Fault::new(TEXT_MAX, format!("is longer than {TEXT_MAX} bytes")));
        }
        Ok(Self { tokens: lex(text)?, next: 0, entity, inner: None, nodes: 0 })
    }

    fn peek(&self) -> &What {
        self.tokens.get(self.next).map_or(&What::End, |token| &token.what)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |token| token.at)
    }

    fn take(&mut self, what: &What) -> bool {
        let is_it = self.peek() == what;
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, what: &What, sign: &str) -> Result<(), Fault> {
        if self.take(what) { Ok(()) } else { Err(self.fault(format!("`{sign}` is missing"))) }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), What::Word(found) if found.eq_ignore_ascii_case(word));
        self.next += usize::from(is_it);
        is_it
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.at(), message)
    }

    fn end(&self) -> Result<(), Fault> {
        match self.peek() {
            What::End => Ok(()),
            What::Word(word) => Err(self.fault(format!("`{word}` cannot stand here"))),
            _ => Err(self.fault("something follows that means nothing")),
        }
    }

    fn node(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.fault(format!("the filter has more than {NODES_MAX} parts")));
        }
        Ok(())
    }

    fn or(&mut self, depth: usize) -> Result<Filter, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(format!("the filter is nested deeper than {DEPTH_MAX} levels")));
        }
        let mut parts = vec![self.and(depth)?];
        while self.keyword("or") {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut parts = vec![self.not(depth)?];
        while self.keyword("and") {
            parts.push(self.not(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn not(&mut self, depth: usize) -> Result<Filter, Fault> {
        self.node()?;
        match self.keyword("not") {
            true => Ok(Filter::Not(Box::new(self.term(depth)?))),
            false => self.term(depth),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Fault> {
        if self.take(&What::Open) {
            let inside = self.or(depth + 1)?;
            self.expect(&What::Close, ")")?;
            return Ok(inside);
        }
        if let Some(test) = self.test()? {
            return Ok(test);
        }
        if let Some(list) = self.list(depth)? {
            return Ok(list);
        }
        let at = self.at();
        let left = self.operand(0)?;
        let Some(comparison) = self.comparison() else {
            return match left {
                Half::Whole(Operand::Path(path), Kind::Flag) => Ok(Filter::Is(path)),
                _ => Err(self.fault("a comparison is missing").hint("eq, ne, gt, ge, lt or le")),
            };
        };
        let right = self.operand(0)?;
        let (left, right) = both(left, right, at)?;
        Ok(Filter::Compare(left, comparison, right))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const WORDS: [(&str, Comparison); 6] = [
            ("eq", Comparison::Eq),
            ("ne", Comparison::Ne),
            ("gt", Comparison::Gt),
            ("ge", Comparison::Ge),
            ("lt", Comparison::Lt),
            ("le", Comparison::Le),
        ];
        WORDS.into_iter().find(|(word, _)| self.keyword(word)).map(|(_, comparison)| comparison)
    }

    /// `startswith(a,b)` and its like.
    fn test(&mut self) -> Result<Option<Filter>, Fault> {
        let What::Word(word) = self.peek() else { return Ok(None) };
        let test = match word.to_ascii_lowercase().as_str() {
            "startswith" => Test::StartsWith,
            "endswith" => Test::EndsWith,
            "contains" | "substringof" => Test::Contains,
            _ => return Ok(None),
        };
        let is_turned = word.eq_ignore_ascii_case("substringof");
        self.next += 1;
        let at = self.at();
        self.expect(&What::Open, "(")?;
        let first = self.operand(0)?;
        self.expect(&What::Comma, ",")?;
        let second = self.operand(0)?;
        self.expect(&What::Close, ")")?;
        let text = |half: Half| match half {
            Half::Whole(operand, Kind::Text) => Ok(operand),
            Half::Literal(_, text) => Ok(Operand::Literal(Value::Text(text))),
            Half::Whole(..) | Half::Null => Err(Fault::new(at, "a text is needed here")),
        };
        let (first, second) = (text(first)?, text(second)?);
        let (whole, part) = if is_turned { (second, first) } else { (first, second) };
        // `… eq true` may follow, as some clients write it.
        let filter = Filter::Test(test, whole, part);
        if self.keyword("eq") {
            if self.keyword("true") {
                return Ok(Some(filter));
            }
            if self.keyword("false") {
                return Ok(Some(Filter::Not(Box::new(filter))));
            }
            return Err(self.fault("a test is true or false"));
        }
        Ok(Some(filter))
    }

    /// `List/any(v: …)`.
    fn list(&mut self, depth: usize) -> Result<Option<Filter>, Fault> {
        let name = match (self.peek(), self.tokens.get(self.next + 1)) {
            (What::Word(name), Some(Token { what: What::Slash, .. })) => name.clone(),
            _ => return Ok(None),
        };
        let Some(What::Word(word)) = self.tokens.get(self.next + 2).map(|token| &token.what) else {
            return Ok(None);
        };
        let quantity = match word.to_ascii_lowercase().as_str() {
            "any" => Quantifier::Any,
            "all" => Quantifier::All,
            _ => return Ok(None),
        };
        if self.inner.is_some() {
            return Err(self.fault("`any` and `all` cannot stand inside one another"));
        }
        let Some(list) = self.entity.list(&name) else {
            return Err(unknown(self.at(), &name, "list", self.entity.lists.iter().map(|(name, _)| *name)));
        };
        self.next += 3;
        self.expect(&What::Open, "(")?;
        if self.take(&What::Close) {
            return Ok(Some(Filter::Some { list, quantity, of: None }));
        }
        let variable = match (self.peek().clone(), self.tokens.get(self.next + 1).map(|token| &token.what)) {
            (What::Word(variable), Some(What::Colon)) => {
                self.next += 2;
                variable
            }
            _ => return Err(self.fault("the name of a variable is missing: `any(v: v/Name eq 'x')`")),
        };
        self.inner = Some((variable, self.entity.lists[list].1));
        let of = self.or(depth + 1)?;
        self.inner = None;
        self.expect(&What::Close, ")")?;
        Ok(Some(Filter::Some { list, quantity, of: Some(Box::new(of)) }))
    }

    fn operand(&mut self, depth: usize) -> Result<Half, Fault> {
        self.node()?;
        if depth > DEPTH_MAX {
            return Err(self.fault(format!("functions are nested deeper than {DEPTH_MAX} levels")));
        }
        let at = self.at();
        let word = match self.peek().clone() {
            What::Quoted(text) => {
                self.next += 1;
                return Ok(Half::Literal(at, text));
            }
            What::Word(word) => word,
            _ => return Err(self.fault("a property or a literal is missing")),
        };
        if self.tokens.get(self.next + 1).is_some_and(|token| token.what == What::Open) {
            return self.call(&word, depth);
        }
        if word.eq_ignore_ascii_case("null") {
            self.next += 1;
            return Ok(Half::Null);
        }
        if is_literal(&word) {
            self.next += 1;
            let number = word.trim_end_matches(['m', 'M', 'l', 'L', 'd', 'D', 'f', 'F']);
            let is_number = number.parse::<rust_decimal::Decimal>().is_ok();
            return Ok(Half::Literal(at, if is_number { number.to_owned() } else { word }));
        }
        let path = self.path()?;
        let kind = self.kind(path);
        Ok(Half::Whole(Operand::Path(path), kind))
    }

    fn call(&mut self, word: &str, depth: usize) -> Result<Half, Fault> {
        const FUNCTIONS: [(&str, Function); 10] = [
            ("tolower", Function::ToLower),
            ("toupper", Function::ToUpper),
            ("trim", Function::Trim),
            ("length", Function::Length),
            ("year", Function::Year),
            ("month", Function::Month),
            ("day", Function::Day),
            ("hour", Function::Hour),
            ("minute", Function::Minute),
            ("second", Function::Second),
        ];
        let found = FUNCTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let Some((_, function)) = found else {
            let known = FUNCTIONS.iter().map(|(name, _)| *name);
            let known = known.chain(["startswith", "endswith", "substringof", "contains"]);
            return Err(unknown(self.at(), word, "function", known));
        };
        let at = self.at();
        self.next += 2;
        let inner = self.operand(depth + 1)?;
        self.expect(&What::Close, ")")?;
        let is_of_text =
            matches!(function, Function::ToLower | Function::ToUpper | Function::Trim | Function::Length);
        let operand = match inner {
            Half::Whole(operand, Kind::Text) if is_of_text => operand,
            Half::Literal(_, text) if is_of_text => Operand::Literal(Value::Text(text)),
            Half::Whole(operand, Kind::Day | Kind::Instant) if !is_of_text => operand,
            _ => return Err(Fault::new(at, format!("`{word}` cannot be taken of this"))),
        };
        let kind = match function {
            Function::ToLower | Function::ToUpper | Function::Trim => Kind::Text,
            _ => Kind::Int,
        };
        Ok(Half::Whole(Operand::Call(*function, Box::new(operand)), kind))
    }

    fn kind(&self, path: Path) -> Kind {
        let base = if path.inner {
            self.inner.as_ref().map_or(self.entity, |(_, entity)| *entity)
        } else {
            self.entity
        };
        let entity = path.object.map_or(base, |object| base.objects[object].1);
        entity.properties[path.property].kind
    }

    /// `Property`, `Object/Property`, and `v/Property` inside a list.
    fn path(&mut self) -> Result<Path, Fault> {
        let mut at = self.at();
        let mut name = self.name()?;
        let mut entity = self.entity;
        let mut inner = false;
        if let Some((variable, of)) = &self.inner {
            if !variable.eq_ignore_ascii_case(&name) {
                let message = format!("`{name}` is not of the list: write `{variable}/{name}`");
                return Err(Fault::new(at, message));
            }
            entity = of;
            inner = true;
            self.expect(&What::Slash, "/")?;
            at = self.at();
            name = self.name()?;
        }
        let mut object = None;
        if self.take(&What::Slash) {
            let Some(found) = entity.object(&name) else {
                return Err(unknown(at, &name, "object", entity.objects.iter().map(|(name, _)| *name)));
            };
            object = Some(found);
            entity = entity.objects[found].1;
            at = self.at();
            name = self.name()?;
        }
        match entity.property(&name) {
            Some(property) => Ok(Path { inner, object, property }),
            None => Err(unknown(at, &name, "property", entity.properties.iter().map(|p| p.name))),
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek().clone() {
            What::Word(name) => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.fault("a property is missing")),
        }
    }
}

/// Numbers, true and false, GUIDs and dates without quotes.
fn is_literal(word: &str) -> bool {
    let first = word.as_bytes()[0];
    first.is_ascii_digit()
        || matches!(first, b'-' | b'+' | b'.')
        || word.eq_ignore_ascii_case("true")
        || word.eq_ignore_ascii_case("false")
        || uuid::Uuid::parse_str(word).is_ok()
}

/// Both sides of a comparison, a literal in the kind of what it meets.
fn both(left: Half, right: Half, at: usize) -> Result<(Operand, Operand), Fault> {
    let literal = |half: Half, kind: Kind| match half {
        Half::Null => Ok(Operand::Literal(Value::Null)),
        Half::Literal(at, text) => Value::read(&text, kind)
            .map(Operand::Literal)
            .ok_or_else(|| Fault::new(at, format!("`{text}` is not {}", kind.noun()))),
        Half::Whole(operand, _) => Ok(operand),
    };
    let is_number = |kind| matches!(kind, Kind::Int | Kind::Exact);
    match (left, right) {
        (Half::Whole(left, a), Half::Whole(right, b)) if a == b || (is_number(a) && is_number(b)) => {
            Ok((left, right))
        }
        (Half::Whole(_, a), Half::Whole(_, b)) => {
            Err(Fault::new(at, format!("{} cannot be compared with {}", a.noun(), b.noun())))
        }
        // Whole-number properties may be compared with fractions.
        (Half::Whole(left, kind), right) => Ok((left, literal(right, kind)?)),
        (left, Half::Whole(right, kind)) => Ok((literal(left, kind)?, right)),
        _ => Err(Fault::new(at, "one side of a comparison must be a property")),
    }
}

fn unknown<'n>(at: usize, name: &str, what: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let fault = Fault::new(at, format!("there is no {what} `{name}`"));
    match nearest(name, known) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault,
    }
}

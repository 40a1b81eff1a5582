//! Days as clients send them, and who asks on which day.

use crate::body::{Body, Faults};
use crate::call::Call;
use crate::problem::{INVALID, Problem};
use domain::book_file::Node;
use domain::{DateTime, NaiveDate};
use operations::{Act, Actor};

impl Call {
    /// Who asks, today.
    pub async fn act(&self) -> Result<Act, Problem> {
        Ok(Act { actor: self.actor(), on: self.ctx().today().await? })
    }

    pub fn actor(&self) -> Actor {
        Actor::Key(self.key.as_ref().map_or_else(|| "nobody".to_owned(), |key| key.name.clone()))
    }

    /// Who asks, on the day that the body names.
    pub async fn act_on(&self, body: Option<&Body<'_>>, names: &[&str]) -> Result<Act, Problem> {
        let mut act = self.act().await?;
        if let Some(day) = body.and_then(|body| body.get(names).map(|node| (body.at(names[0]), node))) {
            act.on = self.day(day.1, &day.0).await?;
        }
        Ok(act)
    }

    /// A day: as it is written, or the local day of an instant. Midnight in UTC is the day that is written.
    pub async fn day(&self, node: &Node, pointer: &str) -> Result<NaiveDate, Problem> {
        let text = match node {
            Node::Text(text) => text.trim(),
            other => return Err(wrong(pointer, &format!("is {}, not a day", other.noun()))),
        };
        let zone = operations::home::tenant::tenant(self.ctx()).await?.map(|tenant| tenant.timezone);
        read(text, zone).map_err(|message| wrong(pointer, &message))
    }
}

/// A day as clients write it.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str, zone: Option<chrono_tz::Tz>) -> Result<NaiveDate, String> {
    let text = text.trim();
    if let Ok(day) = text.parse() {
        return Ok(day);
    }
    let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) else {
        // Without an offset the day counts.
        let day = text.get(..10).filter(|_| matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')));
        let told = || format!("`{text}` is not a day: write 2026-01-31");
        return day.and_then(|day| day.parse().ok()).ok_or_else(told);
    };
    if at.offset().local_minus_utc() == 0 && at.time() == chrono::NaiveTime::MIN {
        return Ok(at.date_naive());
    }
    let at = at.with_timezone(&domain::Utc);
    Ok(zone.map_or_else(|| at.date_naive(), |zone| domain::zone::local_date(at, zone)))
}

fn wrong(pointer: &str, message: &str) -> Problem {
    Problem::new(INVALID, format!("{pointer}: {message}")).at(pointer, message)
}

/// The body of a verb as an object; none if nothing was sent. `bare` names the member that is meant by a text or number
/// alone.
pub fn object(node: Option<Node>, bare: &str) -> Node {
    match node {
        None => Node::Object(Vec::new()),
        Some(node @ (Node::Text(_) | Node::Number(_))) => Node::Object(vec![(bare.to_owned(), node)]),
        Some(node) => node,
    }
}

/// An amount of a body.
pub fn amount(body: &Body<'_>, names: &[&str], faults: &mut Faults) -> Option<domain::Decimal> {
    let text = body.plain(names, faults)?;
    let parsed = text.parse();
    if parsed.is_err() {
        faults.add(body.at(names[0]), INVALID.word, format!("`{text}` is not an amount"));
    }
    parsed.ok()
}

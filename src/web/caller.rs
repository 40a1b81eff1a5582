//! Who asks: the key of `Authorization: Bearer`, looked up at most once a second.

use crate::problem::{NO_KEY, Problem, SCOPE, UNKNOWN_KEY};
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use domain::api_key::Scope;
use http::{HeaderMap, header};
use operations::Context;
use operations::keys::{self, ApiKey, Checked};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A revoked key opens nothing after this time.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Keys remembered; beyond them all are looked up again.
const KNOWN_MAX: usize = 10_000;
/// Letters of what may be a key.
const KEY_MAX: usize = 1_000;

/// Keys that were found good a moment ago, by what was shown.
#[derive(Default)]
pub struct Callers(Mutex<HashMap<String, (Instant, Arc<ApiKey>)>>);

impl Callers {
    /// The key of a request.
    pub async fn find(&self, ctx: &Context, headers: &HeaderMap) -> Result<Arc<ApiKey>, Problem> {
        let Some(shown) = bearer(headers) else {
            return Err(unauthorized(Problem::new(NO_KEY, "a key is needed: `Authorization: Bearer KEY`")));
        };
        if let Some(known) = self.known(&shown) {
            return Ok(known);
        }
        let mut checked = keys::check(ctx, &shown).await?;
        if matches!(checked, Checked::Unknown)
            && let Some(inner) = decoded(&shown)
        {
            checked = keys::check(ctx, &inner).await?;
        }
        let why = match checked {
            Checked::Good(key) => return Ok(self.remember(shown, key)),
            Checked::Unknown => "nobody has this key",
            Checked::Revoked => "the key was revoked",
            Checked::Expired => "the key has expired",
        };
        Err(unauthorized(Problem::new(UNKNOWN_KEY, why)))
    }

    fn known(&self, shown: &str) -> Option<Arc<ApiKey>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(shown).filter(|(since, _)| since.elapsed() < KNOWN_FOR).map(|(_, key)| Arc::clone(key))
    }

    fn remember(&self, shown: String, key: ApiKey) -> Arc<ApiKey> {
        let key = Arc::new(key);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(shown, (Instant::now(), Arc::clone(&key)));
        key
    }
}

/// Whether the key may do what a route asks; usage is also brought in by keys that write.
pub fn insist(key: &ApiKey, scope: Scope) -> Result<(), Problem> {
    let may = |scope| key.scopes.contains(&scope);
    if may(scope) || (scope == Scope::Usage && may(Scope::Write)) {
        return Ok(());
    }
    let has: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
    let message = format!("the key `{}` has the scope {}; this needs `{scope}`", key.name, has.join(", "));
    Err(Problem::new(SCOPE, message))
}

fn unauthorized(problem: Problem) -> Problem {
    problem.header(header::WWW_AUTHENTICATE, "Bearer realm=\"tallybook\"")
}

/// What follows `Bearer`, the scheme in any case.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, shown) = text.split_once(' ')?;
    let shown = shown.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !shown.is_empty() && shown.len() <= KEY_MAX)
        .then(|| shown.to_owned())
}

/// A key inside base64, of either alphabet, padded or not: Upodi's clients send it so.
fn decoded(shown: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engines = [&alphabet::STANDARD, &alphabet::URL_SAFE].map(|a| GeneralPurpose::new(a, config));
    let bytes = engines.iter().find_map(|engine| engine.decode(shown).ok())?;
    String::from_utf8(bytes).ok().filter(|key| key.len() <= KEY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_read_in_any_case_and_base64_in_either_alphabet() {
        for (text, found) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            assert_eq!(bearer(&headers).as_deref(), found, "{text}");
        }
        for text in ["dGFsbHk/Pz8+", "dGFsbHk_Pz8-"] {
            assert_eq!(decoded(text).as_deref(), Some("tally???>"), "{text}");
        }
        assert_eq!(decoded("YQ").as_deref(), Some("a"));
        assert_eq!(decoded("YQ==").as_deref(), Some("a"));
        assert_eq!(decoded("not base64!"), None);
    }
}

//! The page of a run's reconciliation, for people: one file, no script, nothing loaded from elsewhere.

use crate::error::TemplateError;
use serde::Serialize;

const FILE: &str = "report/run.html.j2";
const TEMPLATE: &str = include_str!("../../templates/report/run.html.j2");

/// Fills the page with the values of `runs report --format json`.
///
/// # Errors
/// If the values have not the form that the template asks for.
pub fn run_page(report: &impl Serialize) -> Result<String, TemplateError> {
    let mut engine = minijinja::Environment::new();
    engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // The ending of the name decides that values are escaped.
    engine.add_template("run.html", TEMPLATE).map_err(|e| TemplateError::broken(FILE, e))?;
    let template = engine.get_template("run.html").map_err(|e| TemplateError::broken(FILE, e))?;
    template.render(minijinja::value::Serde(report)).map_err(|e| TemplateError::broken(FILE, e))
}

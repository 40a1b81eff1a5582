//! `runs reverse`: shows in numbers what is done and what cannot be undone, and asks before it does it.

use super::operate::{self, unexpected};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Output, amount, grouped};
use domain::NaiveDate;
use operations::runs::requests::{Answer, Verb};
use operations::runs::reverse::{self, Reversal, Reversed, Weight};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal};
use store::run::Run;

/// The verb's arguments.
pub(super) struct Asked {
    pub preview: bool,
    pub yes: bool,
    pub rebill: bool,
    pub mail: bool,
    pub as_of: Option<NaiveDate>,
}

/// Weighs, asks, reverses.
pub(super) async fn run(app: &App, name: &str, asked: &Asked, output: &Output) -> Result<Exit, Failure> {
    let found = super::find(app, name).await?;
    if !found.state.is_finished() {
        let state = found.state.name();
        return Err(Failure::input("wrong_state", format!("run {name} is {state} and cannot be reversed"))
            .hint("let it finish with `tallybook run`, or drop it with `tallybook runs cancel`"));
    }
    let on = match asked.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let reversal = Reversal { on, rebill: asked.rebill, mail: asked.mail };
    let weight = reverse::weigh(&app.ctx, &found).await?;
    if asked.preview {
        if output.is_json() {
            output.document(&document(&found, &reversal, &weight));
        } else {
            people(&found, &reversal, &weight, &|text| output.line(text));
        }
        return Ok(Exit::Done);
    }
    if !asked.yes {
        confirm(&found, &reversal, &weight, output)?;
    }
    let done = operate::ask(app, &found, &Verb::Reverse(reversal.clone()), output).await?;
    drop(done.lock);
    let Answer::Reversed(reversed) = done.answer else { return Err(unexpected()) };
    Ok(answer(&found, &reversal, &reversed, output))
}

/// Nothing is taken back that somebody has not agreed to with the numbers before them.
fn confirm(run: &Run, reversal: &Reversal, weight: &Weight, output: &Output) -> Result<(), Failure> {
    people(run, reversal, weight, &|text| output.say(text));
    let told = in_words(weight);
    let refused = Failure::input(
        "not_confirmed",
        format!("taking back run {} would mean {told}, and nobody has agreed to it", run.ordinal),
    )
    .hint(format!(
        "look with `tallybook runs reverse {0} --preview`, then `tallybook runs reverse {0} --yes`",
        run.ordinal
    ));
    if output.is_json() || !std::io::stdin().is_terminal() {
        return Err(refused);
    }
    output.say(&format!("type {} to take the run back:", run.ordinal));
    let mut typed = String::new();
    drop(std::io::stdin().lock().read_line(&mut typed));
    if typed.trim() == run.ordinal.to_string() { Ok(()) } else { Err(refused) }
}

fn in_words(weight: &Weight) -> String {
    let mut parts: Vec<String> = weight
        .currencies
        .iter()
        .map(|(currency, w)| {
            let (gross, paid) = (amount(w.gross_minor, *currency), amount(w.paid_minor, *currency));
            format!(
                "{} credit note(s) over {gross} {currency} of which {paid} {currency} is paid",
                grouped(w.invoices)
            )
        })
        .collect();
    parts.push(format!("{} mail(s) that are out", grouped(weight.mailed)));
    parts.push(format!("{} ledger entries that were exported", grouped(weight.exported_entries)));
    parts.join(", ")
}

fn people(run: &Run, reversal: &Reversal, weight: &Weight, tell: &dyn Fn(&str)) {
    tell(&format!(
        "taking back run {} as of {}, with credit notes of {}:",
        run.ordinal, run.as_of, reversal.on
    ));
    for (currency, w) in &weight.currencies {
        tell(&format!(
            "  {currency}: {} credit note(s) over {}; {} invoice(s) are credited already",
            grouped(w.invoices),
            amount(w.gross_minor, *currency),
            grouped(w.already)
        ));
    }
    tell("what cannot be undone:");
    for (currency, w) in weight.currencies.iter().filter(|(_, w)| w.paid_minor != 0) {
        tell(&format!(
            "  {} {currency} is paid, and is owed to the payers then",
            amount(w.paid_minor, *currency)
        ));
    }
    tell(&format!("  {} mail(s) with these invoices are out", grouped(weight.mailed)));
    tell(&format!("  {} ledger entries were exported", grouped(weight.exported_entries)));
    tell(if reversal.mail {
        "the credit notes are mailed"
    } else {
        "the credit notes are not mailed (--mail)"
    });
    tell(if reversal.rebill {
        "what it billed is due again"
    } else {
        "what it billed is not due again (--rebill)"
    });
}

fn document(run: &Run, reversal: &Reversal, weight: &Weight) -> Value {
    let text = |minor: i128, currency| amount(minor, currency).replace(' ', "");
    let currencies: Vec<Value> = weight
        .currencies
        .iter()
        .map(|(currency, w)| {
            json!({"currency": currency, "creditnotes": w.invoices, "gross": text(w.gross_minor, *currency),
                   "paid": text(w.paid_minor, *currency), "already": w.already})
        })
        .collect();
    json!({"run": run.ordinal, "on": reversal.on, "rebill": reversal.rebill, "mail": reversal.mail, "currencies": currencies,
           "mailed": weight.mailed, "exportedentries": weight.exported_entries})
}

fn answer(run: &Run, reversal: &Reversal, reversed: &Reversed, output: &Output) -> Exit {
    if output.is_json() {
        let refused: Vec<Value> =
            reversed.refused.iter().map(|(n, why)| json!({"invoice": n, "reason": why})).collect();
        output.document(&json!({
            "run": run.ordinal, "creditnotes": reversed.notes, "already": reversed.already,
            "leftalone": reversed.left_alone, "reopened": reversed.reopened, "mails": reversed.mails,
            "unmailed": reversed.unmailed, "refused": refused,
        }));
    } else {
        output.line(&format!(
            "run {} is taken back: {} credit note(s) made, {} mailed, {} invoice(s) were credited before, {} had nothing to credit",
            run.ordinal, reversed.notes, reversed.mails, reversed.already, reversed.left_alone
        ));
        if reversal.rebill {
            let (lines, on) = (reversed.reopened, reversal.on);
            output
                .line(&format!("{lines} billed line(s) are due again from {on}: `tallybook run` bills them"));
        }
        for (number, why) in &reversed.refused {
            output.say(&format!("{number}: {why}"));
        }
        for why in &reversed.unmailed {
            output.say(&format!("not mailed: {why}"));
        }
    }
    if reversed.refused.is_empty() && reversed.unmailed.is_empty() { Exit::Done } else { Exit::SetAside }
}

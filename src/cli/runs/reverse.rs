//! `runs reverse`: shows in numbers what is done and what cannot be undone, and asks before it does it.

use super::operate::{self, unexpected};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Output, grouped, total};
use domain::NaiveDate;
use operations::runs::requests::{Answer, Verb};
use operations::runs::reverse::{self, Reversal, ReversalWeighed, ReversedView};
use std::io::{BufRead, IsTerminal};

/// The verb's arguments.
pub(super) struct ReverseArgs {
    pub preview: bool,
    pub yes: bool,
    pub rebill: bool,
    pub mail: bool,
    pub as_of: Option<NaiveDate>,
}

/// Weighs, asks, reverses.
pub(super) async fn run(
    app: &App,
    name: &str,
    asked: &ReverseArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let on = match asked.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let reversal = Reversal { on, rebill: asked.rebill, mail: asked.mail };
    let weighed = reverse::weigh(&app.ctx, name, &reversal).await?;
    if asked.preview {
        if output.is_json() {
            output.document(&weighed);
        } else {
            people(&weighed, &|text| output.line(text));
        }
        return Ok(Exit::Done);
    }
    if !asked.yes {
        confirm(&weighed, output)?;
    }
    let done = operate::ask(app, name, &Verb::Reverse(reversal.clone()), output).await?;
    drop(done.lock);
    let Answer::Reversed(reversed) = done.answer else { return Err(unexpected()) };
    Ok(answer(&ReversedView::of(done.asked.ordinal, reversed), &reversal, output))
}

/// Nothing is taken back that somebody has not agreed to with the numbers before them.
fn confirm(weighed: &ReversalWeighed, output: &Output) -> Result<(), Failure> {
    people(weighed, &|text| output.say(text));
    let (run, told) = (weighed.run, in_words(weighed));
    let refused = Failure::input(
        "not_confirmed",
        format!("taking back run {run} would mean {told}, and nobody has agreed to it"),
    )
    .hint(format!(
        "look with `tallybook runs reverse {run} --preview`, then `tallybook runs reverse {run} --yes`"
    ));
    if output.is_json() || !std::io::stdin().is_terminal() {
        return Err(refused);
    }
    output.say(&format!("type {run} to take the run back:"));
    let mut typed = String::new();
    drop(std::io::stdin().lock().read_line(&mut typed));
    if typed.trim() == run.to_string() { Ok(()) } else { Err(refused) }
}

fn in_words(weighed: &ReversalWeighed) -> String {
    let mut parts: Vec<String> = weighed
        .currencies
        .iter()
        .map(|w| {
            let (notes, currency) = (grouped(w.credit_notes), w.currency);
            let (gross, paid) = (total(&w.gross), total(&w.paid));
            format!("{notes} credit note(s) over {gross} {currency} of which {paid} {currency} is paid")
        })
        .collect();
    parts.push(format!("{} mail(s) that are out", grouped(weighed.mailed)));
    parts.push(format!("{} ledger entries that were exported", grouped(weighed.exported_entries)));
    parts.join(", ")
}

fn people(weighed: &ReversalWeighed, tell: &dyn Fn(&str)) {
    tell(&format!(
        "taking back run {} as of {}, with credit notes of {}:",
        weighed.run, weighed.as_of, weighed.on
    ));
    for w in &weighed.currencies {
        let (notes, already) = (grouped(w.credit_notes), grouped(w.already));
        tell(&format!(
            "  {}: {notes} credit note(s) over {}; {already} invoice(s) are credited already",
            w.currency,
            total(&w.gross)
        ));
    }
    tell("what cannot be undone:");
    for w in weighed.currencies.iter().filter(|w| w.paid.minor != 0) {
        tell(&format!("  {} {} is paid, and is owed to the payers then", total(&w.paid), w.currency));
    }
    tell(&format!("  {} mail(s) with these invoices are out", grouped(weighed.mailed)));
    tell(&format!("  {} ledger entries were exported", grouped(weighed.exported_entries)));
    tell(if weighed.mail {
        "the credit notes are mailed"
    } else {
        "the credit notes are not mailed (--mail)"
    });
    tell(if weighed.rebill {
        "what it billed is due again"
    } else {
        "what it billed is not due again (--rebill)"
    });
}

fn answer(reversed: &ReversedView, how: &Reversal, output: &Output) -> Exit {
    if output.is_json() {
        output.document(reversed);
    } else {
        output.line(&format!(
            "run {} is taken back: {} credit note(s) made, {} mailed, {} invoice(s) were credited before, {} had nothing to credit",
            reversed.run, reversed.credit_notes, reversed.mails, reversed.already, reversed.left_alone
        ));
        if how.rebill {
            let (lines, on) = (reversed.reopened, how.on);
            output
                .line(&format!("{lines} billed line(s) are due again from {on}: `tallybook run` bills them"));
        }
        for refused in &reversed.refused {
            output.say(&format!("{}: {}", refused.invoice, refused.reason));
        }
        for why in &reversed.unmailed {
            output.say(&format!("not mailed: {why}"));
        }
    }
    if reversed.refused.is_empty() && reversed.unmailed.is_empty() { Exit::Done } else { Exit::SetAside }
}

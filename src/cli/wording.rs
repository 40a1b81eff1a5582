//! How the command line words a refusal: the only place that knows what is typed instead.

use crate::failure::{Exit, Failure, Fault};
use domain::refusal::{self, Command, Kind, Phrase, Refusal, Verb, WayOut};
use operations::refusal::Stop;

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Broke(error) => error.into(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.kind() {
            Kind::Malformed | Kind::Unknown | Kind::Conflict | Kind::Busy => Exit::Input,
            Kind::Unavailable => Exit::Fault,
        };
        Self {
            exit,
            code: refusal.code.word().to_owned(),
            message: refusal.message,
            hint: refusal.way_out.as_ref().map(way_out),
            faults: refusal.faults.into_iter().map(fault).collect(),
        }
    }
}

fn fault(fault: refusal::Fault) -> Fault {
    let message = match &fault.way_out {
        Some(out) => format!("{} ({})", fault.message, way_out(out)),
        None => fault.message,
    };
    Fault { pointer: fault.pointer, message }
}

/// A way out as one types it.
pub fn way_out(way_out: &WayOut) -> String {
    let told = way_out.0.iter().map(|phrase| match phrase {
        Phrase::Words(words) => words.clone(),
        Phrase::Do(command) => format!("`{}`", typed(command)),
        Phrase::Option(name, value) => option(name, value.as_deref()),
        Phrase::Setting(name) => format!("`{name}`"),
    });
    told.collect()
}

/// A command as it is typed.
pub fn typed(command: &Command) -> String {
    let mut words = vec!["tallybook".to_owned(), verb(command.verb)];
    words.extend(command.subject.clone());
    words.extend(command.options.iter().map(|(name, value)| option(name, value.as_deref())));
    words.join(" ")
}

fn option(name: &str, value: Option<&str>) -> String {
    let name = name.replace('_', "-");
    match value {
        Some(value) => format!("--{name} {value}"),
        None => format!("--{name}"),
    }
}

fn verb(verb: Verb) -> String {
    let words = match verb {
        Verb::LoadBook => "load",
        Verb::ListBook => "book list",
        Verb::PatchObject => "book patch",
        Verb::DeactivateObject => "book deactivate",
        Verb::DeleteObject => "book delete",
        Verb::IngestUsage => "ingest",
        Verb::ImportPayments => "payments import",
        Verb::ExportDebits => "payments export",
        Verb::ListReceived => "payments received",
        Verb::AllocatePayment => "payments allocate",
        Verb::RefundPayment => "payments refund",
        Verb::ListRefusedUsage => "ingest --refused",
        Verb::Run => "run",
        Verb::PreviewRun => "run --preview",
        Verb::ListRuns => "runs",
        Verb::ShowRun => "runs show",
        Verb::ApproveRun => "runs approve",
        Verb::CancelRun => "runs cancel",
        Verb::ReleaseRun => "runs release",
        Verb::RerunRun => "runs rerun",
        Verb::ReverseRun => "runs reverse",
        Verb::ListInvoices => "invoices",
        Verb::ListDrafts => "invoices --state draft",
        Verb::ShowInvoice => "invoices show",
        Verb::CreateInvoice => "invoices create",
        Verb::BookDraft => "invoices book",
        Verb::CancelDraft => "invoices cancel",
        Verb::SendInvoice => "invoices send",
        Verb::MarkPaid => "invoices markpaid",
        Verb::CreditInvoice => "invoices credit",
        Verb::RefundInvoice => "invoices refund",
        Verb::RetryPayments => "payments retry",
        Verb::ListPayers => "payers",
        Verb::ListMails => "mails",
        Verb::SendMails => "mails send",
        Verb::ListDiscounts => "discounts",
        Verb::ListSubscriptions => "subscriptions",
        Verb::ShowSubscription => "subscriptions show",
        Verb::ChangeSubscription(verb) => return format!("subscriptions {}", verb.name()),
        Verb::ExportLedger => "export ledger",
        Verb::Report => "report",
        Verb::ListPeriods => "books",
        Verb::ClosePeriod => "books close",
        Verb::RecognizePeriod => "books recognize",
        Verb::Timetable => "schedule",
        Verb::Doctor => "doctor",
        Verb::Verify => "verify",
        Verb::Init => "init",
        Verb::Backup => "backup",
        Verb::Restore => "restore",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::refusal::Code;
    use domain::subscription::VerbName;

    #[test]
    fn a_way_out_can_be_typed() {
        let refusal = Refusal::new(Code::NothingOpen, "nothing is open")
            .hint("hold it with ")
            .ask(Verb::ChangeSubscription(VerbName::Hold).on("SUB-1"))
            .hint(" or note what came: ")
            .ask(Verb::MarkPaid.on("INV-1").with("amount", "99.50").switch("despite_pending"))
            .hint("; ")
            .option("as_of", "2026-02-01")
            .hint(" at most");
        let failure = Failure::from(refusal);
        assert_eq!(failure.exit, Exit::Input);
        assert_eq!(
            failure.hint.as_deref(),
            Some(
                "hold it with `tallybook subscriptions hold SUB-1` or note what came: \
                 `tallybook invoices markpaid INV-1 --amount 99.50 --despite-pending`; --as-of 2026-02-01 at most"
            )
        );
    }
}

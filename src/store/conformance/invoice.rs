use super::on_both;
use super::sample::{self, customer_id, date};
use crate::book_object::{Source, Writer};
use crate::draft_body::Packer;
use crate::invoice::{self, InvoiceFilter, InvoiceState, SettlementPart};
use crate::load::Outcome;
use crate::tx::on;
use crate::{Store, draft, load, payment, run, verify};
use domain::ids::*;
use domain::invoice::verbs::PartKind;
use domain::invoice::{InvoiceStatus, PaymentStatus, Settlement};
use domain::payment::{Attempt, AttemptState};
use uuid::Uuid;

on_both!(an_invoice_comes_back_to_the_last_field, store => {
    sample::load(&store).await;
    sample::book(&store, 3).await;
    let mut tx = store.read().await.unwrap();
    let booked = invoice::by_number(&mut tx, "INV-0000002").await.unwrap().unwrap();
    assert_eq!(booked.invoice, sample::invoice(2));
    assert_eq!(booked.settlement, Settlement::open(InvoiceStatus::Booked));
    assert_eq!(invoice::by_id(&mut tx, InvoiceId::of("nothing")).await.unwrap(), None);
    assert_eq!(invoice::by_number(&mut tx, "INV-9").await.unwrap(), None);
    let failed: Vec<_> = verify::all(&mut tx).await.unwrap().into_iter().filter(|c| !c.is_ok()).collect();
    // The sample posts its two lines as one, and has billed no period.
    assert_eq!(failed.iter().map(|c| c.name).collect::<Vec<_>>(), ["lines_billed", "lines_in_ledger"]);
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let changed = sample::BOOK
        .replace("Europe/Copenhagen", "Europe/Berlin")
        .replace(r#""pricingmodel": "flat""#, r#""pricingmodel": "per_unit""#);
    let writer = Writer { at: sample::now(), by: "ada", source: Source::File };
    let Outcome::Faulty(faults) = load::load(&mut tx, sample::parsed(&changed), &writer).await.unwrap() else {
        panic!("what is billed is fixed");
    };
    let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/tenant/timezone", "/productplans/0/charges/0"]);
});

on_both!(an_invoice_is_booked_once_and_numbers_have_no_gap, store => {
    sample::load(&store).await;
    sample::book(&store, 2).await;
    let mut tx = store.begin().await.unwrap();
    assert!(invoice::save_booked(&mut tx, None, &[sample::invoice(1)], &[]).await.is_err());
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(invoice::take_numbers(&mut tx, "invoice", 1, 5).await.unwrap(), 3);
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(invoice::take_numbers(&mut tx, "invoice", 1, 1).await.unwrap(), 3, "what is rolled back is not taken");
    assert_eq!(invoice::take_numbers(&mut tx, "invoice", 1, 1).await.unwrap(), 4);
    assert_eq!(invoice::take_numbers(&mut tx, "dk/invoice/2026", 451, 1).await.unwrap(), 451);
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let mut wrong = sample::invoice(3);
    wrong.draft.vat_minor += 1;
    let refused = invoice::save_booked(&mut tx, None, &[wrong], &[]).await.unwrap_err();
    assert!(refused.to_string().contains("4976"), "{refused}");
});

async fn refused(store: &Store, sql: &str) -> bool {
    let mut tx = store.begin().await.unwrap();
    on!(&mut tx, c => sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(c).await.map(drop)).is_err()
}

on_both!(what_is_booked_refuses_update_and_delete, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let lines = sample::billed_lines(1);
    let drafts = [sample::draft(1)];
    let bodies = Packer::new().unwrap().pack_all(&drafts).unwrap();
    let payer = draft::PayerDrafts { payer: customer_id(), drafts: &drafts, bodies: &bodies, lines: &lines, carried: None };
    draft::save(&mut tx, run.id, run.ordinal, &[payer]).await.unwrap();
    tx.commit().await.unwrap();
    sample::book(&store, 1).await;
    for sql in [
        "update invoice set net_minor = 0",
        "delete from invoice",
        "update invoice_line set title = ''",
        "delete from invoice_line",
        "update invoice_vat set vat_minor = 0",
        "delete from invoice_vat",
        "delete from invoice_settlement",
        "update ledger_entry set posting_date = document_date",
        "delete from ledger_entry",
        "update ledger_posting set debit_minor = 1",
        "delete from ledger_posting",
        "delete from billed_line",
    ] {
        assert!(refused(&store, sql).await, "{sql}");
    }
    let columns = crate::conformance::schema::columns(&mut store.read().await.unwrap()).await;
    for (column, _) in &columns["invoice"] {
        // Whatever a later version adds is guarded without being named.
        assert!(refused(&store, &format!("update invoice set {column} = {column}")).await, "{column}");
    }
    let mut tx = store.begin().await.unwrap();
    let filter = draft::DraftFilter { state: Some(draft::DraftState::Booked), ..Default::default() };
    assert_eq!(draft::keys(&mut tx, &filter).await.unwrap().len(), 1, "its draft is marked");
    draft::drop_of_payers(&mut tx, run.id, &[customer_id()]).await.unwrap();
    assert_eq!(draft::cancel_run(&mut tx, run.id, "late").await.unwrap(), 0, "and stays, with its periods");
    let books = crate::payer::billed_lines(&mut tx, &[customer_id()]).await.unwrap();
    assert_eq!(books[0].1.invoice_number.as_deref(), Some("INV-0000001"));
    let summary = run::summary(&mut tx, &run).await.unwrap();
    assert_eq!(summary.invoiced, 0, "it was booked outside the run");
});

on_both!(a_source_settles_an_invoice_once, store => {
    sample::load(&store).await;
    sample::book(&store, 2).await;
    let paid = Settlement {
        payment_status: PaymentStatus::Paid,
        settled_minor: 24_940,
        payment_date: Some(date("2026-02-02")),
        dunning_step: 1,
        next_retry: Some(date("2026-02-20")),
        ..Settlement::open(InvoiceStatus::Booked)
    };
    let part = SettlementPart {
        invoice: sample::invoice(1).draft.id,
        kind: PartKind::Payment,
        source: Uuid::from_u128(5),
        document: None,
        amount_minor: 24_940,
        on: date("2026-02-02"),
    };
    let mut tx = store.begin().await.unwrap();
    assert!(invoice::settle(&mut tx, &part, &paid).await.unwrap());
    assert!(!invoice::settle(&mut tx, &part, &paid).await.unwrap());
    let odd = SettlementPart { source: Uuid::from_u128(6), ..part.clone() };
    assert!(invoice::settle(&mut tx, &odd, &paid).await.is_err(), "amounts must add up");
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    invoice::settle(&mut tx, &part, &paid).await.unwrap();
    assert_eq!(invoice::by_id(&mut tx, part.invoice).await.unwrap().unwrap().settlement, paid);
    let list = |state, as_of: &str| InvoiceFilter {
        state: Some(state),
        as_of: Some(date(as_of)),
        ..InvoiceFilter::default()
    };
    let (one, two) = (sample::invoice(1).draft.id, sample::invoice(2).draft.id);
    for (filter, expected) in [
        (list(InvoiceState::Paid, "2026-02-15"), vec![one]),
        (list(InvoiceState::Open, "2026-02-15"), vec![two]),
        (list(InvoiceState::Overdue, "2026-02-15"), vec![]),
        (list(InvoiceState::Overdue, "2026-02-16"), vec![two]),
        (list(InvoiceState::CreditNote, "2026-02-16"), vec![]),
        (InvoiceFilter { payer: Some(customer_id()), limit: 1, ..InvoiceFilter::default() }, vec![one]),
        (InvoiceFilter { account_number: Some("CU-1".to_owned()), after: Some(one), ..Default::default() }, vec![two]),
        (InvoiceFilter { run: Some(RunId::of("none")), ..InvoiceFilter::default() }, vec![]),
    ] {
        assert_eq!(invoice::ids(&mut tx, &filter).await.unwrap(), expected, "{filter:?}");
    }
    assert_eq!(payment::due_retries(&mut tx, date("2026-02-20"), 9).await.unwrap(), [one]);
    assert_eq!(payment::due_retries(&mut tx, date("2026-02-19"), 9).await.unwrap(), []);
});

fn attempt(ordinal: u32) -> Attempt {
    Attempt {
        id: AttemptId::of(&format!("attempt {ordinal}")),
        invoice: sample::invoice(1).draft.id,
        customer: customer_id(),
        ordinal,
        amount_minor: 24_940,
        currency: "DKK".parse().unwrap(),
        method: "card-1".to_owned(),
        gateway: "sandbox".to_owned(),
        on: date("2026-02-01"),
        state: AttemptState::Pending,
        provider_reference: None,
        decline_code: None,
        fee_minor: 0,
    }
}

on_both!(an_attempt_is_written_before_and_answered_once, store => {
    sample::load(&store).await;
    sample::book(&store, 1).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(payment::begin(&mut tx, &[attempt(1)]).await.unwrap(), 1);
    assert_eq!(payment::begin(&mut tx, &[attempt(1), attempt(2)]).await.unwrap(), 0, "one is pending");
    assert_eq!(payment::pending(&mut tx, 9).await.unwrap(), [attempt(1)]);
    let declined = Attempt {
        state: AttemptState::SoftDecline,
        decline_code: Some("insufficient_funds".to_owned()),
        provider_reference: Some("ch_1".to_owned()),
        fee_minor: 25,
        ..attempt(1)
    };
    assert!(payment::answer(&mut tx, &declined).await.unwrap());
    assert!(!payment::answer(&mut tx, &Attempt { state: AttemptState::Paid, ..attempt(1) }).await.unwrap());
    assert_eq!(payment::begin(&mut tx, &[attempt(2)]).await.unwrap(), 1);
    let stored = payment::of_invoices(&mut tx, &[attempt(1).invoice]).await.unwrap();
    assert_eq!(stored, [declined, attempt(2)]);
    for _ in 0..2 {
        payment::mark_unhealthy(&mut tx, customer_id(), "card-1", date("2026-02-01"), "stolen").await.unwrap();
    }
    let unhealthy = payment::unhealthy(&mut tx, &[customer_id()]).await.unwrap();
    assert_eq!(unhealthy, [(customer_id(), "card-1".to_owned())]);
    tx.commit().await.unwrap();
    assert!(refused(&store, "update payment_attempt set state = 'paid' where state <> 'pending'").await);
    assert!(refused(&store, "delete from payment_attempt").await);
});

on_both!(what_the_steps_after_booking_look_up, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let drafts = [sample::draft(1), sample::draft(2)];
    let bodies = Packer::new().unwrap().pack_all(&drafts).unwrap();
    let payer = draft::PayerDrafts { payer: customer_id(), drafts: &drafts, bodies: &bodies, lines: &[], carried: None };
    draft::save(&mut tx, run.id, run.ordinal, &[payer]).await.unwrap();
    draft::rank(&mut tx, run.id, &[drafts[1].id, drafts[0].id], 2).await.unwrap();
    tx.commit().await.unwrap();
    sample::book(&store, 2).await;

    let mut tx = store.begin().await.unwrap();
    let (one, two) = (drafts[0].id, drafts[1].id);
    assert_eq!(draft::booked_in_slice(&mut tx, run.id, 0).await.unwrap(), [two, one]);
    assert!(draft::booked_in_slice(&mut tx, run.id, 1).await.unwrap().is_empty());
    let line = sample::invoice(2).draft.lines[1].id;
    assert_eq!(invoice::of_line(&mut tx, line).await.unwrap(), Some(two));
    assert_eq!(invoice::buyers(&mut tx, &[one]).await.unwrap()[&one], "Kaffe & Co");
    invoice::lock_settlements(&mut tx, &[one, two]).await.unwrap();

    // Without a credit there is nothing to set off; with one, both stand in the list, oldest first.
    assert!(invoice::open_with_credit(&mut tx, &[customer_id()]).await.unwrap().is_empty());
    let credited = Settlement { settled_minor: 24_941, ..Settlement::open(InvoiceStatus::Booked) };
    let part =
        SettlementPart { invoice: two, kind: PartKind::Payment, source: Uuid::from_u128(9), document: None, amount_minor: 24_941, on: date("2026-02-02") };
    assert!(invoice::settle(&mut tx, &part, &credited).await.unwrap());
    let open = invoice::open_with_credit(&mut tx, &[customer_id()]).await.unwrap();
    let amounts: Vec<(InvoiceId, i64)> = open.iter().map(|(_, _, d)| (d.id, d.open_minor)).collect();
    assert_eq!(amounts, [(one, 24_940), (two, -1)]);
    let parts = invoice::parts(&mut tx, two).await.unwrap();
    let told: Vec<_> = parts.iter().map(|p| (p.kind.as_str(), p.document, p.amount_minor, p.on)).collect();
    assert_eq!(told, [("payment", None, 24_941, part.on)]);

    payment::begin(&mut tx, &[attempt(1)]).await.unwrap();
    let recent = payment::recent(&mut tx, &[customer_id()], date("2026-02-01")).await.unwrap();
    assert_eq!(recent, [(customer_id(), "card-1".to_owned(), date("2026-02-01"))]);
    assert!(payment::recent(&mut tx, &[customer_id()], date("2026-02-02")).await.unwrap().is_empty());
});

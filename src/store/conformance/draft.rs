use super::on_both;
use super::sample::{self, billed_lines, customer_id, date, now};
use crate::draft::{self, AlreadyBilled, DraftFilter, DraftState, PayerDrafts, Periods};
use crate::draft_body::{DraftBody, Packer};
use crate::run::{self, Opened, Run, RunOptions};
use crate::{Store, catalogue, payer, subject};
use domain::billing::{BilledLine, CarriedDraft, PayerBook};
use domain::ids::*;
use domain::invoice::Draft;
use domain::run::Scope;
use std::sync::Arc;

async fn save(
    store: &Store,
    run: &Run,
    drafts: &[Draft],
    lines: &[BilledLine],
    carried: Option<&[CarriedDraft]>,
) {
    let mut tx = store.begin().await.unwrap();
    let bodies = &Packer::new().unwrap().pack_all(drafts).unwrap();
    let payer = PayerDrafts { payer: customer_id(), drafts, bodies, lines, carried };
    draft::save(&mut tx, run.id, run.ordinal, &[payer]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn book_of(store: &Store) -> PayerBook {
    let mut tx = store.read().await.unwrap();
    let catalogue = Arc::new(catalogue::load(&mut tx).await.unwrap().unwrap());
    payer::books(&mut tx, &[customer_id()], &catalogue).await.unwrap().remove(0)
}

on_both!(drafts_come_back_in_rank_order_and_periods_stand_in_the_book, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let drafts: Vec<Draft> = (1..=5).map(sample::draft).collect();
    let lines: Vec<BilledLine> = (1..=5).flat_map(billed_lines).collect();
    let carried = [CarriedDraft { draft: sample::draft(9), since: date("2026-01-31") }];
    save(&store, &run, &drafts, &lines, Some(&carried)).await;

    let book = book_of(&store).await;
    let stored: Vec<BilledLine> = book.billed.values().flatten().cloned().collect();
    assert_eq!(stored, lines);
    assert_eq!(book.carried, carried);

    let mut tx = store.begin().await.unwrap();
    let filter = DraftFilter { run: Some(run.id), ..DraftFilter::default() };
    let keys = draft::keys(&mut tx, &filter).await.unwrap();
    assert_eq!(keys.len(), 5);
    assert!(keys.iter().all(|k| k.state == DraftState::Open && k.net_minor == 19_965 && k.revision == 3));
    let mut order: Vec<InvoiceId> = drafts.iter().rev().map(|d| d.id).collect();
    assert_eq!(draft::rank(&mut tx, run.id, &order, 2).await.unwrap(), 3);
    assert_eq!(draft::of_slice(&mut tx, run.id, 0).await.unwrap(), [sample::draft(5), sample::draft(4)]);
    assert_eq!(draft::of_slice(&mut tx, run.id, 2).await.unwrap(), [sample::draft(1)]);
    order.truncate(2);
    assert_eq!(draft::rank(&mut tx, run.id, &order, 2).await.unwrap(), 1);
    assert_eq!(draft::of_slice(&mut tx, run.id, 2).await.unwrap(), []);
    assert_eq!(draft::mark(&mut tx, &order, DraftState::SetAside, Some("changed since draft")).await.unwrap(), 2);
    let filter = DraftFilter { state: Some(DraftState::SetAside), account_number: Some("CU-1".to_owned()), ..filter };
    assert_eq!(draft::keys(&mut tx, &filter).await.unwrap()[0].reason.as_deref(), Some("changed since draft"));
    assert_eq!(draft::by_ids(&mut tx, &[sample::draft(3).id]).await.unwrap(), [sample::draft(3)]);
    let through = subject::billed_through(&mut tx).await.unwrap();
    assert_eq!((through[0].end, through[0].usage_mark), (date("2026-02-28"), 7));
});

on_both!(saving_again_replaces_what_the_run_had_for_the_payer, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let carried = [CarriedDraft { draft: sample::draft(9), since: date("2026-01-31") }];
    save(&store, &run, &[sample::draft(1), sample::draft(2)], &billed_lines(1), Some(&carried)).await;
    save(&store, &run, &[sample::draft(1)], &billed_lines(2), None).await;
    let mut tx = store.read().await.unwrap();
    assert_eq!(draft::keys(&mut tx, &DraftFilter::default()).await.unwrap().len(), 1);
    let book = book_of(&store).await;
    assert_eq!(book.billed.values().flatten().cloned().collect::<Vec<_>>(), billed_lines(2));
    assert_eq!(book.carried, []);
});

async fn second_run(store: &Store) -> Run {
    let mut tx = store.begin().await.unwrap();
    let scope = Scope { customers: vec!["CU-1".to_owned()], business_unit: None };
    let opened = run::open(&mut tx, &scope, date("2026-02-01"), &RunOptions::default(), now()).await.unwrap();
    tx.commit().await.unwrap();
    let Opened::New(run) = opened else { panic!("the scope is free") };
    run
}

on_both!(a_period_is_taken_by_one_run_only, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    save(&store, &run, &[sample::draft(1)], &billed_lines(1), None).await;
    let other = second_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let lines = [billed_lines(2), billed_lines(1)].concat();
    let bodies = &[DraftBody::of(&sample::draft(2)).unwrap()];
    let same = PayerDrafts { payer: customer_id(), drafts: &[sample::draft(2)], bodies, lines: &lines, carried: None };
    let free = PayerDrafts { payer: CustomerId::of("CU-3"), drafts: &[], bodies: &[], lines: &[], carried: None };
    let refused = draft::save(&mut tx, other.id, other.ordinal, &[same, free]).await.unwrap_err();
    assert_eq!(refused.downcast_ref::<AlreadyBilled>().unwrap().payers, [customer_id()]);
});

on_both!(carried_drafts_are_those_of_the_newest_run_that_was_not_cancelled, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let carried = [CarriedDraft { draft: sample::draft(9), since: date("2026-01-31") }];
    save(&store, &run, &[], &[], Some(&carried)).await;
    let later = second_run(&store).await;
    save(&store, &later, &[sample::draft(1)], &billed_lines(1), Some(&[])).await;
    assert_eq!(book_of(&store).await.carried, []);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(draft::cancel_run(&mut tx, later.id, "cancelled by CU").await.unwrap(), 1);
    tx.commit().await.unwrap();
    let book = book_of(&store).await;
    assert_eq!(book.carried, carried);
    assert!(book.billed.is_empty(), "its periods are due again");
});

on_both!(a_cancelled_draft_releases_or_waives_its_periods, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let lines = [billed_lines(1), billed_lines(2)].concat();
    save(&store, &run, &[sample::draft(1), sample::draft(2)], &lines, None).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(draft::cancel(&mut tx, &[sample::draft(1).id], Periods::Released, "mistake").await.unwrap(), 1);
    assert_eq!(draft::cancel(&mut tx, &[sample::draft(1).id], Periods::Released, "mistake").await.unwrap(), 0);
    assert_eq!(draft::cancel(&mut tx, &[sample::draft(2).id], Periods::Waived, "goodwill").await.unwrap(), 1);
    tx.commit().await.unwrap();
    let book = book_of(&store).await;
    let left: Vec<&BilledLine> = book.billed.values().flatten().collect();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|l| l.key.revision == 2 && l.line.is_none() && l.invoice.is_none() && l.net_minor == 0));
});

on_both!(a_manual_draft_is_added_once_and_again_after_it_was_dropped, store => {
    sample::load(&store).await;
    let draft = sample::draft(1);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(draft::add_manual(&mut tx, &draft).await.unwrap(), None);
    assert_eq!(draft::add_manual(&mut tx, &draft).await.unwrap(), Some(DraftState::Open));
    let filter = DraftFilter { run: Some(draft::NO_RUN), ..DraftFilter::default() };
    assert_eq!(draft::keys(&mut tx, &filter).await.unwrap().len(), 1);
    assert_eq!(draft::cancel(&mut tx, &[draft.id], Periods::Released, "not wanted").await.unwrap(), 1);
    assert_eq!(draft::add_manual(&mut tx, &draft).await.unwrap(), None);
    draft::mark(&mut tx, &[draft.id], DraftState::Booked, None).await.unwrap();
    assert_eq!(draft::add_manual(&mut tx, &draft).await.unwrap(), Some(DraftState::Booked));
    tx.commit().await.unwrap();
});

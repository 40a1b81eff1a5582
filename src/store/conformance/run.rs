use super::on_both;
use super::sample::{self, customer_id, date, now};
use crate::payer::PayerRef;
use crate::run::{self, Opened, RunItem, RunOptions};
use crate::slice::{self, Failed, Finished, TakeOver};
use crate::{Store, measured, worker};
use chrono::Duration;
use domain::exact::Exact;
use domain::ids::*;
use domain::measure::{GroupMeasure, Measure, MeasuredWindow, WindowKey};
use domain::run::{ItemState, RunState, Scope, Step, UsageCounts};
use domain::task::SliceTask;

on_both!(one_run_per_scope_is_unfinished_at_a_time, store => {
    let first = sample::open_run(&store).await;
    assert_eq!(first.ordinal, 1);
    let mut tx = store.begin().await.unwrap();
    let options = RunOptions { review: true, skip: vec![Step::Send], expect: Some("ab".to_owned()) };
    let again = run::open(&mut tx, &Scope::default(), date("2026-03-01"), &options, now()).await.unwrap();
    assert_eq!(again, Opened::Unfinished(first.clone()));
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    let other = Scope { customers: vec!["CU-1".to_owned()], business_unit: None };
    let Opened::New(second) = run::open(&mut tx, &other, date("2026-03-01"), &options, now()).await.unwrap() else {
        panic!("another scope is free")
    };
    assert_eq!((second.ordinal, &second.options, &second.scope), (2, &options, &other));
    assert!(run::set_state(&mut tx, first.id, RunState::Open, RunState::Review, now()).await.unwrap());
    assert!(!run::set_state(&mut tx, first.id, RunState::Open, RunState::Closed, now()).await.unwrap());
    assert_eq!(run::all_unfinished(&mut tx).await.unwrap().len(), 2);
    assert!(run::set_state(&mut tx, first.id, RunState::Review, RunState::Cancelled, now()).await.unwrap());
    assert_eq!(run::unfinished(&mut tx, &Scope::default()).await.unwrap(), None);
    assert_eq!(run::by_ordinal(&mut tx, 1).await.unwrap().unwrap().ended_at, Some(now()));
    assert_eq!(run::newest(&mut tx, 1).await.unwrap()[0].id, second.id);
    assert_eq!(run::newest_ordinal(&mut tx).await.unwrap(), 2);
});

fn item(position: u32, account_number: &str) -> RunItem {
    RunItem {
        payer: CustomerId::of(account_number),
        account_number: account_number.to_owned(),
        position,
        slice: position / 2,
        state: ItemState::Open,
        reason: None,
        attempts: 0,
        revision: 1,
        hash: None,
        drafts: 0,
        invoices: 0,
        released: false,
    }
}

on_both!(items_come_back_and_are_summed_up, store => {
    let mut run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let mut items = [item(0, "A"), item(1, "B"), item(2, "C")];
    run::save_items(&mut tx, run.id, &items).await.unwrap();
    items[0] = RunItem { state: ItemState::Done, hash: Some("aa".to_owned()), drafts: 2, invoices: 2, ..items[0].clone() };
    items[1] =
        RunItem { state: ItemState::Failed, reason: Some("no price".to_owned()), attempts: 1, ..items[1].clone() };
    run::save_items(&mut tx, run.id, &items[..2]).await.unwrap();
    assert_eq!(run::items(&mut tx, run.id, None).await.unwrap(), items);
    assert_eq!(run::items(&mut tx, run.id, Some(1)).await.unwrap(), items[2..]);
    let of = run::items_of(&mut tx, run.id, &[items[2].payer, items[0].payer]).await.unwrap();
    assert_eq!(of, [items[0].clone(), items[2].clone()]);
    assert_eq!(run::item_hashes(&mut tx, run.id).await.unwrap(), [("A".to_owned(), "aa".to_owned())]);

    let usage = UsageCounts { rated: 4, unrated: [("trial".to_owned(), 2)].into(), superseded: 1, open: 3 };
    run::set_usage(&mut tx, run.id, &usage).await.unwrap();
    run::set_hash(&mut tx, run.id, "ffff").await.unwrap();
    run = run::by_id(&mut tx, run.id).await.unwrap().unwrap();
    let summary = run::summary(&mut tx, &run).await.unwrap();
    assert_eq!((summary.payers, summary.failed, summary.parked, summary.usage), (3, 1, 0, usage));
    assert_eq!(summary.hash, "ffff");
});

on_both!(a_slice_is_finished_once_and_a_frozen_worker_cannot_write, store => {
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let tasks = slice::add(&mut tx, run.id, Step::Draft, 2).await.unwrap();
    assert_eq!(slice::add(&mut tx, run.id, Step::Draft, 2).await.unwrap(), tasks);
    let until = now() + Duration::minutes(1);
    assert!(slice::claim(&mut tx, tasks[0], "w1", until).await.unwrap());
    let failed = Failed { error: "disk full", at: now(), pause: |tries| Duration::seconds(i64::from(tries) + 5) };
    slice::release(&mut tx, tasks[1], Some(failed)).await.unwrap();
    let open = slice::open(&mut tx, run.id).await.unwrap();
    assert_eq!((open[0].worker.as_deref(), open[0].claimed_until, open[0].attempts), (Some("w1"), Some(until), 1));
    assert_eq!(open[1].error.as_deref(), Some("disk full"));
    assert_eq!(open[1].retry_at, Some(now() + Duration::seconds(5)));

    let taken = slice::take_over(&mut tx, TakeOver::Of("w1")).await.unwrap();
    assert_eq!(taken, [SliceTask { epoch: 2, ..tasks[0] }]);
    assert_eq!(slice::finish(&mut tx, tasks[0]).await.unwrap(), Finished { was_open: false, left_open: 2 });
    assert!(!slice::claim(&mut tx, tasks[0], "w1", until).await.unwrap());
    assert_eq!(slice::finish(&mut tx, taken[0]).await.unwrap(), Finished { was_open: true, left_open: 1 });
    assert_eq!(slice::finish(&mut tx, taken[0]).await.unwrap(), Finished { was_open: false, left_open: 1 });
    assert_eq!(slice::finish(&mut tx, tasks[1]).await.unwrap(), Finished { was_open: true, left_open: 0 });
    assert_eq!(slice::progress(&mut tx, run.id).await.unwrap(), [(Step::Draft, 0, 2)]);
    assert_eq!(slice::reopen(&mut tx, run.id, Step::Draft, &[1]).await.unwrap(), [SliceTask { epoch: 2, ..tasks[1] }]);
});

on_both!(only_the_slices_meant_are_taken_over, store => {
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let tasks = slice::add(&mut tx, run.id, Step::Rate, 3).await.unwrap();
    slice::claim(&mut tx, tasks[0], "w1", now()).await.unwrap();
    slice::claim(&mut tx, tasks[1], "w2", now() + Duration::minutes(1)).await.unwrap();
    let which = |tasks: Vec<SliceTask>| tasks.iter().map(|t| t.slice).collect::<Vec<_>>();
    let expired = TakeOver::Expired(now() + Duration::seconds(1));
    assert_eq!(which(slice::take_over(&mut tx, expired).await.unwrap()), [0]);
    assert_eq!(which(slice::take_over(&mut tx, TakeOver::Of("w1")).await.unwrap()), [0; 0]);
    assert_eq!(which(slice::take_over(&mut tx, TakeOver::Of("w2")).await.unwrap()), [1]);
    assert_eq!(which(slice::take_over(&mut tx, TakeOver::OfRun(run.id)).await.unwrap()), [0, 1, 2]);
    let failed = Failed { error: "disk full", at: now(), pause: |_| Duration::seconds(10) };
    let task = SliceTask { epoch: 3, ..tasks[1] };
    slice::release(&mut tx, task, Some(failed)).await.unwrap();
    let due = |after| TakeOver::RetryDue(now() + Duration::seconds(after));
    assert_eq!(which(slice::take_over(&mut tx, due(9)).await.unwrap()), [0; 0]);
    assert_eq!(which(slice::take_over(&mut tx, due(10)).await.unwrap()), [1]);
    assert_eq!(which(slice::take_over(&mut tx, TakeOver::Failed).await.unwrap()), [0; 0], "it is being tried");
});

async fn finish_one(store: Store, task: SliceTask) -> Finished {
    let mut tx = store.begin().await.unwrap();
    let finished = slice::finish(&mut tx, task).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    tx.commit().await.unwrap();
    finished
}

on_both!(of_slices_that_finish_at_once_exactly_one_is_the_last, store => {
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let tasks = slice::add(&mut tx, run.id, Step::Draft, 6).await.unwrap();
    tx.commit().await.unwrap();
    let running: Vec<_> = tasks.into_iter().map(|t| tokio::spawn(finish_one(store.clone(), t))).collect();
    let mut last = 0;
    for finished in running {
        last += u32::from(finished.await.unwrap().left_open == 0);
    }
    assert_eq!(last, 1);
});

on_both!(measured_quantities_are_read_under_the_revision_they_were_made_for, store => {
    let run = sample::open_run(&store).await;
    let key = WindowKey { charge: ChargeReference::of("c"), start: date("2026-01-01") };
    let window = |quantity: Exact| MeasuredWindow {
        groups: vec![GroupMeasure {
            group: Some("eu".to_owned()),
            stretches: vec![
                Measure { quantity, events: 3, each: vec![sample::dec("0.000000001")] },
                Measure::empty(),
            ],
        }],
        newest_import: 4,
    };
    let (one, two) = (window(Exact::ratio(10, 3)), window(Exact::int(7)));
    let mut tx = store.begin().await.unwrap();
    let row = |revision, window| measured::MeasuredRow { payer: customer_id(), revision, key, window };
    measured::save(&mut tx, run.id, &[row(1, &one), row(2, &two)]).await.unwrap();
    measured::save(&mut tx, run.id, &[row(1, &two)]).await.unwrap();
    let of = |revision| [PayerRef { id: customer_id(), account_number: "CU-1".to_owned(), revision }];
    let read = measured::of_payers(&mut tx, run.id, &of(1)).await.unwrap();
    assert_eq!(read[&customer_id()][&key], one, "the first stays");
    assert_eq!(measured::of_payers(&mut tx, run.id, &of(2)).await.unwrap()[&customer_id()][&key], two);
    assert!(measured::of_payers(&mut tx, run.id, &of(3)).await.unwrap().is_empty());
});

on_both!(a_worker_that_is_gone_is_noticed, store => {
    let run = sample::open_run(&store).await;
    let mut tx = store.begin().await.unwrap();
    let tasks = slice::add(&mut tx, run.id, Step::Rate, 2).await.unwrap();
    slice::claim(&mut tx, tasks[0], "alive", now()).await.unwrap();
    slice::claim(&mut tx, tasks[1], "dead", now()).await.unwrap();
    tx.commit().await.unwrap();
    let mut alive = worker::hold(&store, "alive").await.unwrap().unwrap();
    assert!(alive.is_held().await);
    drop(worker::hold(&store, "dead").await.unwrap().unwrap());
    if store.is_sqlite() {
        return;
    }
    assert!(worker::hold(&store, "alive").await.unwrap().is_none(), "a name is held once");
    for _ in 0..6_000 {
        let mut tx = store.begin().await.unwrap();
        if worker::gone(&mut tx).await.unwrap() == ["dead"] {
            return;
        }
        drop(tx);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the dead worker's lock is still held");
});

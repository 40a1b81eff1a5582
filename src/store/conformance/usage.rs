use super::on_both;
use super::sample::{self, now};
use crate::imports::{self, Committed, ImportStart, ImportState, ImportTotals, NewImport, Staged};
use crate::run::{self, RunOptions};
use crate::segment::{self, Compaction, KeyRun, Segment, VersionChange};
use crate::tx::on;
use crate::waiting::{self, WaitingKey};
use crate::{Store, verify};
use chrono::Duration;
use domain::run::{RunState, Scope};
use uuid::Uuid;

fn new_import(n: u8) -> NewImport {
    NewImport {
        id: Uuid::from_u128(u128::from(n)),
        sha256: format!("{:064x}", n % 100),
        file_name: format!("usage-{n}.csv"),
        source: Some("eu".to_owned()),
        owner: "host:1".to_owned(),
        deadline: now() + Duration::minutes(10),
        paths: vec![format!("segments/{n}-*"), format!("keys/{n}")],
    }
}

fn segment_of(path: &str, rows: u64) -> Segment {
    Segment {
        path: path.to_owned(),
        import: None,
        import_number: None,
        rows_in_file: rows,
        first_row: 0,
        month: "2026-01".to_owned(),
        rows,
        bytes: 1_000,
        sha256: "ab".to_owned(),
        min_time_us: -5,
        max_time_us: 1_770_000_000_000_000,
        min_subscription: 1,
        max_subscription: 9,
        corrections: 1,
    }
}

/// A part of the bundle that takes the place of two segments.
fn part(import: i64, first_row: u64, rows: u64) -> Segment {
    let whole = segment_of("segments/merged", rows);
    Segment { import_number: Some(import), rows_in_file: 30, first_row, ..whole }
}

fn key_run(path: &str, rows: u64) -> KeyRun {
    KeyRun { path: path.to_owned(), import_number: 0, rows, bytes: 32, sha256: "cd".to_owned() }
}

fn staged(n: u8, accepted: u64) -> Staged {
    let rejects = [("bad_time".to_owned(), 1)].into();
    Staged {
        totals: ImportTotals { read: accepted + 3, accepted, duplicate: 2, rejected: 1, late: 1, rejects },
        segments: vec![segment_of(&format!("segments/{n}-a"), accepted)],
        key_runs: vec![key_run(&format!("keys/{n}"), accepted)],
        reject_path: Some(format!("rejects/{n}.csv")),
        reject_sha256: Some(format!("{n:064}")),
    }
}

async fn bring_in(store: &Store, n: u8, accepted: u64) -> Committed {
    let mut tx = store.begin().await.unwrap();
    assert_eq!(imports::begin(&mut tx, &new_import(n), now()).await.unwrap(), ImportStart::New);
    let seen = segment::version(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let committed =
        imports::commit(&mut tx, new_import(n).id, seen, &staged(n, accepted), now()).await.unwrap();
    tx.commit().await.unwrap();
    committed
}

on_both!(an_import_becomes_visible_with_the_next_number_and_version, store => {
    assert_eq!(bring_in(&store, 1, 10).await, Committed::Done { number: 1, version: 1 });
    assert_eq!(bring_in(&store, 2, 20).await, Committed::Done { number: 2, version: 2 });
    let mut tx = store.read().await.unwrap();
    let at_one = segment::visible_at(&mut tx, 1).await.unwrap();
    let expected = Segment {
        import: Some(Uuid::from_u128(1)),
        import_number: Some(1),
        ..segment_of("segments/1-a", 10)
    };
    assert_eq!(at_one, [expected]);
    assert_eq!(segment::visible_at(&mut tx, 2).await.unwrap().len(), 2);
    assert_eq!(segment::key_runs(&mut tx, 1, 2).await.unwrap()[0].import_number, 2);
    let stored = imports::by_number(&mut tx, 2).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.totals), (ImportState::Done, staged(2, 20).totals));
    assert_eq!(stored.ended_at, Some(now()));
    assert_eq!(imports::newest_number(&mut tx).await.unwrap(), 2);
    assert_eq!(imports::newest(&mut tx, 9).await.unwrap().len(), 2);
    assert!(verify::all(&mut tx).await.unwrap().iter().all(verify::Check::is_ok));
});

on_both!(an_import_that_is_done_refuses_update_of_every_column, store => {
    bring_in(&store, 1, 10).await;
    let columns = crate::conformance::schema::columns(&mut store.read().await.unwrap()).await;
    for (column, _) in &columns["usage_import"] {
        let mut tx = store.begin().await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("update usage_import set {column} = {column}"));
        let outcome = on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop));
        assert!(outcome.is_err(), "{column}");
    }
});

on_both!(the_same_bytes_are_brought_in_once_and_an_abandoned_import_makes_room, store => {
    let mut tx = store.begin().await.unwrap();
    imports::begin(&mut tx, &new_import(1), now()).await.unwrap();
    let other = NewImport { id: Uuid::from_u128(77), ..new_import(1) };
    assert!(matches!(imports::begin(&mut tx, &other, now()).await.unwrap(), ImportStart::Writing(i) if i.id == new_import(1).id));
    let writing = imports::writing(&mut tx).await.unwrap();
    assert_eq!(writing.iter().map(|i| i.id).collect::<Vec<_>>(), [new_import(1).id]);
    assert!(imports::abandon(&mut tx, new_import(1).id, now()).await.unwrap());
    assert!(imports::writing(&mut tx).await.unwrap().is_empty());
    assert_eq!(imports::begin(&mut tx, &other, now()).await.unwrap(), ImportStart::New);
    let gone = imports::commit(&mut tx, new_import(1).id, 0, &staged(1, 4), now()).await.unwrap();
    assert_eq!(gone, Committed::NotWriting);
    drop(tx);
    bring_in(&store, 1, 5).await;
    let mut tx = store.begin().await.unwrap();
    assert!(matches!(imports::begin(&mut tx, &other, now()).await.unwrap(), ImportStart::Done(i) if i.number == Some(1)));
    assert!(!imports::abandon(&mut tx, new_import(1).id, now()).await.unwrap());
});

on_both!(a_commit_on_an_old_version_is_told_to_look_again, store => {
    bring_in(&store, 1, 5).await;
    let mut tx = store.begin().await.unwrap();
    imports::begin(&mut tx, &new_import(2), now()).await.unwrap();
    let moved = imports::commit(&mut tx, new_import(2).id, 0, &staged(2, 5), now()).await.unwrap();
    assert_eq!(moved, Committed::Moved { now: 1 });
});

on_both!(totals_that_do_not_add_up_are_refused, store => {
    let mut tx = store.begin().await.unwrap();
    imports::begin(&mut tx, &new_import(1), now()).await.unwrap();
    for wrong in [
        ImportTotals { read: 9, ..staged(1, 5).totals },
        ImportTotals { accepted: 6, read: 9, ..staged(1, 5).totals },
        ImportTotals { rejects: Default::default(), ..staged(1, 5).totals },
    ] {
        let staged = Staged { totals: wrong, ..staged(1, 5) };
        assert!(imports::commit(&mut tx, new_import(1).id, 0, &staged, now()).await.is_err());
    }
});

on_both!(compaction_keeps_every_row_and_pinned_files_stay, store => {
    bring_in(&store, 1, 10).await;
    bring_in(&store, 2, 20).await;
    let mut tx = store.begin().await.unwrap();
    let scope = Scope::default();
    run::open(&mut tx, &scope, sample::date("2026-02-01"), &RunOptions::default(), now()).await.unwrap();
    let run = run::unfinished(&mut tx, &scope).await.unwrap().unwrap();
    assert_eq!((run.usage_mark, run.usage_version), (2, 2));
    let mut compaction = Compaction {
        remove_segments: vec!["segments/1-a".to_owned(), "segments/2-a".to_owned()],
        add_bundles: vec![vec![part(1, 0, 10), part(2, 10, 19)]],
        remove_key_runs: vec!["keys/1".to_owned(), "keys/2".to_owned()],
        add_key_runs: vec![key_run("keys/merged", 30)],
    };
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(segment::compact(&mut tx, 2, &compaction).await.is_err(), "a row is lost");
    drop(tx);
    compaction.add_bundles[0][1].rows = 20;
    let mut tx = store.begin().await.unwrap();
    let claimed = ["segments/merged".to_owned(), "keys/merged".to_owned(), "keys/left".to_owned()];
    segment::claim(&mut tx, &claimed, now() - Duration::minutes(1)).await.unwrap();
    assert_eq!(segment::compact(&mut tx, 1, &compaction).await.unwrap(), VersionChange::Moved { now: 2 });
    assert_eq!(segment::compact(&mut tx, 2, &compaction).await.unwrap(), VersionChange::To(3));
    assert_eq!(segment::visible_at(&mut tx, 2).await.unwrap().len(), 2, "the run reads what it pinned");
    assert_eq!(segment::visible_at(&mut tx, 3).await.unwrap(), compaction.add_bundles[0]);
    assert_eq!(segment::deletable(&mut tx, now()).await.unwrap(), ["keys/1", "keys/2", "keys/left"]);
    assert!(run::set_state(&mut tx, run.id, RunState::Open, RunState::Closed, now()).await.unwrap());
    let deletable = segment::deletable(&mut tx, now()).await.unwrap();
    assert_eq!(deletable, ["keys/1", "keys/2", "keys/left", "segments/1-a", "segments/2-a"]);
    segment::forget(&mut tx, &deletable).await.unwrap();
    assert!(segment::deletable(&mut tx, now()).await.unwrap().is_empty());
    let failed: Vec<_> = verify::all(&mut tx).await.unwrap().into_iter().filter(|c| !c.is_ok()).collect();
    assert_eq!(failed, []);
});

on_both!(paths_of_abandoned_imports_may_be_deleted, store => {
    let mut tx = store.begin().await.unwrap();
    imports::begin(&mut tx, &new_import(1), now()).await.unwrap();
    imports::add_paths(&mut tx, new_import(1).id, &["rejects/1.csv".to_owned()]).await.unwrap();
    assert!(segment::deletable(&mut tx, now()).await.unwrap().is_empty());
    assert!(imports::abandon(&mut tx, new_import(1).id, now()).await.unwrap());
    let paths = segment::deletable(&mut tx, now()).await.unwrap();
    assert_eq!(paths, ["keys/1", "rejects/1.csv", "segments/1-*"]);
    segment::forget(&mut tx, &paths).await.unwrap();
    assert!(segment::deletable(&mut tx, now()).await.unwrap().is_empty());
    assert_eq!(imports::by_id(&mut tx, new_import(1).id).await.unwrap().unwrap().state, ImportState::Abandoned);
});

on_both!(usage_that_waited_in_an_earlier_version_waits_on, store => {
    const FIRST: [&str; 2] = [
        include_str!("../../../migrations/sqlite/0031_usage_waiting.sql"),
        include_str!("../../../migrations/postgres/0031_usage_waiting.sql"),
    ];
    const THEN: [&str; 2] = [
        include_str!("../../../migrations/sqlite/0060_usage_pack.sql"),
        include_str!("../../../migrations/postgres/0060_usage_pack.sql"),
    ];
    let mut tx = store.begin().await.unwrap();
    let of = |both: [&'static str; 2]| both[usize::from(!tx.is_sqlite())];
    let (first, then) = (of(FIRST), of(THEN));
    on!(&mut tx, c => sqlx::raw_sql("drop table usage_pack").execute(c).await.map(drop)).unwrap();
    on!(&mut tx, c => sqlx::raw_sql(first).execute(c).await.map(drop)).unwrap();
    let rows = [
        (Uuid::from_u128(1), -1_i64, None, "e\"1", r#"{"region":"eu","rate":1.10}"#, ""),
        (Uuid::from_u128(u128::MAX), 7, Some(Uuid::from_u128(9)), "e2", "", "e\"1"),
    ];
    for (key, content, mark, event, properties, corrects) in rows {
        on!(&mut tx, c => sqlx::query(
            "insert into usage_waiting (key, content, mark, source, event, subject, meter, quantity, time_us, properties,
                                        corrects, received_at)
             values ($1, $2, $3, 'api', $4, 'SUB-1', 'api_calls', $5, 1767225600000001, $6, $7, $8)")
            .bind(key)
            .bind(content)
            .bind(mark)
            .bind(event)
            .bind(crate::value::Dec(sample::dec("1.5")))
            .bind(properties)
            .bind(corrects)
            .bind(now())
            .execute(c)
            .await
            .map(drop)).unwrap();
    }
    on!(&mut tx, c => sqlx::raw_sql(then).execute(c).await.map(drop)).unwrap();

    let lines: String = waiting::packs(&mut tx, 100).await.unwrap().into_iter().map(|pack| pack.lines).collect();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let common = |id: &str| serde_json::json!({
        "source": "api", "id": id, "subject": "SUB-1", "meter": "api_calls", "quantity": "1.5",
        "time": "2026-01-01T00:00:00.000001Z",
    });
    let (mut one, mut two) = (common("e\"1"), common("e2"));
    one["properties"] = serde_json::json!({"region": "eu", "rate": 1.10});
    two["corrects"] = "e\"1".into();
    assert_eq!(lines, [one, two]);
    let keys: Vec<WaitingKey> =
        waiting::keys_after(&mut tx, 0).await.unwrap().into_iter().flat_map(|(_, keys)| keys).collect();
    assert_eq!(keys, [
        WaitingKey { key: 1, content: u64::MAX, mark: None },
        WaitingKey { key: u128::MAX, content: 7, mark: Some(9) },
    ]);
    assert_eq!(waiting::count(&mut tx).await.unwrap(), 2);
});

use super::sample::now;
use super::{on_both, sqlite_path};
use crate::queue::{self, Enqueued};
use crate::tx::{PerDriver, Tx, on};
use crate::{Database, OpenError, QueuePool, Store, meta};
use domain::ids::RunId;
use domain::run::Step;
use domain::task::SliceTask;

fn task() -> SliceTask {
    SliceTask { run: RunId::of("r"), step: Step::Rate, slice: 0, epoch: 1 }
}

on_both!(a_task_is_enqueued_once_per_key_and_only_with_its_transaction, store => {
    let mut tx = store.begin().await.unwrap();
    queue::enqueue(&mut tx, "rate", &task(), "r/rate/0/1").await.unwrap();
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(queue::unfinished(&mut tx, "rate").await.unwrap(), 0);
    assert_eq!(queue::enqueue(&mut tx, "rate", &task(), "r/rate/0/1").await.unwrap(), Enqueued::New);
    assert_eq!(queue::enqueue(&mut tx, "rate", &task(), "r/rate/0/1").await.unwrap(), Enqueued::AlreadyThere);
    meta::set(&mut tx, "still", "usable").await.unwrap();
    assert_eq!(queue::enqueue(&mut tx, "rate", &task(), "r/rate/0/2").await.unwrap(), Enqueued::New);
    assert_eq!(queue::enqueue(&mut tx, "draft", &task(), "r/rate/0/1").await.unwrap(), Enqueued::New);
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(queue::unfinished(&mut tx, "rate").await.unwrap(), 2);
    assert_eq!(meta::get(&mut tx, "still").await.unwrap().as_deref(), Some("usable"));
    assert_eq!(queue::prune(&mut tx, now()).await.unwrap(), 0);
});

on_both!(only_what_others_had_fetched_is_handed_out_again, store => {
    let mut tx = store.begin().await.unwrap();
    for (epoch, worker) in [("1", "gone"), ("2", "mine"), ("3", "mine-too")] {
        let key = format!("r/rate/0/{epoch}");
        queue::enqueue(&mut tx, "rate", &task(), &key).await.unwrap();
        fetched_by(&mut tx, &key, &format!("{worker}/rate/1.0")).await;
    }
    assert_eq!(queue::hand_out_again(&mut tx, "nobody").await.unwrap(), 0);
    assert_eq!(queue::hand_out_of_others(&mut tx, "mine").await.unwrap(), 2);
    assert_eq!(queue::hand_out_of_others(&mut tx, "mine").await.unwrap(), 0, "they lie there for anybody");
    assert_eq!(queue::hand_out_again(&mut tx, "mine").await.unwrap(), 1);
});

/// As apalis notes it when a worker of its own has fetched a task.
async fn fetched_by(tx: &mut Tx, key: &str, worker: &str) {
    const WORKER: PerDriver = PerDriver {
        sqlite: "insert into Workers (id, worker_type, storage_name, layers, last_seen) values ($1, 'rate', '', '', 0)",
        postgres: "insert into apalis.workers (id, worker_type, storage_name, layers, last_seen)
                   values ($1, 'rate', '', '', now())",
    };
    const TASK: PerDriver = PerDriver {
        sqlite: "update Jobs set status = 'Running', lock_by = $1 where idempotency_key = $2",
        postgres: "update apalis.jobs set status = 'Running', lock_by = $1 where idempotency_key = $2",
    };
    let sql = tx.pick(&WORKER);
    on!(tx, c => sqlx::query(sql).bind(worker).execute(c).await.unwrap().rows_affected());
    let sql = tx.pick(&TASK);
    on!(tx, c => sqlx::query(sql).bind(worker).bind(key).execute(c).await.unwrap().rows_affected());
}

#[tokio::test]
async fn every_pooled_connection_is_durable_and_the_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = sqlite_path(&folder);
    let store = Store::open(&Database::Sqlite { path: path.clone() }).await.unwrap();
    assert_eq!(store.synchronous().await.unwrap(), [2, 2, 2], "FULL");
    assert!(matches!(store.queue_pool(), QueuePool::Sqlite(_)));
    use std::os::unix::fs::PermissionsExt;
    for file in ["tallybook.sqlite", "tallybook.sqlite-wal"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    store.close().await;
    Store::open(&Database::Sqlite { path }).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite { path: sqlite_path(&folder) };
    let store = Store::open(&database).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let crate::Tx::Sqlite(t) = &mut tx else { panic!("SQLite") };
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut **t)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let refused = Store::open(&database).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 9999, known } if known < 9999), "{refused}");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Database::Sqlite { path: folder.path().join("no/such/folder/x.sqlite") };
    assert!(matches!(Store::open(&nowhere).await.unwrap_err(), OpenError::Unreachable(_)));
    let bad = Database::Postgres { url: "mysql://x".to_owned() };
    assert!(matches!(Store::open(&bad).await.unwrap_err(), OpenError::Url(_)));
    std::fs::write(sqlite_path(&folder), "this is not a database, it is a letter to somebody").unwrap();
    assert!(Store::open(&Database::Sqlite { path: sqlite_path(&folder) }).await.is_err());
}

#[tokio::test]
async fn a_frozen_writer_loses_its_locks_on_postgresql() {
    let Some(home) = super::postgres().await else { return };
    let patience = async |mut tx: crate::Tx| {
        let crate::Tx::Postgres(t) = &mut tx else { panic!("PostgreSQL") };
        let show = "select current_setting('idle_in_transaction_session_timeout')";
        sqlx::query_scalar::<_, String>(show).fetch_one(&mut **t).await.unwrap()
    };
    assert_eq!(patience(home.store.begin().await.unwrap()).await, "30s");
    assert_eq!(patience(home.store.read().await.unwrap()).await, "1h", "a reader holds nobody up");
    let QueuePool::Postgres(queue) = home.store.queue_pool() else { panic!("PostgreSQL") };
    assert_eq!(
        patience(crate::Tx::Postgres(crate::lent::Held::new(queue.begin().await.unwrap()))).await,
        "30s",
        "apalis fetches in a transaction"
    );
    home.store.close().await;
}

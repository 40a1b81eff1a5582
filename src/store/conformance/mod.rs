//! One suite for both databases: every test runs on SQLite, and on PostgreSQL when a cluster can be started.

mod book;
mod cluster;
mod document;
mod draft;
mod invoice;
mod ledger;
mod listing;
mod queue;
mod run;
mod sample;
mod schema;
mod speed;
mod usage;

use crate::{Database, Store};
use std::path::PathBuf;

/// A store of its own for one test; its files go with it.
pub struct Home {
    pub store: Store,
    _folder: Option<tempfile::TempDir>,
}

/// A fresh SQLite store.
pub async fn sqlite() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Database::Sqlite { path: sqlite_path(&folder) }).await.unwrap();
    Home { store, _folder: Some(folder) }
}

/// The file in a folder.
pub fn sqlite_path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("tallybook.sqlite")
}

/// A fresh PostgreSQL store, if there is a PostgreSQL to start.
pub async fn postgres() -> Option<Home> {
    let url = cluster::fresh_database().await?;
    let store = Store::open(&Database::Postgres { url }).await.unwrap();
    Some(Home { store, _folder: None })
}

/// `on_both!(fn a_sentence(store) { … })`: the same test on either database.
macro_rules! on_both {
    ($(#[$doc:meta])* $name:ident, $store:ident => $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn test($store: $crate::Store) $body

            #[tokio::test]
            async fn sqlite() {
                let home = crate::conformance::sqlite().await;
                test(home.store.clone()).await;
            }

            #[tokio::test]
            async fn postgres() {
                let Some(home) = crate::conformance::postgres().await else { return };
                test(home.store.clone()).await;
                home.store.close().await;
            }
        }
    };
}
pub(crate) use on_both;

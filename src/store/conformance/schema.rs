use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Tx;

type Columns = BTreeMap<String, Vec<(String, bool)>>;

/// Table → (column, nullable), ours only.
pub(super) async fn columns(tx: &mut Tx) -> Columns {
    let sqlite = "select m.name, p.name, p.\"notnull\" = 0
                  from sqlite_master m
                  join pragma_table_info(m.name) p
                  where m.type = 'table'
                    and m.name not like 'sqlite%'
                    and m.name not like '\\_%' escape '\\'
                    and m.name not in ('Jobs', 'Workers')
                  order by m.name, p.cid";
    let postgres = "select table_name::text, column_name::text, is_nullable = 'YES'
                    from information_schema.columns
                    where table_schema = 'public'
                      and table_name not like '\\_%'
                    order by table_name, ordinal_position";
    let rows: Vec<(String, String, bool)> = match tx {
        Tx::Sqlite(t) => sqlx::query_as(sqlite).fetch_all(&mut **t).await.unwrap(),
        Tx::Postgres(t) => sqlx::query_as(postgres).fetch_all(&mut **t).await.unwrap(),
    };
    let mut columns = Columns::new();
    for (table, column, nullable) in rows {
        columns.entry(table).or_default().push((column, nullable));
    }
    columns
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let home = super::sqlite().await;
    let sqlite = columns(&mut home.store.read().await.unwrap()).await;
    assert!(sqlite.len() > 30, "{} tables", sqlite.len());
    let Some(home) = super::postgres().await else { return };
    let postgres = columns(&mut home.store.read().await.unwrap()).await;
    for (table, columns) in &sqlite {
        assert_eq!(postgres.get(table), Some(columns), "{table}");
    }
    assert_eq!(sqlite.len(), postgres.len());
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_migration_folders_list_the_same_names_and_each_opens_with_why() {
    let migrations = here().join("../../migrations");
    let (sqlite, postgres) = (names(&migrations.join("sqlite")), names(&migrations.join("postgres")));
    assert_eq!(sqlite, postgres);
    for driver in ["sqlite", "postgres"] {
        for name in &sqlite {
            let text = std::fs::read_to_string(migrations.join(driver).join(name)).unwrap();
            assert!(text.starts_with("-- "), "{driver}/{name}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("conformance") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The highest `$n` in a text.
fn placeholders(text: &str) -> usize {
    let number =
        |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    text.split('$').skip(1).map(number).max().unwrap_or(0)
}

/// The text of `const NAME: PerDriver …;`, with the `$1` that `by_keys!` adds.
fn constant<'a>(source: &'a str, before: usize, name: &str) -> Option<(&'a str, usize)> {
    let start = source[..before].rfind(&format!("const {name}: "))?;
    let text = &source[start..];
    let text = &text[..text.find(";\n").unwrap_or(text.len())];
    Some((text, placeholders(text).max(usize::from(text.contains("by_keys!")))))
}

/// A missing bind is null in SQLite and no error: every statement must bind as many values as it has placeholders.
#[test]
fn every_statement_binds_all_its_placeholders() {
    let mut files = Vec::new();
    sources(&here(), &mut files);
    let (mut checked, mut skipped) = (0, 0);
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        for (at, _) in source.match_indices("sqlx::query") {
            let rest = &source[at..];
            let Some(end) = [".fetch_", ".fetch(", ".execute("].iter().filter_map(|e| rest.find(e)).min()
            else {
                continue;
            };
            let statement = &rest[..end];
            if statement.contains("AssertSqlSafe(sql)") && file.ends_with("listing.rs") {
                continue; // Composed from parts: `conformance/listing.rs` asks each of them on both databases.
            }
            let binds = statement.matches(".bind(").count();
            let wanted = if statement.contains('"') {
                Some(placeholders(statement))
            } else {
                let named = statement.split_once('(').map(|(_, name)| name);
                let named = named.filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
                let picked = source[..at].rfind("tx.pick(&").map(|p| &source[p + "tx.pick(&".len()..]);
                named.or(picked).and_then(|p| constant(&source, at, &p[..p.find(')')?])).map(|(_, n)| n)
            };
            match wanted {
                Some(wanted) => {
                    assert_eq!(binds, wanted, "{}: {statement}", file.display());
                    checked += 1;
                }
                None => skipped += 1,
            }
        }
    }
    assert!(checked > 100 && skipped < 24, "{checked} checked, {skipped} skipped");
}

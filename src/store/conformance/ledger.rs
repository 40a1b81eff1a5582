use super::on_both;
use super::sample::{self, date, now};
use crate::ledger::{self, Balance, ClosedPeriod, LedgerExport, SealedFilter};
use crate::tx::on;
use crate::{Store, verify};
use domain::ledger::{ChainState, Entry, EntryKind, Sealed, seal, verify_link};

fn closed(period: &str, open_from: &str) -> ClosedPeriod {
    ClosedPeriod {
        period: period.to_owned(),
        open_from: date(open_from),
        entries: 1,
        last_sequence: 1,
        last_hash: "0".repeat(64),
        path: format!("books-{period}.csv"),
        sha256: "0".repeat(64),
        totals: serde_json::json!([]),
        closed_by: "operator".to_owned(),
        closed_at: now(),
    }
}

async fn seal_all(store: &Store) -> Vec<Sealed> {
    let mut tx = store.begin().await.unwrap();
    let end = ledger::lock_chain(&mut tx).await.unwrap();
    let waiting = ledger::unsealed(&mut tx).await.unwrap();
    let entries = ledger::waiting(&mut tx, &waiting).await.unwrap();
    let sealed = seal(&end, entries);
    ledger::save_sealed(&mut tx, &sealed).await.unwrap();
    tx.commit().await.unwrap();
    sealed
}

on_both!(entries_come_back_and_a_repeat_is_quiet, store => {
    let mut tx = store.begin().await.unwrap();
    assert_eq!(ledger::save_entries(&mut tx, None, &[sample::entry(1), sample::entry(2)]).await.unwrap(), 2);
    assert_eq!(ledger::save_entries(&mut tx, None, &[sample::entry(1)]).await.unwrap(), 0);
    assert_eq!(ledger::unsealed_count(&mut tx).await.unwrap(), 2);
    assert_eq!(ledger::of_document(&mut tx, sample::entry(1).invoice).await.unwrap(), [sample::entry(1)]);
    let mut odd = sample::entry(3);
    odd.postings[0].debit_minor += 1;
    let refused = ledger::save_entries(&mut tx, None, &[odd]).await.unwrap_err();
    assert!(refused.to_string().contains("24941"), "{refused}");
});

on_both!(the_sealer_takes_what_waits_in_sealing_order_and_the_chain_goes_on, store => {
    let payment = Entry {
        id: domain::ids::EntryId::of("payment 1"),
        kind: EntryKind::Payment,
        posting_date: date("2026-01-31"),
        ..sample::entry(1)
    };
    let mut late = sample::entry(2);
    late.posting_date = date("2026-01-30");
    let mut tx = store.begin().await.unwrap();
    ledger::save_entries(&mut tx, None, &[payment.clone(), sample::entry(1), late.clone()]).await.unwrap();
    tx.commit().await.unwrap();
    let sealed = seal_all(&store).await;
    let order: Vec<&Entry> = sealed.iter().map(|s| &s.entry).collect();
    assert_eq!(order, [&late, &sample::entry(1), &payment]);

    // Sealing again finds nothing, and what was sealed is not sealed twice.
    assert_eq!(seal_all(&store).await, []);
    let mut tx = store.begin().await.unwrap();
    ledger::save_entries(&mut tx, None, &[sample::entry(1)]).await.unwrap();
    assert_eq!(ledger::unsealed_count(&mut tx).await.unwrap(), 0);
    ledger::save_entries(&mut tx, None, &[sample::entry(3)]).await.unwrap();
    tx.commit().await.unwrap();
    let more = seal_all(&store).await;
    assert_eq!(more[0].sequence, 4);

    let mut tx = store.begin().await.unwrap();
    let all = ledger::sealed_page(&mut tx, &SealedFilter::default(), 0, 100).await.unwrap();
    assert_eq!(all, [sealed.clone(), more].concat());
    let end = all.iter().try_fold(ChainState::default(), |end, link| verify_link(&end, link));
    assert_eq!(end.unwrap(), ledger::chain_end(&mut tx).await.unwrap());
    assert_eq!(ledger::sealed_page(&mut tx, &SealedFilter::default(), 2, 1).await.unwrap(), all[2..3]);
    let dated = SealedFilter { from: Some(date("2026-01-31")), before: Some(date("2026-02-01")), ..Default::default() };
    assert_eq!(ledger::sealed_page(&mut tx, &dated, 0, 100).await.unwrap(), all[1..]);
    let ranged = SealedFilter { first: Some(2), last: Some(3), ..Default::default() };
    assert_eq!(ledger::sealed_page(&mut tx, &ranged, 0, 100).await.unwrap(), all[1..3]);
    assert!(ledger::save_sealed(&mut tx, &sealed).await.is_err(), "a seal is not written twice");
});

on_both!(balances_are_per_account_and_currency, store => {
    let mut euro = sample::entry(2);
    euro.currency = "EUR".parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    ledger::save_entries(&mut tx, None, &[sample::entry(1), euro, sample::entry(3)]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    let accounts = ["1100".to_owned(), "9999".to_owned()];
    assert_eq!(ledger::balances(&mut tx, &accounts, None, None).await.unwrap(), [], "sealed entries only");
    drop(tx);
    seal_all(&store).await;
    let mut tx = store.read().await.unwrap();
    let balance = |currency: &str, minor| Balance {
        account: "1100".to_owned(),
        currency: currency.parse().unwrap(),
        minor,
    };
    let all = ledger::balances(&mut tx, &accounts, None, None).await.unwrap();
    assert_eq!(all, [balance("DKK", 49_880), balance("EUR", 24_940)]);
    let first = ledger::balances(&mut tx, &accounts, Some(1), Some(date("2026-02-01"))).await.unwrap();
    assert_eq!(first, [balance("DKK", 24_940)]);
    assert_eq!(ledger::balances(&mut tx, &accounts, None, Some(date("2026-01-31"))).await.unwrap(), []);
});

on_both!(exports_tile_the_ledger, store => {
    let mut tx = store.begin().await.unwrap();
    assert_eq!(ledger::next_range(&mut tx).await.unwrap(), None);
    let entries: Vec<Entry> = (1..=3).map(sample::entry).collect();
    ledger::save_entries(&mut tx, None, &entries).await.unwrap();
    tx.commit().await.unwrap();
    let sealed = seal_all(&store).await;
    let export = |ordinal, first: usize, last: usize| LedgerExport {
        ordinal,
        format: "csv".to_owned(),
        first: first as u64,
        last: last as u64,
        last_hash: sealed[last - 1].hash.to_string(),
        path: format!("exports/{ordinal}.csv"),
        sha256: "ab".to_owned(),
        manifest: serde_json::json!({"entries": last - first + 1}),
        exported_at: now(),
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(ledger::next_range(&mut tx).await.unwrap(), Some((1, 3)));
    assert!(ledger::mark_export(&mut tx, &export(1, 2, 3)).await.is_err(), "it must begin at 1");
    let beyond = LedgerExport { last: 4, ..export(1, 1, 3) };
    assert!(ledger::mark_export(&mut tx, &beyond).await.is_err(), "it must end within the chain");
    ledger::mark_export(&mut tx, &export(1, 1, 2)).await.unwrap();
    assert_eq!(ledger::next_range(&mut tx).await.unwrap(), Some((3, 3)));
    assert!(ledger::mark_export(&mut tx, &export(2, 2, 3)).await.is_err(), "it must not overlap");
    ledger::mark_export(&mut tx, &export(2, 3, 3)).await.unwrap();
    assert_eq!(ledger::exports(&mut tx).await.unwrap(), [export(1, 1, 2), export(2, 3, 3)]);
    let failed: Vec<_> = verify::all(&mut tx).await.unwrap().into_iter().filter(|c| !c.is_ok()).collect();
    assert_eq!(failed, []);
});

on_both!(nothing_posts_into_a_closed_period, store => {
    let mut tx = store.begin().await.unwrap();
    assert_eq!(ledger::open_from(&mut tx).await.unwrap(), None);
    ledger::close(&mut tx, &closed("2026-01", "2026-02-01")).await.unwrap();
    assert_eq!(ledger::open_from(&mut tx).await.unwrap(), Some(date("2026-02-01")));
    assert!(ledger::close(&mut tx, &closed("2025-12", "2026-01-01")).await.is_err());
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(ledger::save_entries(&mut tx, None, &[sample::entry(1)]).await.is_err());
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let open = Entry { posting_date: date("2026-02-01"), ..sample::entry(1) };
    ledger::save_entries(&mut tx, None, &[open]).await.unwrap();
});

on_both!(verify_names_what_does_not_add_up, store => {
    sample::load(&store).await;
    sample::book(&store, 1).await;
    let mut tx = store.begin().await.unwrap();
    // What no program of ours does: an invoice that loses a line, a number that was never used, a changed mark.
    for sql in [
        "update number_series set next = 5",
        "update invoice_settlement set settled_minor = 1",
        "insert into ledger_seal (sequence, entry, previous_hash, hash) select 2, id, '', '' from ledger_entry",
    ] {
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    }
    let failed: Vec<&str> =
        verify::all(&mut tx).await.unwrap().iter().filter(|c| !c.is_ok()).map(|c| c.name).collect();
    assert_eq!(
        failed,
        [
            "number_series",
            "settlements",
            "ledger_sequence",
            "ledger_sealed",
            "ledger_links",
            // The sample posts its two lines as one, and has billed no period.
            "lines_billed",
            "lines_in_ledger"
        ]
    );
});

use super::on_both;
use super::sample::{self, BOOK, date, load_in, read_book};
use crate::book_object::Status;
use crate::tx::on;
use crate::{book, book_object, catalogue, meta, payer, subject};
use domain::book_file::ObjectKind;
use domain::ids::*;
use domain::run::Scope;
use domain::subscription::{Act, Verb};
use std::collections::BTreeSet;
use std::sync::Arc;

on_both!(a_book_comes_back_as_it_was_loaded_and_loading_it_again_changes_nothing, store => {
    let first = read_book(BOOK);
    let mut tx = store.begin().await.unwrap();
    assert!(!load_in(&mut tx, BOOK).await.is_nothing());
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let stored = catalogue::load(&mut tx).await.unwrap().unwrap();
    assert_eq!(serde_json::to_value(&stored).unwrap(), serde_json::to_value(&first.catalogue).unwrap());
    for customer in &first.customers {
        let stored = book::customer(&mut tx, &customer.account_number).await.unwrap();
        assert_eq!(stored.as_ref(), Some(customer));
    }
    for subscription in &first.subscriptions {
        let stored = book::subscription(&mut tx, &subscription.number).await.unwrap();
        assert_eq!(stored.as_ref(), Some(subscription));
    }
    assert!(load_in(&mut tx, BOOK).await.is_nothing());
    let object = book_object::get(&mut tx, ObjectKind::Customer, "CU-2").await.unwrap().unwrap();
    let customer = CustomerId::of("CU-2");
    assert_eq!((object.id, object.status), (customer.0, Status::Active));
    assert_eq!(object.created.unwrap().by, "ada");
    assert!(object.modified.is_none() && object.document.contains("Børsens Bageri"), "{}", object.document);
    assert_eq!(book_object::by_id(&mut tx, customer.0).await.unwrap().unwrap().key, "CU-2");
});

on_both!(documents_of_an_earlier_version_are_written_once_and_read_again_as_the_same_book, store => {
    sample::load(&store).await;
    let mut tx = store.begin().await.unwrap();
    let before = catalogue::load(&mut tx).await.unwrap().unwrap();
    // As an earlier version left it: rules and rates by their place, hashes without documents.
    for sql in [
        "update catalogue_part set key = '0' where kind in ('tax_rule', 'rate')",
        "update book_object set document = ''",
        "insert into meta (name, value) values ('book_documents', 'to be written')",
    ] {
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    }
    book_object::write_missing(&mut tx).await.unwrap();
    assert!(!book_object::is_to_be_written(&mut tx).await.unwrap());
    assert!(load_in(&mut tx, BOOK).await.is_nothing(), "what was loaded last is still known");
    let mut lines = String::new();
    for kind in ObjectKind::ALL {
        for row in book_object::export_page(&mut tx, *kind, None, 100).await.unwrap() {
            lines.push_str(&format!("{{\"{}\": {}}}\n", kind.singular(), row.document));
        }
    }
    assert!(load_in(&mut tx, &lines).await.is_nothing(), "{lines}");
    let again = read_book(&lines);
    assert_eq!(serde_json::to_value(&again.catalogue).unwrap(), serde_json::to_value(&before).unwrap());
    assert_eq!(again.customers, read_book(BOOK).customers);
    assert_eq!(again.subscriptions, read_book(BOOK).subscriptions);
});

on_both!(a_payer_is_the_root_of_its_tree_and_sees_every_change_in_it, store => {
    sample::load(&store).await;
    let mut tx = store.begin().await.unwrap();
    let before = payer::payers(&mut tx, &Scope::default()).await.unwrap();
    let accounts: Vec<&str> = before.iter().map(|p| p.account_number.as_str()).collect();
    assert_eq!(accounts, ["CU-1", "CU-3"], "CU-2 bills to CU-1");

    let mut child = book::subscription(&mut tx, "SUB-2").await.unwrap().unwrap();
    child.acts.push(Act { on: date("2026-02-01"), done: date("2026-02-01"), ordinal: 1, verb: Verb::Hold { refund_prorated: false } });
    book::save_subscriptions(&mut tx, std::slice::from_ref(&child)).await.unwrap();
    let after = payer::payers(&mut tx, &Scope::default()).await.unwrap();
    assert!(after[0].revision > before[0].revision, "the root is revised");
    assert_eq!(after[1], before[1], "others are not");
    assert_eq!(book::subscription(&mut tx, "SUB-2").await.unwrap().unwrap(), child);

    catalogue::raise(&mut tx).await.unwrap();
    let revised = payer::locked_refs(&mut tx, &[before[0].id, before[1].id]).await.unwrap();
    assert!(revised.iter().zip(&after).all(|(now, then)| now.revision > then.revision), "all are");
});

on_both!(a_change_of_the_catalogue_revises_those_whose_bills_it_may_move, store => {
    sample::load(&store).await;
    let changes = [
        (r#""refkey": "call", "fullname": "call""#, r#""refkey": "call", "fullname": "API call""#, [false, false]),
        (r#""fullname": "Pro""#, r#""fullname": "Pro, for all""#, [true, false]),
        (r#""taxpct": "25""#, r#""taxpct": "24""#, [true, true]),
        (r#""fullname": "Launch""#, r#""fullname": "Lift-off""#, [true, true]),
    ];
    let mut text = BOOK.to_owned();
    for (from, to, expected) in changes {
        assert!(text.contains(from));
        text = text.replace(from, to);
        let mut tx = store.begin().await.unwrap();
        let before = payer::payers(&mut tx, &Scope::default()).await.unwrap();
        load_in(&mut tx, &text).await;
        let after = payer::payers(&mut tx, &Scope::default()).await.unwrap();
        let revised: Vec<bool> = after.iter().zip(&before).map(|(a, b)| a.revision > b.revision).collect();
        assert_eq!(revised, expected, "{to}: CU-1 and its child have PRO, CU-3 has nothing");
        tx.commit().await.unwrap();
    }
});

on_both!(a_child_that_leaves_its_parent_revises_both_payers, store => {
    sample::load(&store).await;
    let mut tx = store.begin().await.unwrap();
    let before = payer::refs(&mut tx, &[CustomerId::of("CU-1")]).await.unwrap();
    let mut child = book::customer(&mut tx, "CU-2").await.unwrap().unwrap();
    child.bill_to_parent = false;
    book::save_customers(&mut tx, &[child.clone()]).await.unwrap();
    let payers = payer::payers(&mut tx, &Scope::default()).await.unwrap();
    assert_eq!(payers.len(), 3);
    assert!(payers[0].revision > before[0].revision);
    assert_eq!(book::payer_of(&mut tx, child.id).await.unwrap(), child.id);

    // And moves below another, with everybody below it.
    child.parent = Some(CustomerId::of("CU-3"));
    child.bill_to_parent = true;
    book::save_customers(&mut tx, &[child.clone()]).await.unwrap();
    assert_eq!(book::payer_of(&mut tx, child.id).await.unwrap(), CustomerId::of("CU-3"));
});

on_both!(scopes_name_customers_or_a_business_unit, store => {
    sample::load(&store).await;
    let mut tx = store.read().await.unwrap();
    let named = |customers: &[&str], unit: Option<&str>| Scope {
        customers: customers.iter().map(|c| (*c).to_owned()).collect(),
        business_unit: unit.map(str::to_owned),
    };
    for (scope, expected) in [
        (named(&["CU-2"], None), vec!["CU-1"]),
        (named(&["CU-3", "CU-1"], None), vec!["CU-1", "CU-3"]),
        (named(&[], Some("dk")), vec!["CU-1"]),
        (named(&["CU-3"], Some("dk")), vec![]),
        (named(&["nobody"], None), vec![]),
    ] {
        let payers = payer::payers(&mut tx, &scope).await.unwrap();
        let accounts: Vec<&str> = payers.iter().map(|p| p.account_number.as_str()).collect();
        assert_eq!(accounts, expected, "{scope:?}");
    }
});

on_both!(a_payer_book_holds_the_whole_tree, store => {
    sample::load(&store).await;
    let mut tx = store.read().await.unwrap();
    let catalogue = Arc::new(catalogue::load(&mut tx).await.unwrap().unwrap());
    let ids = [CustomerId::of("CU-3"), CustomerId::of("CU-1")];
    let books = payer::books(&mut tx, &ids, &catalogue).await.unwrap();
    assert_eq!(books.iter().map(|b| b.payer).collect::<Vec<_>>(), ids, "in the order asked for");
    assert_eq!((books[1].customers.len(), books[1].subscriptions.len()), (2, 2));
    assert_eq!((books[0].customers.len(), books[0].subscriptions.len()), (1, 0));
    assert_eq!(books[1].codes_redeemed.values().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(book::redeemed(&mut tx, DiscountId::of("launch"), "LAUNCH-A1").await.unwrap(), 1);
});

on_both!(subjects_have_dense_numbers_that_survive_a_change, store => {
    sample::load(&store).await;
    let mut tx = store.begin().await.unwrap();
    let before = subject::all(&mut tx).await.unwrap();
    assert_eq!(before.iter().map(|s| (s.number.as_str(), s.no)).collect::<Vec<_>>(), [("SUB-1", 1), ("SUB-2", 2)]);
    let numbers: BTreeSet<u32> = before.iter().flat_map(|s| &s.charges).map(|c| c.no).collect();
    assert_eq!(numbers, BTreeSet::from([1, 2, 3, 4]));
    assert_eq!(before[1].account_number, "CU-2");
    assert_eq!(*before[1].plans, BTreeSet::from([PlanId::of("PRO")]));

    let mut changed = book::subscription(&mut tx, "SUB-1").await.unwrap().unwrap();
    let reference = ChargeReference::for_charge(changed.id, "extra", 0);
    let added = Verb::AddOptionalCharge {
        charge: "PRO-EXTRA".to_owned(),
        reference,
        amount: sample::dec("1"),
        unit_price: None,
    };
    changed.acts.push(Act { on: date("2026-02-01"), done: date("2026-02-01"), ordinal: 1, verb: added });
    book::save_subscriptions(&mut tx, &[changed]).await.unwrap();
    let after = subject::all(&mut tx).await.unwrap();
    assert_eq!(after[0].charges.len(), 3);
    assert_eq!(subject::charge_numbers(&mut tx).await.unwrap()[&reference], 5);
    assert_eq!(subject::subscription_numbers(&mut tx).await.unwrap()[&after[1].id], 2);
    let meters = BTreeSet::from(["api_calls".to_owned(), "storage".to_owned()]);
    let given = subject::meter_numbers(&mut tx, &meters).await.unwrap();
    assert_eq!(given.values().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]));
    assert_eq!(subject::meter_numbers(&mut tx, &meters).await.unwrap(), given);
});

on_both!(the_key_seed_is_made_once, store => {
    let mut tx = store.begin().await.unwrap();
    let seed = meta::key_seed(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(meta::key_seed(&mut tx).await.unwrap(), seed);
});

on_both!(a_reader_cannot_write_and_a_dropped_transaction_leaves_nothing, store => {
    let mut tx = store.read().await.unwrap();
    assert!(meta::set(&mut tx, "a", "b").await.is_err());
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    meta::set(&mut tx, "a", "b").await.unwrap();
    drop(tx);
    let mut tx = store.read().await.unwrap();
    assert_eq!(meta::get(&mut tx, "a").await.unwrap(), None);
    let one: i64 = on!(&mut tx, c => sqlx::query_scalar("select count(*) from meta").fetch_one(c).await).unwrap();
    assert_eq!(one, 0);
});

on_both!(customers_and_their_subscriptions_are_found_by_id, store => {
    sample::load(&store).await;
    let mut tx = store.read().await.unwrap();
    let ids: Vec<CustomerId> = ["CU-1", "CU-3", "CU-9"].iter().map(|n| CustomerId::of(n)).collect();
    assert_eq!(book::customers(&mut tx, &ids).await.unwrap().len(), 2);
    assert_eq!(book::subscriptions(&mut tx, Some(ids[0])).await.unwrap().len(), 1);
});

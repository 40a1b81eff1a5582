//! Statements of listings are composed, so that no reading of the source sees what they bind: each is asked here.

use super::sample;
use crate::conformance::on_both;
use crate::listing::{self, Listing, Narrow, Window};
use domain::ids::{CustomerId, SubscriptionId};
use uuid::Uuid;

const ALL: [Listing; 4] =
    [Listing::Invoices, Listing::Transactions, Listing::Subscriptions, Listing::Customers];
const PAGE: Window = Window { limit: 100, offset: 0 };

/// Every condition alone, and all of them.
fn narrows(id: Uuid, number: &str) -> [Narrow; 5] {
    let none = Narrow::default;
    [
        Narrow { id: Some(id), ..none() },
        Narrow { customer: Some(id), ..none() },
        Narrow { invoice: Some(id), ..none() },
        Narrow { number: Some(number.to_owned()), ..none() },
        Narrow { id: Some(id), customer: Some(id), invoice: Some(id), number: Some(number.to_owned()) },
    ]
}

on_both!(every_condition_narrows_every_listing_and_its_count, store => {
    sample::load(&store).await;
    let mut tx = store.read().await.unwrap();
    for listing in ALL {
        for narrow in narrows(Uuid::from_u128(7), "nothing") {
            let ids = listing::ids(&mut tx, listing, &narrow, PAGE).await.unwrap();
            let count = listing::count(&mut tx, listing, &narrow).await.unwrap();
            assert_eq!((ids.len(), count), (0, 0), "{listing:?} {narrow:?}");
        }
    }
    let (customer, subscription) = (CustomerId::of("CU-1").0, SubscriptionId::of("SUB-1").0);
    let none = Narrow::default;
    for (listing, narrow, expected) in [
        (Listing::Customers, none(), 3),
        (Listing::Customers, Narrow { id: Some(customer), ..none() }, 1),
        (Listing::Customers, Narrow { customer: Some(customer), ..none() }, 1),
        (Listing::Customers, Narrow { number: Some("CU-3".to_owned()), ..none() }, 1),
        (Listing::Subscriptions, none(), 2),
        (Listing::Subscriptions, Narrow { id: Some(subscription), ..none() }, 1),
        (Listing::Subscriptions, Narrow { customer: Some(customer), ..none() }, 1),
        (Listing::Subscriptions, Narrow { number: Some("SUB-2".to_owned()), ..none() }, 1),
    ] {
        let ids = listing::ids(&mut tx, listing, &narrow, PAGE).await.unwrap();
        let count = listing::count(&mut tx, listing, &narrow).await.unwrap();
        assert_eq!((ids.len(), count), (expected, expected as i64), "{listing:?} {narrow:?}");
    }
});

on_both!(pages_follow_one_another, store => {
    sample::load(&store).await;
    let mut tx = store.read().await.unwrap();
    let all = listing::ids(&mut tx, Listing::Customers, &Narrow::default(), PAGE).await.unwrap();
    for (offset, expected) in all.iter().enumerate() {
        let window = Window { limit: 1, offset: offset as i64 };
        let page = listing::ids(&mut tx, Listing::Customers, &Narrow::default(), window).await.unwrap();
        assert_eq!(page, [*expected]);
    }
});

use super::on_both;
use super::sample::{self, now};
use crate::audit::{self, Filter};
use crate::delivery::{self, Claim, Closed, Delivery, DeliveryState, OpenFilter};
use crate::document::{self, Document};
use crate::run::notices::{self, Channel, Notice};
use crate::schedule;
use chrono::Duration;
use domain::audit::{Action, Object};
use domain::ids::InvoiceId;

fn document_of(n: u32) -> Document {
    Document {
        invoice: sample::invoice(n).draft.id,
        template: "pdf".to_owned(),
        path: format!("documents/{n}.pdf"),
        sha256: "ab".to_owned(),
        bytes: 19_000,
    }
}

on_both!(a_document_is_written_once, store => {
    sample::load(&store).await;
    sample::book(&store, 3).await;
    let mut tx = store.begin().await.unwrap();
    let all: Vec<Document> = (1..=3).map(document_of).collect();
    assert_eq!(document::save(&mut tx, &all).await.unwrap(), 3);
    let other = Document { sha256: "cd".to_owned(), ..document_of(1) };
    assert_eq!(document::save(&mut tx, &[other]).await.unwrap(), 0);
    assert_eq!(document::of_invoices(&mut tx, &[all[0].invoice]).await.unwrap(), all[..1]);
    let mut paged = Vec::new();
    loop {
        let last: Option<(InvoiceId, String)> = paged.last().map(|d: &Document| (d.invoice, d.template.clone()));
        let page = document::page(&mut tx, last.as_ref().map(|(i, t)| (*i, t.as_str())), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged.len(), 3);
});

fn delivery_of(n: u32) -> Delivery {
    Delivery {
        invoice: sample::invoice(n).draft.id,
        channel: "email".to_owned(),
        address: "bogholder@kaffe.example".to_owned(),
        message_id: format!("{n}@nordlys.example"),
        state: DeliveryState::Pending,
        reason: None,
        attempts: 0,
        due_at: None,
        closed: None,
    }
}

on_both!(a_delivery_is_planned_once_and_answered_until_it_is_sent, store => {
    sample::load(&store).await;
    sample::book(&store, 2).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(delivery::plan(&mut tx, &[delivery_of(1), delivery_of(2)]).await.unwrap(), 2);
    assert_eq!(delivery::plan(&mut tx, &[delivery_of(1)]).await.unwrap(), 0);
    let due = delivery::due(&mut tx, now(), 9).await.unwrap();
    assert_eq!(due.len(), 2);
    let by = |claimant| Claim { by: claimant, now: now(), until: now() + Duration::hours(1) };
    assert_eq!(delivery::claim(&mut tx, due.clone(), by("one")).await.unwrap().mine, due);
    assert_eq!(delivery::claim(&mut tx, due.clone(), by("two")).await.unwrap().others, due, "somebody is at it");
    assert_eq!(delivery::claimants(&mut tx).await.unwrap(), ["one"]);
    let later = Delivery {
        reason: Some("451 later".to_owned()),
        attempts: 1,
        due_at: Some(now() + Duration::minutes(5)),
        ..delivery_of(1)
    };
    let failed = Delivery {
        state: DeliveryState::Failed,
        reason: Some("550 no such user".to_owned()),
        attempts: 1,
        ..delivery_of(2)
    };
    assert_eq!(delivery::answer(&mut tx, &[later.clone(), failed.clone()], "two").await.unwrap(), 0, "not its claim");
    assert_eq!(delivery::answer(&mut tx, &[later.clone(), failed.clone()], "one").await.unwrap(), 2);
    assert_eq!(
        delivery::claim(&mut tx, due.clone(), by("two")).await.unwrap().mine,
        [],
        "it was tried since it was read"
    );
    assert_eq!(delivery::untried(&mut tx, due).await.unwrap(), [], "it was tried since it was read");
    assert_eq!(delivery::due(&mut tx, now(), 9).await.unwrap(), []);
    assert_eq!(delivery::due(&mut tx, now() + Duration::minutes(5), 9).await.unwrap(), std::slice::from_ref(&later));
    let sent = Delivery { state: DeliveryState::Sent, attempts: 2, due_at: None, reason: None, ..later };
    assert_eq!(delivery::answer(&mut tx, std::slice::from_ref(&sent), "late").await.unwrap(), 1, "what is sent is sent");
    assert_eq!(delivery::answer(&mut tx, std::slice::from_ref(&failed), "one").await.unwrap(), 0, "it is not pending");
    let counts = delivery::open_counts(&mut tx).await.unwrap();
    assert_eq!((counts.waiting, counts.refused, counts.nobody), (0, 1, 0));
    assert_eq!(delivery::retry(&mut tx, &[delivery_of(1).invoice, delivery_of(2).invoice]).await.unwrap(), 1);
    assert_eq!(delivery::of_invoices(&mut tx, &[sent.invoice]).await.unwrap(), [sent]);
    let closed = Closed { on: now().date_naive(), why: "by post".to_owned() };
    assert_eq!(delivery::close(&mut tx, &[delivery_of(1), delivery_of(2)], &closed).await.unwrap(), 1);
    assert_eq!(delivery::list_open(&mut tx, &OpenFilter::default()).await.unwrap(), []);
    assert_eq!(delivery::waiting(&mut tx, None, 9).await.unwrap(), []);
});

on_both!(two_schedulers_make_one_tick, store => {
    let mut tx = store.begin().await.unwrap();
    schedule::plan(&mut tx, "run", "0 5 * * *", Some(now())).await.unwrap();
    let next = Some(now() + Duration::days(1));
    assert!(schedule::tick(&mut tx, "run", now(), now(), next, 2).await.unwrap());
    assert!(!schedule::tick(&mut tx, "run", now(), now(), next, 2).await.unwrap());
    schedule::plan(&mut tx, "run", "0 6 * * *", next).await.unwrap();
    let jobs = schedule::jobs(&mut tx).await.unwrap();
    assert_eq!((jobs[0].last_at, jobs[0].next_at, jobs[0].missed), (Some(now()), next, 2));
    assert_eq!(jobs[0].expression, "0 6 * * *");
    assert_eq!(schedule::prune(&mut tx, now()).await.unwrap(), 0);
    assert_eq!(schedule::prune(&mut tx, now() + Duration::days(1)).await.unwrap(), 1);
});

on_both!(the_audit_log_keeps_everything_in_order, store => {
    let detail = serde_json::json!({"reason": "goodwill"});
    let mut tx = store.begin().await.unwrap();
    let done = [
        (Action::OpenRun, Object::Run(1)),
        (Action::Refund, Object::Invoice("INV-3")),
        (Action::CancelRun, Object::Run(1)),
    ];
    for (action, object) in done {
        audit::record(&mut tx, now(), "anna", action, &object, &detail).await.unwrap();
    }
    let one = Filter { object: Some("run 1".to_owned()), ..Filter::default() };
    let none = Filter { since: Some(now() + Duration::seconds(1)), ..Filter::default() };
    assert_eq!(audit::newest(&mut tx, &none, 9).await.unwrap(), []);
    let since_then = Filter { since: Some(now()), actor: Some("anna".to_owned()), object: None };
    assert_eq!(audit::newest(&mut tx, &since_then, 9).await.unwrap().len(), 3);
    let of_run = audit::newest(&mut tx, &one, 9).await.unwrap();
    assert_eq!(of_run.iter().map(|r| r.action.as_str()).collect::<Vec<_>>(), ["run.cancel", "run.open"]);
    assert!(of_run.iter().all(|r| (r.at, r.actor.as_str(), &r.detail) == (now(), "anna", &detail)));
    assert_eq!(audit::newest(&mut tx, &Filter::default(), 1).await.unwrap()[0].object, "run 1");
});

on_both!(a_notice_of_a_run_is_claimed_once_and_freed_when_its_claimant_is_gone, store => {
    sample::load(&store).await;
    let run = sample::open_run(&store).await;
    let notice = Notice {
        run: run.id,
        attempt: 1,
        channel: Channel::Report,
        address: "ops@nordlys.example".to_owned(),
        message_id: "one".to_owned(),
        state: DeliveryState::Pending,
        reason: None,
        tries: 0,
        due_at: None,
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(notices::plan(&mut tx, std::slice::from_ref(&notice)).await.unwrap(), 1);
    assert_eq!(notices::plan(&mut tx, std::slice::from_ref(&notice)).await.unwrap(), 0);
    let due = notices::due(&mut tx, Some(now())).await.unwrap();
    assert_eq!(due, [notice]);
    let by = |claimant| Claim { by: claimant, now: now(), until: now() + Duration::hours(1) };
    assert_eq!(notices::claim(&mut tx, due.clone(), by("one")).await.unwrap(), due);
    assert_eq!(notices::claim(&mut tx, due.clone(), by("two")).await.unwrap(), [], "somebody is at it");
    assert_eq!(delivery::claimants(&mut tx).await.unwrap(), ["one"]);
    assert_eq!(delivery::release(&mut tx, "one").await.unwrap(), 1);
    assert_eq!(delivery::claimants(&mut tx).await.unwrap(), [""; 0]);
    assert_eq!(notices::claim(&mut tx, due.clone(), by("two")).await.unwrap(), due, "whoever was at it is gone");
});

//! A write over HTTP whose answer is lost: the same request again, with its key, to the server or to the next one.

use super::{Step, today};
use crate::support::http::{Server, key};
use crate::timelines::processes::{HANGS, pause};
use crate::timelines::world::{World, account};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

/// A draft of an invoice, or usage. Without a RefKey nothing but the key of the request tells that it is the same.
pub fn write(world: &mut World) {
    let key = match &world.api_key {
        Some(key) => key.clone(),
        None => world.api_key.insert(key(&world.books, "timeline", &["read", "write", "usage"])).clone(),
    };
    let (path, body, step) = if world.dice.chance(50) { draft(world) } else { usage(world) };
    let id = format!("{:08x}-0000-4000-8000-000000000000", world.dice.within(0, u64::from(u32::MAX)));
    let mut told = format!("POST {path}");
    let losses = world.dice.weighted(&[(2, 0), (3, 1), (1, 2)]);
    for _ in 0..losses {
        let server = start(world);
        let after_ms = world.dice.within(0, 250);
        // The line stays open until the server is gone: one that hears a hang-up would be another fault.
        let line = send(&server, &key, &id, path, &body);
        pause(after_ms);
        drop(server);
        drop(line);
        told += &format!(", the server killed after {after_ms} ms");
        world.tally.fault("server killed at a request");
    }
    let server = start(world);
    let client = server.with(&key).header("Idempotency-Key", &id);
    let mut reply = client.post(path, &body);
    // The key of a server that died is that of one that is still at it, until the database server has heard of the death.
    let since = Instant::now();
    while reply.status == 409 && since.elapsed() < HANGS {
        pause(500);
        reply = client.post(path, &body);
    }
    let reply = reply.is(201);
    let again = client.post(path, &body).is(201);
    assert_eq!(again.body, reply.body, "a repeat is answered otherwise");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    server.signal("-TERM");
    drop(server);
    world.say(&told);
    *world.tally.acts.entry("request".to_owned()).or_default() += 1;
    world.steps.push(Step { value: step, done: Some(true) });
}

fn start(world: &World) -> Server {
    let args = ["serve", "--listen", "127.0.0.1:0", "--no-work"].map(str::to_owned);
    Server::started(world.command(&args))
}

/// Sends it and hears nothing.
fn send(server: &Server, key: &str, id: &str, path: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut stream = server.connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {id}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

fn draft(world: &mut World) -> (&'static str, Value, Value) {
    let account = account(world.someone());
    let customer = world.look(&["book", "show", "customer", &account])["id"].clone();
    let price = format!("{}.{:02}", world.dice.within(1, 900), world.dice.within(0, 99));
    let day = world.today.to_string();
    let body = json!({"CustomerID": customer, "InvoiceDate": day,
        "InvoiceLines": [{"Title": "Workshop", "Quantity": 2, "UnitPrice": price}]});
    let written = json!({"customer": account, "date": day,
        "lines": [{"title": "Workshop", "quantity": "2", "unitprice": price}]});
    ("/v3/invoices", body, today(world, json!({"invoice": written, "do": "create"})))
}

fn usage(world: &mut World) -> (&'static str, Value, Value) {
    let subject = format!("SUB-{:04}", world.dice.within(1, world.customers));
    let (amount, time) = (world.dice.within(1, 900), format!("{}T04:15:00Z", world.today));
    let id = format!("h{}", world.dice.within(0, 1 << 40));
    let record = json!({"id": id, "subject": subject, "meter": "api_calls", "quantity": amount.to_string(), "time": time});
    let body =
        json!({"RefKey": id, "Amount": amount, "EntryDate": time, "Subject": subject, "Meter": "api_calls"});
    // No file repeats it: what came over HTTP has a source of its own, and is another event there.
    ("/v3/usagedata", body, today(world, json!({"ingest": [record]})))
}

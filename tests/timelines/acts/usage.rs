//! Usage files, handed in by hand.

use super::{Act, act, today};
use crate::timelines::books;
use crate::timelines::world::World;
use serde_json::json;

pub fn ingest(world: &mut World) {
    let (day, customers) = (world.today, world.customers);
    let before = std::mem::take(&mut world.handed_in);
    let records = books::usage(&mut world.dice, day, customers, &before);
    world.handed_in = before;
    let path = match world.dice.chance(50) {
        true => world.file("usage.csv", &books::csv(&records)),
        false => world.file("usage.ndjson", &books::ndjson(&records)),
    };
    world.handed_in.extend(records.iter().cloned());
    let step = today(world, json!({"ingest": records}));
    let answer = act(world, &Act::quiet(&["ingest", &path]).with_step(step));
    let file = answer.json()["files"][0].clone();
    let count = |name: &str| file[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("duplicate") + count("rejected"), "{file}");
    assert_eq!(count("read"), records.len() as u64, "{file}");
}

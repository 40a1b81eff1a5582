//! What keeps a home: upkeep with its compaction, marked exports, backups, and damage that is told.

use super::{Act, act};
use crate::timelines::damage;
use crate::timelines::doors::Door;
use crate::timelines::world::World;

pub fn upkeep(world: &mut World) {
    act(world, &Act::quiet(&["upkeep"]));
}

pub fn export(world: &mut World) {
    let format = *world.dice.pick(&["csv", "hledger", "beancount"]);
    act(world, &Act::quiet(&["export", "ledger", "--next", "--format", format]));
}

/// A copy that becomes a home again and holds the same books.
pub fn backup(world: &mut World) {
    // The folder of a try that died is in the way of the next one; its hint says to remove it.
    let folder = world.file("backup", "");
    std::fs::remove_file(&folder).unwrap();
    world.away = Some(folder.clone().into());
    act(world, &Act::quiet(&["backup", &folder]));
    world.away = None;
    world.act(&Act::quiet(&["restore", &folder, "--check"]), &Door::Open);
    if world.is_sqlite() {
        let back = format!("{folder}-back");
        act(world, &Act::quiet(&["restore", &folder, "--to", &back]));
        world.look_at_invoices();
        let invoices = world.look_at(&back, &["invoices"]);
        assert_eq!(invoices.as_array().unwrap(), &world.invoices, "the home that came back has other books");
        assert_eq!(world.look_at(&back, &["verify"])["ok"], true);
        std::fs::remove_dir_all(&back).unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Something on the disk changes; `verify` tells it, and is content again when it is mended.
pub fn damage(world: &mut World) {
    damage::tell(world);
}

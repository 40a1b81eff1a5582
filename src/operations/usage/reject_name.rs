//! Names of reject files. People fix these files, so they are called as the usage file was; a further one of that name
//! gets a number.

use crate::context::Context;
use metering::{InputFile, reject_name};
use store::Tx;
use store::imports;
use uuid::Uuid;

/// Where reject files lie, relative to the home folder.
const FOLDER: &str = "rejects";

/// Reserves a name for what an import refuses: no other import has it, and no file.
pub(super) async fn reserve(
    ctx: &Context,
    tx: &mut Tx,
    import: Uuid,
    file: &InputFile,
) -> anyhow::Result<String> {
    let mut nth = 1;
    loop {
        let name = reject_name(&file.name(), nth);
        let is_there = ctx.folders.rejects.join(&name).try_exists()?;
        if !is_there && imports::reserve_path(tx, import, &format!("{FOLDER}/{name}")).await? {
            return Ok(name);
        }
        nth += 1;
    }
}

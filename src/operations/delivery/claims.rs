//! One pass over mails that are to be sent, as others see it: the name under which it claims them, and which other passes
//! are gone. A claim also ends by itself, for a process that is frozen.

use crate::context::Context;
use chrono::Duration;
use std::sync::Mutex;
use store::Tx;
use store::delivery::{self, Claim, Claimed, Delivery};
use store::worker::{self, WorkerLock};

/// From then on others may send what a pass has claimed and not answered. A batch of mails takes minutes at most.
const CLAIM: Duration = Duration::hours(1);

/// So long a pass waits for what another holds: a process that was killed is known to be gone only moments later.
pub(crate) const OTHERS: std::time::Duration = std::time::Duration::from_secs(15);

/// Pause between two looks at it.
pub(crate) const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// A pass at work. Its claims are free as soon as it ends, however it ends.
pub struct Pass {
    ctx: Context,
    name: String,
    /// On PostgreSQL the server knows as long as this is held that the pass is alive.
    _presence: Mutex<Option<WorkerLock>>,
}

impl Pass {
    pub async fn begin(ctx: &Context) -> anyhow::Result<Self> {
        let name = format!("{}/{}", ctx.worker, ctx.next_pass());
        let presence = worker::hold(&ctx.store, &name).await?;
        Ok(Self { ctx: ctx.clone(), name, _presence: Mutex::new(presence) })
    }

    /// The claimant of what this pass sends.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frees what passes that are gone had claimed. Returns whose claims are left.
    pub async fn free_abandoned(&self, tx: &mut Tx) -> anyhow::Result<Vec<String>> {
        let mut at_work = Vec::new();
        for claimant in delivery::claimants(tx).await? {
            if self.is_gone(tx, &claimant).await? {
                let freed = delivery::release(tx, &claimant).await?;
                tracing::warn!(
                    claimant,
                    freed,
                    "the process that was sending these mails is gone: they are sent again"
                );
            } else {
                at_work.push(claimant);
            }
        }
        Ok(at_work)
    }

    /// Claims what is still to be sent and nobody else is at.
    pub async fn claim(&self, tx: &mut Tx, batch: Vec<Delivery>) -> anyhow::Result<Claimed> {
        delivery::claim(tx, batch, self.new_claim()).await
    }

    /// What this pass writes on what it claims now.
    pub fn new_claim(&self) -> Claim<'_> {
        let now = (self.ctx.now)();
        Claim { by: &self.name, now, until: now + CLAIM }
    }

    async fn is_gone(&self, tx: &mut Tx, claimant: &str) -> anyhow::Result<bool> {
        if claimant == self.name {
            return Ok(false);
        }
        let Some((process, pass)) = claimant.rsplit_once('/') else { return Ok(true) };
        if process == self.ctx.worker {
            return Ok(!self.ctx.is_passing(pass));
        }
        if tx.is_sqlite() { Ok(self.ctx.has_ended(process)) } else { worker::is_gone(tx, claimant).await }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((_, pass)) = self.name.rsplit_once('/') {
            self.ctx.end_pass(pass);
        }
    }
}

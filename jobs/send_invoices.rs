//! `send_invoices`: booked invoices go by mail, one per address, with their PDF. The intent to deliver is committed
//! first (`plan_mails`), then the mail is claimed and sent, then the answer is written (`deliver_mails`).
//!
//! Idempotency key: invoice, channel and address, from which the Message-ID follows. What was sent is
//! not sent again; a mail that went out just before a crash goes out once more under the same Message-ID.

use crate::CALLS_AT_ONCE;
use crate::runtime::slice;
use crate::runtime::slice_job::SliceJob;
use domain::run::Step;
use domain::task::SliceTask;
use operations::aside::SetAside;
use operations::context::Context;
use operations::delivery::send::{send, send_overdue};

pub struct SendInvoices;

impl SliceJob for SendInvoices {
    const STEP: Step = Step::Send;
    const AT_ONCE: usize = CALLS_AT_ONCE;

    /// Sends the slice's invoices; the first slice also sends what earlier runs left for now. What is refused or waits
    /// stays on the list of open items (rules I10), which is why it is not written on the payers' items.
    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        let (_, invoices) = slice::slice_of(ctx, task).await?;
        if task.slice == 0 {
            send_overdue(ctx).await?;
        }
        send(ctx, &invoices).await?;
        slice::finish(ctx, task, &SetAside::default()).await
    }
}

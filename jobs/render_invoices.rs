//! `render_invoices`: every booked invoice of a slice becomes a PDF, on all threads; the files are made durable
//! together, and then their hashes are recorded.
//!
//! Idempotency key: invoice and template. A document that is recorded is never written again; a file
//! that a crash left without its record is written again, byte for byte.

use crate::SLICES_AT_ONCE;
use crate::runtime::slice;
use crate::runtime::slice_job::SliceJob;
use domain::run::Step;
use domain::task::SliceTask;
use operations::aside::SetAside;
use operations::context::Context;
use operations::delivery::render::render;

pub struct RenderInvoices;

impl SliceJob for RenderInvoices {
    const STEP: Step = Step::Render;
    const AT_ONCE: usize = SLICES_AT_ONCE;

    async fn work(ctx: &Context, task: SliceTask) -> anyhow::Result<()> {
        let (run, invoices) = slice::slice_of(ctx, task).await?;
        let mut aside = SetAside::default();
        let unmade = render(ctx, &invoices).await?;
        // Where mails are sent, the delivery that lacks its document is what is set aside (rules I10).
        if run.options.skip.contains(&Step::Send) {
            unmade.into_values().for_each(|(payer, reason)| aside.fail(payer, reason.to_string()));
        }
        slice::finish(ctx, task, &aside).await
    }
}

//! How fast it is, on demand: `cargo test --release -p documents speed -- --ignored --nocapture`.
//! One thread; rendering only, no file is written.

use crate::invoice::InvoiceDocument;
use crate::{Renderer, Templates, sample};
use std::time::Instant;

const ROUNDS: u32 = 1_500;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is for the eye")]
fn speed_of_rendering() {
    let renderer = Renderer::new(&Templates::embedded().unwrap()).unwrap();
    let tenant = sample::tenant();
    for (name, invoice) in [("one page", sample::one_page()), ("long", sample::long(60))] {
        let document = InvoiceDocument::booked(&invoice, &tenant);
        let bytes = renderer.render_invoice(&document).unwrap().len();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            assert_eq!(renderer.render_invoice(&document).unwrap().len(), bytes);
        }
        let per_second = f64::from(ROUNDS) / start.elapsed().as_secs_f64();
        eprintln!("{name}: {per_second:.0} documents per second on one core, {bytes} bytes each");
    }
}

//! How fast it is, on demand: `cargo test --release -p documents speed -- --ignored --nocapture`.
//! One thread; rendering only, no file is written.

use crate::invoice::InvoiceDocument;
use crate::{Renderer, sample};
use std::time::Instant;

const ROUNDS: u32 = 1_500;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is for the eye")]
fn speed_of_rendering() {
    let renderer = Renderer::new(&crate::scripts::with_other_faces()).unwrap();
    let tenant = sample::tenant();
    let data = "<!-- as long as the data of one page -->".repeat(150);
    let mut other = sample::one_page();
    other.draft.buyer.name = "株式会社サンプル חברה उदाहरण".to_owned();
    let kinds =
        [("one page", sample::one_page()), ("other scripts and data", other), ("long", sample::long(60))];
    for (name, invoice) in kinds {
        let mut document = InvoiceDocument::booked(&invoice, &tenant);
        if name.contains("data") {
            document = document.with_data(&data);
        }
        let bytes = renderer.render_invoice(&document).unwrap().len();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            assert_eq!(renderer.render_invoice(&document).unwrap().len(), bytes);
        }
        let per_second = f64::from(ROUNDS) / start.elapsed().as_secs_f64();
        eprintln!("{name}: {per_second:.0} documents per second on one core, {bytes} bytes each");
    }
}

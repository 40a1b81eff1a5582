//! What monitors ask a worker for: `GET /metrics` (Prometheus text) and `GET /health`. Each answer is read from the
//! database when it is asked for, so that every worker tells the same of what they share.

use crate::app::App;
use crate::failure::Failure;
use operations::health::figures::{self, LastRun};
use std::fmt::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request is read this far and no further.
const REQUEST_BYTES_MAX: usize = 4_096;
/// Who has not asked, or not taken its answer, by then is hung up on.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens on an address such as `127.0.0.1:9187`.
pub async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| {
        Failure::input("metrics", format!("cannot listen on {address}: {e}"))
            .hint("name a free address, for example --metrics 127.0.0.1:9187")
    })
}

/// Answers until it is dropped; one request at a time, as monitors are few.
pub async fn serve(app: &App, listener: TcpListener) -> std::convert::Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answered = tokio::time::timeout(PATIENCE, answer(app, stream)).await;
                if let Ok(Err(error)) = answered {
                    tracing::debug!(error = error.to_string(), "a monitor hung up");
                }
            }
            Err(error) => {
                tracing::warn!(error = error.to_string(), "cannot take a monitor's call");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

async fn answer(app: &App, mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 512];
    while request.len() < REQUEST_BYTES_MAX && !request.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            break;
        }
        request.extend_from_slice(&part[..read]);
    }
    let line = String::from_utf8_lossy(&request);
    let mut words = line.split_whitespace();
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => told(metrics(app).await),
        (Some("GET"), Some("/health")) => match health(app).await {
            Ok(Err(ills)) => ("503 Service Unavailable", ills),
            Ok(Ok(well)) => told(Ok(well)),
            Err(error) => told(Err(error)),
        },
        (Some("GET"), _) => ("404 Not Found", "there are /metrics and /health\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn told(outcome: anyhow::Result<String>) -> (&'static str, String) {
    match outcome {
        Ok(body) => ("200 OK", body),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "a monitor could not be answered");
            ("503 Service Unavailable", "the database does not answer\n".to_owned())
        }
    }
}

/// Well as long as the database answers, no run is stuck and the timetable goes on.
async fn health(app: &App) -> anyhow::Result<Result<String, String>> {
    let ills = figures::ills(&app.ctx).await?;
    let told: String = ills.iter().map(|ill| format!("{ill}\n")).collect();
    Ok(if ills.is_empty() { Ok("ok\n".to_owned()) } else { Err(told) })
}

async fn metrics(app: &App) -> anyhow::Result<String> {
    let figures = figures::figures(&app.ctx).await?;
    let mut text = String::new();
    head(&mut text, "tallybook_queue_tasks", "Tasks of a queue that are not finished.");
    for (name, depth) in &figures.queues {
        writeln!(text, "tallybook_queue_tasks{{queue=\"{name}\"}} {depth}")?;
    }
    head(&mut text, "tallybook_runs_unfinished", "Runs that are open or wait for review.");
    writeln!(text, "tallybook_runs_unfinished {}", figures.runs_unfinished)?;
    head(&mut text, "tallybook_run_slices", "Slices of unfinished runs by step and state.");
    for (run, of) in &figures.steps {
        let (step, open, done) = (of.step.name(), of.open, of.done);
        writeln!(text, "tallybook_run_slices{{run=\"{run}\",step=\"{step}\",state=\"open\"}} {open}")?;
        writeln!(text, "tallybook_run_slices{{run=\"{run}\",step=\"{step}\",state=\"done\"}} {done}")?;
    }
    let mails = figures.mails;
    head(&mut text, "tallybook_mails_open", "Mails that have not gone out, by what they wait for.");
    for (state, count) in [("waiting", mails.waiting), ("refused", mails.refused), ("nobody", mails.nobody)] {
        writeln!(text, "tallybook_mails_open{{state=\"{state}\"}} {count}")?;
    }
    head(&mut text, "tallybook_usage_files_refused", "Usage files that were refused and are waited for.");
    writeln!(text, "tallybook_usage_files_refused {}", figures.refused_files)?;
    head(
        &mut text,
        "tallybook_usage_records_rejected",
        "Usage records that were refused and are waited for.",
    );
    writeln!(text, "tallybook_usage_records_rejected {}", figures.open_rejects)?;
    head(&mut text, "tallybook_slices_standing", "Slices that failed and wait for their next try.");
    writeln!(text, "tallybook_slices_standing {}", figures.slices_standing)?;
    head(&mut text, "tallybook_requests_open", "What operators have asked of runs and is not done yet.");
    writeln!(text, "tallybook_requests_open {}", figures.requests_open)?;
    head(&mut text, "tallybook_timetable_standing", "1 if the timetable waits for a person.");
    writeln!(text, "tallybook_timetable_standing {}", u8::from(figures.is_timetable_standing))?;
    if let Some(last) = figures.last_run {
        last_run(&mut text, last)?;
    }
    Ok(text)
}

fn last_run(text: &mut String, last: LastRun) -> std::fmt::Result {
    head(text, "tallybook_last_run_payers", "Payers of the last closed run by what became of them.");
    for (state, payers) in [("done", last.done), ("failed", last.failed), ("parked", last.parked)] {
        writeln!(text, "tallybook_last_run_payers{{state=\"{state}\"}} {payers}")?;
    }
    let Some(ended) = last.ended_at else { return Ok(()) };
    head(text, "tallybook_last_run_seconds", "How long the last closed run took.");
    writeln!(text, "tallybook_last_run_seconds {}", (ended - last.opened_at).num_seconds())?;
    head(text, "tallybook_last_run_timestamp_seconds", "When the last closed run ended.");
    writeln!(text, "tallybook_last_run_timestamp_seconds {}", ended.timestamp())
}

fn head(text: &mut String, name: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
}

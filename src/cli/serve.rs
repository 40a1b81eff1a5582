//! `serve`: the HTTP API, and the work of the home while nobody else does it.

use crate::app::App;
use crate::config::Config;
use crate::drive::interrupted;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use operations::home::lock::LockOutcome;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use web::{Settings, TlsFiles};

/// How often a home that somebody else works is looked at.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of the API (setting api.listen); port 0 is any that is free
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// PEM file with the certificate chain (setting api.tls_cert); read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with its key (setting api.tls_key)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Answer in clear beyond this machine: a proxy in front speaks TLS
    #[arg(long, conflicts_with = "tls_cert")]
    plain_http: bool,
    /// Only answer; somebody else works the home
    #[arg(long)]
    no_work: bool,
    /// Answer monitors on this address: /metrics and /health
    #[arg(long, value_name = "ADDR", env = "TALLYBOOK_METRICS")]
    metrics: Option<String>,
}

/// Serves until SIGTERM or Ctrl-C; what has been asked by then is answered.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let settings = settings(&args, config)?;
    let app = App::open(config).await?;
    let monitors = match &args.metrics {
        Some(address) => Some(crate::metrics::listen(address).await?),
        None => None,
    };
    let listening = web::listen(app.ctx.clone(), settings).await.map_err(|e| {
        Failure::input("listen", format!("{e:#}"))
            .hint("name another address with --listen, or look at api.*")
    })?;
    // Whoever started the server waits for this line, also with --json.
    drop(writeln!(std::io::stderr().lock(), "listening on {}", listening.url()));
    // Also a server that does no other work tells what has changed: several may, each event is told by one of them.
    let _told = jobs::AbortOnDrop::spawn(operations::webhooks::keep(app.ctx.clone()));
    let (stopping, stopped) = watch::channel(false);
    let served = async {
        listening.serve(interrupted(), hangups()).await;
        let _ = stopping.send(true);
    };
    let watched = async {
        match monitors {
            Some(listener) => crate::metrics::serve(&app, listener).await,
            None => std::future::pending().await,
        }
    };
    let worked = async {
        if !args.no_work {
            work(&app, stopped).await;
        }
    };
    tokio::select! {
        never = watched => match never {},
        _ = async { tokio::join!(served, worked) } => {}
    }
    app.store.close().await;
    output.say("stopped");
    Ok(Exit::Done)
}

/// Works the home whenever its lock is free, until the server is stopped. The API answers whatever becomes of it.
async fn work(app: &App, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow_and_update() {
        match app.lock() {
            Ok(Some(LockOutcome::Held(_))) => {}
            Ok(lock) => {
                let mut stop = stopped.clone();
                let stop = async move { drop(stop.wait_for(|stopped| *stopped).await) };
                if let Err(error) = super::worker::work(app, stop).await {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the work of the home stands still for a moment"
                    );
                }
                drop(lock);
            }
            Err(failure) => tracing::warn!(error = failure.message, "the home's lock cannot be asked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.changed() => {}
        }
    }
}

/// Waits for SIGHUP, each time it is called.
fn hangups() -> impl AsyncFnMut() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup()).ok();
    async move || match &mut hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

fn settings(args: &Args, config: &Config) -> Result<Settings, Failure> {
    let file =
        |flag: &Option<PathBuf>, key: &str| flag.clone().or_else(|| config.optional(key).map(PathBuf::from));
    let tls = match (file(&args.tls_cert, "api.tls_cert"), file(&args.tls_key, "api.tls_key")) {
        (Some(certificate), Some(key)) if !args.plain_http => Some(TlsFiles { certificate, key }),
        (Some(_), None) | (None, Some(_)) if !args.plain_http => {
            return Err(Failure::input("settings", "a certificate needs its key, and a key its certificate")
                .hint("name both: --tls-cert FILE --tls-key FILE"));
        }
        _ => None,
    };
    let listen = args.listen.clone().unwrap_or_else(|| config.text("api.listen").to_owned());
    if tls.is_none() && !args.plain_http && !is_loopback(&listen) {
        return Err(Failure::input(
            "plain_http",
            format!("{listen} can be reached from other machines, in clear"),
        )
        .hint("give --tls-cert and --tls-key, or --plain-http if a proxy in front speaks TLS"));
    }
    let origins = config.text("api.cors_origins").split(',').map(|origin| origin.trim().to_owned());
    Ok(Settings {
        listen,
        tls,
        rate_per_second: config.number("api.rate_per_second"),
        rate_burst: config.number("api.rate_burst"),
        cors_origins: origins.filter(|origin| !origin.is_empty()).collect(),
    })
}

/// Whether an address is this machine by its name alone.
fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

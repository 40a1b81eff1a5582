//! What every request shares: the context, the settings of the server, and what it counts.

use crate::caller::Callers;
use crate::pace::Pace;
use operations::Context;
use operations::idempotency::Presence;
use operations::usage::live::Live;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// Requests worked on at once.
const REQUESTS_MAX: usize = 512;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address with port; port 0 is any that is free.
    pub listen: String,
    /// None: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Requests per second and key; 0 is without limit.
    pub rate_per_second: u32,
    /// Requests of a key that may come at once before the rate counts.
    pub rate_burst: u32,
    /// Pages of these origins may ask from a browser.
    pub cors_origins: Vec<String>,
}

/// Certificate chain and key, PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Shared by all requests of a process.
pub struct App {
    pub ctx: Context,
    pub settings: Settings,
    pub callers: Callers,
    pub pace: Pace,
    pub usage: Live,
    /// Others see by it that requests which are worked on here are not left.
    pub presence: Presence,
    /// A place for each request that is worked on.
    pub places: Arc<Semaphore>,
    draining: AtomicBool,
}

impl App {
    pub fn new(ctx: Context, settings: Settings, presence: Presence) -> Self {
        Self {
            presence,
            callers: Callers::default(),
            usage: Live::start(ctx.clone()),
            pace: Pace::new(settings.rate_per_second, settings.rate_burst),
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
            draining: AtomicBool::new(false),
            ctx,
            settings,
        }
    }

    /// From here on `/ready` says no.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

//! Connections: taken up to a bound, answered over HTTP/1.1 or HTTP/2, and let finish when the server is stopped.

mod connection;
mod tls;

use crate::app::{App, Settings};
use crate::routes;
use anyhow::Context as _;
use axum::Router;
use connection::Link;
use operations::idempotency::Presence;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Certificate;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Connections held at once; the next ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// What is being answered may end within this time once the server is stopped.
const FINISH_WITHIN: Duration = Duration::from_secs(30);
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that listens and does not answer yet.
pub struct Listening {
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    app: Arc<App>,
    address: SocketAddr,
}

/// Listens, so that whoever asks from here on waits instead of being refused.
pub async fn listen(ctx: operations::Context, settings: Settings) -> anyhow::Result<Listening> {
    let certificate = match &settings.tls {
        Some(files) => Some(Arc::new(Certificate::read(files.clone())?)),
        None => None,
    };
    let listener = TcpListener::bind(&settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let presence = Presence::begin(&ctx).await?;
    Ok(Listening { listener, certificate, app: Arc::new(App::new(ctx, settings, presence)), address })
}

impl Listening {
    /// Where it can be reached, for example `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers until `stop` resolves, and then what has been asked by then. `reload` resolves each time the certificate
    /// is to be read again.
    pub async fn serve<R>(self, stop: impl Future<Output = ()>, mut reload: R)
    where
        R: AsyncFnMut(),
    {
        let router = routes::router(&self.app);
        let moving = tokio::spawn(operations::usage::waiting::keep(self.app.ctx.clone()));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (ending, ended) = watch::channel(false);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = reload() => self.read_certificate(),
                (stream, place) = self.next(&places) => self.take(stream, place, &router, &ended),
            }
        }
        moving.abort();
        self.app.drain();
        drop(self.listener);
        let _ = ending.send(true);
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        if timeout(FINISH_WITHIN, places.acquire_many(all)).await.is_err() {
            tracing::warn!("requests were cut off: they took longer than {} s", FINISH_WITHIN.as_secs());
        }
    }

    /// The next connection, once there is a place for it.
    async fn next(&self, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
        loop {
            let Ok(place) = Arc::clone(places).acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    tracing::warn!(error = error.to_string(), "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
        router: &Router,
        ended: &watch::Receiver<bool>,
    ) {
        let link = Link {
            app: Arc::clone(&self.app),
            router: router.clone(),
            tls: self.certificate.as_ref().map(|certificate| certificate.acceptor()),
            ended: ended.clone(),
        };
        tokio::spawn(async move {
            if let Err(error) = link.serve(stream).await {
                tracing::debug!(error = format!("{error:#}"), "a connection ended early");
            }
            drop(place);
        });
    }

    fn read_certificate(&self) {
        let Some(certificate) = &self.certificate else { return };
        match certificate.read_anew() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the old certificate stays: the new one cannot be used"
                );
            }
        }
    }
}

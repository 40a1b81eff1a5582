//! One connection, from its first byte to its last.

use crate::app::App;
use crate::respond::{HEAD_MAX, respond};
use anyhow::{Context as _, bail};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// From the first byte of a request, or the end of the last one, to the end of its head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that are read before somebody looks at them: a head that is too large, but not beyond this, is answered in words, and a
/// body comes in pieces of up to this size.
const BUFFER_MAX: usize = 128 * 1024;
/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 128;
/// A peer of HTTP/2 that does not answer a ping is gone.
const PING_EVERY: Duration = Duration::from_secs(20);

/// What a connection needs.
pub struct Link {
    pub app: Arc<App>,
    pub router: Router,
    pub tls: Option<TlsAcceptor>,
    /// True once the server is being stopped.
    pub ended: watch::Receiver<bool>,
}

/// Which of the two a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl Link {
    pub async fn serve(self, stream: TcpStream) -> anyhow::Result<()> {
        drop(stream.set_nodelay(true));
        let Some(tls) = self.tls.clone() else {
            let protocol = timeout(HEAD_WITHIN, spoken(&stream)).await.context("nothing was asked")??;
            return self.answer(stream, protocol).await;
        };
        let stream = timeout(HEAD_WITHIN, tls.accept(stream)).await.context("no handshake came")??;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        self.answer(stream, protocol).await
    }

    async fn answer<S>(mut self, stream: S, protocol: Protocol) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (app, router) = (Arc::clone(&self.app), self.router.clone());
        let service = service_fn(move |request: http::Request<Incoming>| {
            let answered = respond(Arc::clone(&app), router.clone(), request.map(Body::new));
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let builder = builder(protocol);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = until_ended(&mut self.ended) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        outcome.map_err(|e| anyhow::anyhow!("{e}"))
    }
}

/// Until the server is being stopped.
async fn until_ended(ended: &mut watch::Receiver<bool>) {
    // Its sender is gone as well then.
    drop(ended.wait_for(|ended| *ended).await);
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(BUFFER_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_EVERY);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

/// What a peer speaks without TLS, by its first bytes: the preface of HTTP/2 begins like no method of HTTP/1.1.
async fn spoken(stream: &TcpStream) -> anyhow::Result<Protocol> {
    const PREFACE: &[u8; 3] = b"PRI";
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 {
            bail!("the peer hung up");
        }
        if first[..seen] != PREFACE[..seen] {
            return Ok(Protocol::Http1);
        }
        if seen == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

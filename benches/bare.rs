//! The ceiling of `benches/http`: axum alone over the same hyper, which answers bytes of files and takes what it is sent.
//!
//! usage: bare ADDRESS PATH=FILE ...

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use http::header::CONTENT_TYPE;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("an address is needed")?;
    let mut router = Router::new();
    for argument in arguments {
        let (path, file) = argument.split_once('=').context("PATH=FILE is needed")?;
        let bytes = Bytes::from(std::fs::read(file)?);
        let answer = move |_taken: Bytes| async move { ([(CONTENT_TYPE, "application/json")], bytes) };
        router = router.route(path, any(answer));
    }
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        drop(stream.set_nodelay(true));
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

//! The server's certificate, with the cryptographic library that is in the program already.

use crate::app::TlsFiles;
use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// A certificate chain with its key, and the files that it is read from.
pub struct Certificate {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

impl Certificate {
    pub fn read(files: TlsFiles) -> anyhow::Result<Self> {
        let config = RwLock::new(config(&files)?);
        Ok(Self { files, config })
    }

    /// Connections from now on get what is in the files now; if that cannot be used, nothing changes.
    pub fn read_anew(&self) -> anyhow::Result<()> {
        let config = config(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn config(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let shown = files.certificate.display();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .with_context(|| format!("cannot read the certificate {shown}"))?
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{shown} is not a PEM certificate"))?;
    anyhow::ensure!(!chain.is_empty(), "{shown} holds no certificate");
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("cannot read a PEM key from {}", files.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{shown} and its key cannot be used"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

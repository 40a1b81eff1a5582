//! An S3-compatible bucket: usage files and documents that several machines share. An object is written whole under a
//! name of its own and never changed; who writes it twice writes the same bytes.
//!
//! Its twin in memory is [`Bucket::in_memory`]. The library tries again what a passing fault refused, for half a minute;
//! after that the error is the caller's.

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Larger files go up in parts of this size; S3 wants at least 5 MiB and at most 10,000 parts.
const PART_BYTES: usize = 16 << 20;
/// Parts of one file on their way at once.
const PARTS_AT_ONCE: usize = 4;
/// One request; a part of 16 MiB takes less on any line worth having.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a passing fault may last.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// How to reach a bucket, beside its URL. What is not given comes from the usual environment (`AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, …) or the machine's role.
#[derive(Clone, Default)]
pub struct BucketSettings {
    /// `https://minio.example:9000`; none = Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
}

/// What went wrong, and with which object.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {object}: {why}")]
pub struct BucketError {
    doing: &'static str,
    object: String,
    /// The whole chain of causes, which the library tells in one text.
    why: String,
    missing: bool,
}

impl BucketError {
    /// The object is not there, as opposed to: nobody could say.
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

/// A bucket and the prefix of its URL.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
}

impl Bucket {
    /// `s3://bucket` or `s3://bucket/prefix`. Nothing is asked of the server yet.
    pub fn open(url: &str, settings: &BucketSettings) -> Result<Self, BucketError> {
        let place = |e: object_store::Error| error("opening", url, e);
        let (bucket, prefix) = split(url).ok_or_else(|| BucketError {
            doing: "opening",
            object: url.to_owned(),
            why: "it is not of the form s3://bucket/prefix".to_owned(),
            missing: false,
        })?;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(RetryConfig { retry_timeout: RETRY_FOR, ..RetryConfig::default() })
            .with_client_options(
                ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT),
            );
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        } else if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            builder = builder.with_region("us-east-1");
        }
        if let Some(id) = &settings.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = &settings.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        let store = builder.build().map_err(place)?;
        Ok(Self { store: Arc::new(store), prefix: Key::from(prefix), url: url.to_owned() })
    }

    /// A bucket that goes with the process.
    pub fn in_memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self { store, prefix: Key::default(), url: "memory:".to_owned() }
    }

    /// As it was opened.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Puts a file; the object is there whole or not at all.
    pub async fn put(&self, name: &str, file: &Path) -> Result<(), BucketError> {
        let failed = |e: object_store::Error| error("putting", &self.shown(name), e);
        let unread = |e: std::io::Error| unread("reading", file, e);
        let mut open = tokio::fs::File::open(file).await.map_err(unread)?;
        let mut part = Vec::new();
        read_part(&mut open, &mut part).await.map_err(unread)?;
        if part.len() < PART_BYTES {
            self.store.put(&self.key(name), part.into()).await.map_err(failed)?;
            return Ok(());
        }
        let upload = self.store.put_multipart(&self.key(name)).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        while !part.is_empty() {
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
            upload.write(&part);
            read_part(&mut open, &mut part).await.map_err(unread)?;
        }
        upload.finish().await.map_err(failed)?;
        Ok(())
    }

    /// Writes an object's bytes into a new file; the caller checks them and gives the file its name.
    pub async fn get(&self, name: &str, file: &Path) -> Result<(), BucketError> {
        let failed = |e: object_store::Error| error("getting", &self.shown(name), e);
        let unwritten = |e: std::io::Error| unread("writing", file, e);
        let mut bytes = self.store.get(&self.key(name)).await.map_err(failed)?.into_stream();
        let mut open = tokio::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)
            .await
            .map_err(unwritten)?;
        while let Some(part) = bytes.try_next().await.map_err(failed)? {
            open.write_all(&part).await.map_err(unwritten)?;
        }
        open.flush().await.map_err(unwritten)
    }

    /// Deletes an object; one that is not there is deleted.
    pub async fn delete(&self, name: &str) -> Result<(), BucketError> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(error("deleting", &self.shown(name), e)),
        }
    }

    /// Every object below `folder` with its bytes; names as the other methods take them.
    pub async fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, BucketError> {
        let failed = |e: object_store::Error| error("listing", &self.shown(folder), e);
        let under = self.key(folder);
        let listed: Vec<_> = self.store.list(Some(&under)).try_collect().await.map_err(failed)?;
        let named = listed.iter().filter_map(|found| {
            let name: Key = found.location.prefix_match(&self.prefix)?.collect();
            Some((name.to_string(), found.size))
        });
        Ok(named.collect())
    }

    /// Whether objects can be written, read and deleted.
    pub async fn check(&self) -> Result<(), BucketError> {
        let failed = |e: object_store::Error| error("trying", &self.shown(".doctor"), e);
        let key = self.key(".doctor");
        self.store.put(&key, "probe".into()).await.map_err(failed)?;
        self.store.get(&key).await.map_err(failed)?.bytes().await.map_err(failed)?;
        self.store.delete(&key).await.map_err(failed)
    }

    fn key(&self, name: &str) -> Key {
        self.prefix.parts().chain(Key::from(name).parts()).collect()
    }

    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.url.trim_end_matches('/'))
    }
}

/// Fills a part from the file; less than a whole one only at the end.
async fn read_part(file: &mut tokio::fs::File, part: &mut Vec<u8>) -> std::io::Result<()> {
    part.clear();
    file.take(PART_BYTES as u64).read_to_end(part).await?;
    Ok(())
}

/// Bucket and prefix of an URL.
fn split(url: &str) -> Option<(&str, &str)> {
    let place = url.strip_prefix("s3://")?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    (!bucket.is_empty()).then_some((bucket, prefix.trim_matches('/')))
}

/// Whether [`Bucket::open`] takes this text.
pub fn is_bucket_url(url: &str) -> bool {
    split(url).is_some()
}

fn error(doing: &'static str, object: &str, source: object_store::Error) -> BucketError {
    let missing = matches!(source, object_store::Error::NotFound { .. });
    BucketError { doing, object: object.to_owned(), why: source.to_string(), missing }
}

fn unread(doing: &'static str, file: &Path, source: std::io::Error) -> BucketError {
    BucketError { doing, object: file.display().to_string(), why: source.to_string(), missing: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_and_large_files_come_back_as_they_went() {
        let (bucket, home) = (Bucket::in_memory(), tempfile::tempdir().unwrap());
        for (name, bytes) in
            [("a/empty", 0), ("a/small", 7), ("b/part", PART_BYTES), ("b/large", 2 * PART_BYTES + 5)]
        {
            let (there, back) = (home.path().join("there"), home.path().join("back"));
            let content: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
            std::fs::write(&there, &content).unwrap();
            bucket.put(name, &there).await.unwrap();
            bucket.get(name, &back).await.unwrap();
            assert!(std::fs::read(&back).unwrap() == content, "{name}");
        }
        assert_eq!(bucket.list("a").await.unwrap(), [("a/empty".to_owned(), 0), ("a/small".to_owned(), 7)]);
        bucket.delete("a/small").await.unwrap();
        bucket.delete("a/small").await.unwrap();
        let gone = bucket.get("a/small", &home.path().join("back")).await.unwrap_err();
        assert!(gone.is_missing(), "{gone}");
    }

    #[test]
    fn urls_name_a_bucket_and_maybe_a_prefix() {
        assert_eq!(split("s3://usage"), Some(("usage", "")));
        assert_eq!(split("s3://usage/nordlys/2026/"), Some(("usage", "nordlys/2026")));
        for url in ["s3://", "s3:///x", "https://usage", "usage"] {
            assert!(!is_bucket_url(url), "{url}");
        }
    }
}

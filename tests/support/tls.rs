//! A PostgreSQL server that speaks TLS and nothing else over TCP, with certificates of the test's own.

use super::counterpart;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ends with the value.
pub struct TlsServer {
    folder: tempfile::TempDir,
    port: u16,
    keeper: Child,
}

impl TlsServer {
    /// A server named `localhost` by its certificate, which an authority of its own has signed.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tallybook-tls-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        authority(&at("ca"));
        authority(&at("other"));
        counterpart(
            "openssl",
            &[
                "req",
                "-new",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &at("server.key"),
                "-out",
                &at("server.csr"),
            ],
        );
        std::fs::write(at("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        counterpart(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &at("server.csr"),
                "-CA",
                &at("ca.crt"),
                "-CAkey",
                &at("ca.key"),
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                &at("names"),
                "-out",
                &at("server.crt"),
            ],
        );
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let keeper = server(&folder.path().to_owned(), port);
        let server = Self { folder, port, keeper };
        for _ in 0..2_400 {
            let pid = std::fs::read_to_string(server.folder.path().join("data/postmaster.pid"));
            if pid.is_ok_and(|text| text.lines().last().is_some_and(|line| line.starts_with("ready"))) {
                return server;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "no TLS server: {}",
            std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default()
        );
    }

    /// The URL of its database, by this host name, with these parameters.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://postgres:hunter2@{host}:{}/postgres?{parameters}", self.port)
    }

    /// The authority that signed the server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// One that did not.
    pub fn other_authority(&self) -> PathBuf {
        self.folder.path().join("other.crt")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn authority(name: &str) {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    counterpart(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=tallybook test",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    );
}

fn server(folder: &PathBuf, port: u16) -> Child {
    let mut bins: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|v| v.path().join("bin")).collect())
        .unwrap_or_default();
    bins.retain(|bin| bin.join("initdb").exists());
    let bin = bins.pop().unwrap_or_else(|| panic!("no PostgreSQL server; `./scripts/test` installs it"));
    // PostgreSQL refuses to run as root.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        assert!(Command::new("chown").arg("-R").arg("postgres").arg(folder).status().unwrap().success());
        assert!(Command::new("chmod").arg("755").arg(folder).status().unwrap().success());
    }
    let script = format!(
        "set -e; trap '' INT TERM HUP; cd {folder}; chmod 600 server.key; echo hunter2 > password
         {bin}/initdb -D {folder}/data -U postgres --pwfile=password -E UTF8 --locale=C >/dev/null
         printf 'hostssl all all 127.0.0.1/32 scram-sha-256\\nhostssl all all ::1/128 scram-sha-256\\n' > {folder}/data/pg_hba.conf
         {bin}/postgres -D {folder}/data -k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c ssl=on \
            -c ssl_cert_file={folder}/server.crt -c ssl_key_file={folder}/server.key >{folder}/log 2>&1 &
         read end || true
         kill -INT $! ; wait $! || true",
        folder = folder.display(),
        bin = bin.display()
    );
    let mut command = Command::new(if root { "runuser" } else { "sh" });
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

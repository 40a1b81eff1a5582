//! A running `tallybook serve`, and a small client that sends exactly what a test says.

use super::books::Books;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on a free port; killed with the value.
pub struct Server {
    child: Child,
    pub address: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; floats as floats.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {}", self.status, self.text()))
    }

    /// Insists on a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Insists on a refusal with this word.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let told = self.is(status).json();
        assert_eq!(told["Code"], code, "{told}");
        assert_eq!(told["HttpStatusCode"], status, "{told}");
        told
    }
}

impl Server {
    /// Starts `serve` in a home with further arguments and waits until it listens.
    pub fn start(books: &Books, args: &[&str]) -> Self {
        Self::started(books.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat()))
    }

    /// Waits until a server that was made ready listens.
    pub fn started(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            assert_ne!(talk.read_line(&mut line).unwrap(), 0, "the server ended: {said}");
            said.push_str(&line);
            if let Some(url) = line.trim().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut talk, &mut std::io::stderr()));
        let address = url.split("://").nth(1).unwrap().to_owned();
        Self { child, address }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for the end; its exit code, if it ended by itself.
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not end");
    }

    /// The bytes as they are, and what comes back until the server hangs up or a whole answer has come.
    pub fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_reply(&mut stream, false).unwrap()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// A client with a key.
    pub fn with(&self, key: &str) -> Client<'_> {
        Client { server: self, headers: vec![("Authorization".to_owned(), format!("Bearer {key}"))] }
    }

    /// A client without one.
    pub fn anybody(&self) -> Client<'_> {
        Client { server: self, headers: Vec::new() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks with the same headers each time, one connection per request.
#[derive(Clone)]
pub struct Client<'s> {
    server: &'s Server,
    headers: Vec<(String, String)>,
}

impl Client<'_> {
    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.json("POST", path, body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.json("PUT", path, body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.json("PATCH", path, body)
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let client = match self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
            true => self.clone(),
            false => self.clone().header("Content-Type", "application/json"),
        };
        client.send(method, path, Some(body.to_string().as_bytes()))
    }

    /// Any method with any body; of a server that dies meanwhile, status 0.
    pub fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.server.address);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = self.server.connect();
        drop(stream.write_all(head.as_bytes()));
        // A server that has refused the head may not want the body.
        drop(stream.write_all(body.unwrap_or_default()));
        let gone = |_| Reply { status: 0, headers: Vec::new(), body: Vec::new() };
        read_reply(&mut stream, method == "HEAD").unwrap_or_else(gone)
    }
}

/// Reads one answer.
fn read_reply(stream: &mut TcpStream, headless: bool) -> std::io::Result<Reply> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    if headless || status == 204 || status == 304 {
        return Ok(reply);
    }
    if reply.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        reply.body = chunks(&mut reader)?;
    } else if let Some(length) = reply.header("content-length").and_then(|l| l.parse().ok()) {
        reply.body = vec![0; length];
        reader.read_exact(&mut reply.body)?;
    } else {
        reader.read_to_end(&mut reply.body)?;
    }
    Ok(reply)
}

fn chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// A key with these scopes, made on the command line.
pub fn key(books: &Books, name: &str, scopes: &[&str]) -> String {
    // Where nothing was loaded there is no home yet.
    drop(books.run(&["init"]));
    let mut args = vec!["keys", "create", name];
    for scope in scopes {
        args.extend(["--scope", scope]);
    }
    books.json(&args)["key"].as_str().unwrap().to_owned()
}

//! The document of the API in the hands of those who read it: clients are generated from it and compile, and what it says
//! holds for whatever is asked.

use crate::support::books::Books;
use crate::support::http::{Server, key};
use crate::support::{Home, book, counterpart, node_modules};
use std::path::Path;

/// The same requests in every run.
const SEED: &str = "20261130";

fn served(scopes: &[&str]) -> (Books, Server, String) {
    let books = Books::Sqlite(Home::new());
    let file = books.file("book.json", book(2).to_string());
    books.run(&["load", &file]).exits(0);
    let key = key(&books, "reader", scopes);
    let mut command = books.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
    command.env("TALLYBOOK_API_RATE_PER_SECOND", "0");
    let server = Server::started(command);
    (books, server, key)
}

/// The document in a file of the books' folder.
fn document(books: &Books, server: &Server) -> String {
    books.file("openapi.json", server.anybody().get("/openapi.json").is(200).text())
}

/// A caller as one writes it against the generated types: lists have members with names.
const CALLER: &str = "
import type { paths, components } from './api'
type Page = paths['/v3/invoices']['get']['responses'][200]['content']['application/json']
type Line = NonNullable<components['schemas']['Invoice']['InvoiceLines']>[number]
type Run = NonNullable<paths['/v3/runs']['get']['responses'][200]['content']['application/json']['Items']>[number]
export const totals = (page: Page) => page.Items?.map((invoice) => invoice.Total)
export const titles = (lines: Line[]) => lines.map((line) => line.Title ?? line.SKU)
export const hash = (run: Run): string | null | undefined => run.Hash
export const plan: NonNullable<paths['/v1/metering/{bucketId}/plans']['post']['requestBody']>['content']['application/json'] =
  { label: 'Free', planExternalId: 'free', meters: { requests: { label: 'Requests', max: 1000 } } }
";

#[test]
fn generated_clients_compile() {
    let (books, server, _) = served(&["read"]);
    let document = document(&books, &server);
    let folder = Path::new(&document).parent().unwrap();
    let inside = |name: &str| folder.join(name).display().to_string();

    std::os::unix::fs::symlink(node_modules(), inside("node_modules")).unwrap();
    counterpart("openapi-typescript", &[&document, "--output", &inside("api.d.ts")]);
    std::fs::write(inside("caller.ts"), CALLER).unwrap();
    counterpart("tsc", &["--noEmit", "--strict", "--skipLibCheck", "false", &inside("caller.ts")]);

    let settings = books.file("client.yml", "post_hooks: []\n");
    let client = inside("client");
    let generate = ["generate", "--path", &document, "--output-path", &client, "--meta", "none"];
    let told = counterpart("openapi-python-client", &[&generate[..], &["--config", &settings]].concat());
    assert!(!told.to_lowercase().contains("warning"), "{told}");
    counterpart("python3", &["-W", "error", "-m", "compileall", "-q", &client]);
    let all = "import importlib, pkgutil, sys; sys.path.insert(0, sys.argv[1]); import client
names = [m.name for m in pkgutil.walk_packages(client.__path__, 'client.')]
[importlib.import_module(name) for name in names]; print(len(names) > 200)";
    assert_eq!(counterpart("python3", &["-c", all, &folder.display().to_string()]), "True\n");
}

/// What is documented, for requests that are as documented and for others.
#[test]
fn whatever_is_asked_is_answered_as_documented() {
    let (books, server, key) = served(&["read", "write", "usage", "operate"]);
    let report = books.file("report", String::new());
    let arguments = [
        // It keeps what it has asked in the folder where it works.
        "-C",
        Path::new(&report).parent().unwrap().to_str().unwrap(),
        "st",
        "run",
        &format!("http://{}/openapi.json", server.address),
        "--header",
        &format!("Authorization: Bearer {key}"),
        "--seed",
        SEED,
        "--generation-deterministic",
        "--phases",
        "examples,fuzzing",
        "--max-examples",
        "2",
        "--no-shrink",
        "--max-time",
        "50",
        "--workers",
        "2",
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--suppress-health-check",
        "all",
        "--report-json-path",
        &report,
        "--no-color",
    ];
    counterpart("env", &arguments);
    server.anybody().get("/health").is(200);
}

//! What `ci/bench contracts` measures with: a contract of any size, and a provider that keeps it.
//!
//! ```text
//! bench contract INTERACTIONS FILE    writes the contract
//! bench serve MILLISECONDS            answers after so long; says its address, ends when its input does
//! bench verify FILE URL               verifies in this process, and says what that took, memory too
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path as PathOf;
use axum::routing::get;
use seaworthy_contracts::document;
use seaworthy_contracts::verify::{Options, Provider, verify};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["contract", interactions, file] => write(interactions.parse()?, Path::new(file)),
        ["serve", delay] => on_all_cores(serve(Duration::from_millis(delay.parse()?))),
        ["verify", file, url] => on_all_cores(measure(Path::new(file), url)),
        _ => Err("usage: bench contract INTERACTIONS FILE | serve MILLISECONDS | verify FILE URL".into()),
    }
}

fn on_all_cores(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// What the provider answers for a payment.
fn payment(number: u64) -> Value {
    json!({
        "id": number,
        "reference": format!("order-{number}"),
        "amount": { "value": 1299, "currency": "EUR" },
        "lines": [{ "sku": "sku-1", "count": 2 }, { "sku": "sku-2", "count": 1 }],
        "captured": true,
    })
}

/// A contract of so many interactions with matching rules, one file, as consumers' tests write them.
fn write(interactions: u64, file: &Path) -> Result<(), Failure> {
    let by = |rule: Value| json!({ "combine": "AND", "matchers": [rule] });
    let rules = json!({
        "$.id": by(json!({ "match": "integer" })),
        "$.reference": by(json!({ "match": "regex", "regex": "order-\\d+" })),
        "$.amount.value": by(json!({ "match": "integer" })),
        "$.lines": by(json!({ "match": "type", "min": 1 })),
        "$.lines[*].sku": by(json!({ "match": "type" })),
        "$.lines[*].count": by(json!({ "match": "number" })),
    });
    // One by one: the largest contract would take gigabytes as a value.
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    write!(
        out,
        "{{\"consumer\":{{\"name\":\"shop\"}},\"provider\":{{\"name\":\"payments\"}},\"interactions\":["
    )?;
    for number in 0..interactions {
        let interaction = json!({
            "description": format!("a request for payment {number}"),
            "request": {
                "method": "GET",
                "path": format!("/payments/{number}"),
                "headers": { "Accept": "application/json" },
            },
            "response": {
                "status": 200,
                "headers": { "Content-Type": "application/json" },
                "body": payment(number),
                "matchingRules": { "body": rules },
            },
        });
        let separator = if number == 0 { "\n" } else { ",\n" };
        write!(out, "{separator}{interaction}")?;
    }
    write!(out, "\n],\"metadata\":{{\"pactSpecification\":{{\"version\":\"3.0.0\"}}}}}}")?;
    Ok(out.flush()?)
}

async fn serve(delay: Duration) -> Result<(), Failure> {
    let answer = async move |PathOf(number): PathOf<u64>| {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        axum::Json(payment(number))
    };
    let router = Router::new().route("/payments/{number}", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "http://{address}")?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => Ok(served?),
        _ = ended => Ok(()),
    }
}

async fn measure(file: &Path, url: &str) -> Result<(), Failure> {
    let clock = Instant::now();
    let contracts = document::collect(&[PathBuf::from(file)])?;
    let (read, parsed) = (clock.elapsed(), peak_memory());
    let provider = Provider { name: "payments".to_owned(), url: url.to_owned(), message_url: None };
    let verification = verify(&contracts, &provider, &Options::default(), &|_| {}).await?;
    let counts = verification.counts();
    let mut out = std::io::stdout();
    writeln!(out, "read in {read:?}, peak {parsed}")?;
    writeln!(out, "verified in {:?}, peak {}: {counts:?}", verification.took, peak_memory())?;
    Ok(())
}

/// The most memory that this process has had, as Linux tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line["VmHWM:".len()..].trim().to_owned())
}

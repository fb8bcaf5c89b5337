//! A service for tests of systems that run already. `GET /ready` is answered with 200, anything else is passed on to
//! `NEXT_URL`, if there is one, in a span of its own; spans are exported before the answer is given.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let stream = stream?;
        std::thread::spawn(move || answer(stream));
    }
    Ok(())
}

/// Answers one request, and closes.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let (mut first, mut line, mut parent) = (String::new(), String::new(), None);
    lines.read_line(&mut first)?;
    while lines.read_line(&mut line)? > 0 && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("traceparent")
        {
            parent = Some(value.trim().to_owned());
        }
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let status = match path.as_str() {
        "/ready" => 200,
        _ => work(&path, parent.as_deref())?,
    };
    write!(stream, "HTTP/1.1 {status} Whatever\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
}

/// Calls the next service within spans of the trace, and exports them.
fn work(path: &str, parent: Option<&str>) -> std::io::Result<u16> {
    let traced = parent.and_then(|parent| {
        let mut parts = parent.split('-').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    });
    let (server, client) = (span_id()?, span_id()?);
    let next = std::env::var("NEXT_URL").ok();
    let mut status = 200;
    if let Some(next) = &next {
        let context = traced.as_ref().map(|(trace, _)| format!("traceparent: 00-{trace}-{client}-01\r\n"));
        let asked = format!(
            "GET {path} HTTP/1.1\r\nhost: next\r\nconnection: close\r\n{}\r\n",
            context.unwrap_or_default()
        );
        status = send(next, &asked).unwrap_or(502);
    }
    if let Some((trace, parent)) = traced
        && let Ok(receiver) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT")
    {
        let span = |id: &str, parent: &str, kind: u8| {
            format!(
                r#"{{"traceId":"{trace}","spanId":"{id}","parentSpanId":"{parent}","name":"work","kind":{kind},"startTimeUnixNano":"1","endTimeUnixNano":"2"}}"#
            )
        };
        let mut spans = span(&server, &parent, 2);
        if next.is_some() {
            spans += &format!(",{}", span(&client, &server, 3));
        }
        let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_default();
        let body = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{name}"}}}}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
        );
        let length = body.len();
        // Nobody may be there to receive it.
        let _ = send(
            &receiver,
            &format!(
                "POST /v1/traces HTTP/1.1\r\nhost: receiver\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            ),
        );
    }
    Ok(status)
}

/// Sends a request and returns the status of its answer.
fn send(url: &str, request: &str) -> std::io::Result<u16> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

fn span_id() -> std::io::Result<String> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! What instances print: read line by line, without secrets, within limits.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Mutex;

use seaworthy_core::ids::{InstanceId, ServiceName, TraceId};
use seaworthy_core::log::{OutputLine, Stream};
use seaworthy_core::runtime::Output;
use seaworthy_core::secret::{SecretHit, redact};
use seaworthy_core::time::{Nanos, RunClock};

use crate::record::locked;

/// How much of one line is kept, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024;
/// How many lines of one instance are kept.
pub const LINES_LIMIT: usize = 50_000;
/// How much text of one instance is kept, in bytes.
pub const TEXT_LIMIT: usize = 16 * 1024 * 1024;
/// How many secrets are reported per instance.
pub const SECRETS_LIMIT: usize = 1000;
/// How many of the last lines of an instance are at hand, whatever else was dropped.
pub const LAST_LINES: usize = 100;
/// How much of a stream is read at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// How long the text round a secret may be, in characters.
const EXCERPT: usize = 200;

/// How much of one instance is kept.
#[derive(Debug, Clone, Copy)]
struct Limits {
    line: usize,
    lines: usize,
    text: usize,
}

/// What all instances printed.
#[derive(Debug)]
pub(crate) struct Capture {
    limits: Limits,
    kept: Mutex<Kept>,
}

impl Default for Capture {
    fn default() -> Self {
        let limits = Limits { line: LINE_LIMIT, lines: LINES_LIMIT, text: TEXT_LIMIT };
        Self { limits, kept: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Kept {
    output: Output,
    instances: BTreeMap<InstanceId, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    lines: usize,
    bytes: usize,
    secrets: usize,
    last: VecDeque<String>,
}

/// Who prints, and where.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) service: ServiceName,
    pub(crate) instance: InstanceId,
    pub(crate) stream: Stream,
}

impl Capture {
    /// Keeps every line of `from` until it ends.
    pub(crate) fn read(&self, mut from: impl Read, source: &Source, clock: RunClock) {
        let mut lines = self.lines(source.clone(), clock);
        let mut chunk = vec![0; CHUNK];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => lines.push(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }

    /// Keeps the lines of a stream whose bytes are pushed as they come.
    pub(crate) fn lines(&self, source: Source, clock: RunClock) -> Lines<'_> {
        Lines { capture: self, source, clock, line: Vec::new(), truncated: false, started: false }
    }

    fn keep(&self, source: &Source, line: &str, truncated: bool, at: Nanos) {
        let (text, secrets) = redact(line);
        let text = text.into_owned();
        let mut kept = locked(&self.kept);
        let Kept { output, instances } = &mut *kept;
        let tally = instances.entry(source.instance.clone()).or_default();
        if tally.last.len() == LAST_LINES {
            tally.last.pop_front();
        }
        tally.last.push_back(text.clone());
        let trace_id = if secrets.is_empty() { None } else { trace_named_in(line) };
        for secret in secrets {
            if tally.secrets == SECRETS_LIMIT {
                break;
            }
            tally.secrets += 1;
            output.secrets.push(SecretHit {
                place: match source.stream {
                    Stream::Stdout => "stdout".to_owned(),
                    Stream::Stderr => "stderr".to_owned(),
                },
                excerpt: excerpt(&text, &secret.fingerprint),
                secret,
                service: source.service.clone(),
                instance: Some(source.instance.clone()),
                trace_id,
            });
        }
        if tally.lines == self.limits.lines || tally.bytes + text.len() > self.limits.text {
            output.dropped += 1;
            return;
        }
        tally.lines += 1;
        tally.bytes += text.len();
        output.lines.push(OutputLine {
            service: source.service.clone(),
            instance: source.instance.clone(),
            stream: source.stream,
            at,
            text,
            truncated,
        });
    }

    /// All that was kept so far.
    pub(crate) fn output(&self) -> Output {
        locked(&self.kept).output.clone()
    }

    /// The last lines of an instance, at most [`LAST_LINES`].
    pub(crate) fn last(&self, instance: &InstanceId, lines: usize) -> Vec<String> {
        let kept = locked(&self.kept);
        let Some(tally) = kept.instances.get(instance) else { return Vec::new() };
        tally.last.iter().skip(tally.last.len().saturating_sub(lines)).cloned().collect()
    }
}

/// A stream that is cut into lines; of a longer line its first bytes are kept. What comes after the last line end
/// is a line too, and is kept when this is dropped.
#[derive(Debug)]
pub(crate) struct Lines<'c> {
    capture: &'c Capture,
    source: Source,
    clock: RunClock,
    line: Vec<u8>,
    truncated: bool,
    started: bool,
}

impl Lines<'_> {
    /// The next bytes of the stream.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.started = true;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = self.capture.limits.line - self.line.len();
            self.truncated |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
            if end.is_some() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        let text = String::from_utf8_lossy(&self.line);
        self.capture.keep(&self.source, &text, self.truncated, self.clock.now());
        self.line.clear();
        self.truncated = false;
        self.started = false;
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        if self.started {
            self.end_line();
        }
    }
}

/// The trace id that a log line names, in JSON (`"trace_id":"…"`) or as text (`trace_id=…`).
fn trace_named_in(line: &str) -> Option<TraceId> {
    ["trace_id", "traceId", "traceid", "trace.id"].into_iter().find_map(|key| {
        let after = &line[line.find(key)? + key.len()..];
        let digits = after.trim_start_matches(['"', '\\', ' ', ':', '=']);
        digits.get(..32)?.parse().ok()
    })
}

/// The part of a redacted line round its mark for this secret.
fn excerpt(text: &str, fingerprint: &str) -> String {
    let mark = text.find(fingerprint).unwrap_or_default();
    let before = text[..mark].chars().count();
    text.chars().skip(before.saturating_sub(EXCERPT / 2)).take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(text: &[u8]) -> Capture {
        let capture = Capture { limits: Limits { line: 100, lines: 20, text: 1000 }, ..Capture::default() };
        let source = Source { service: "orders".into(), instance: "orders-1".into(), stream: Stream::Stdout };
        capture.read(text, &source, RunClock::start());
        capture
    }

    #[test]
    fn lines_are_kept_without_their_ends() {
        let output = capture(b"one\r\ntwo\n\nlast without an end").output();
        let lines: Vec<&str> = output.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["one", "two", "", "last without an end"]);
        assert_eq!(output.dropped, 0);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_says_so() {
        let mut text = vec![b'x'; 100 * 300];
        text.extend_from_slice(b"\nnext\n");
        let output = capture(&text).output();
        assert_eq!(output.lines.len(), 2);
        assert_eq!((output.lines[0].text.len(), output.lines[0].truncated), (100, true));
        assert_eq!((output.lines[1].text.as_str(), output.lines[1].truncated), ("next", false));
        let whole = capture(&[b"x".repeat(100), b"\n".to_vec()].concat()).output();
        assert_eq!((whole.lines[0].text.len(), whole.lines[0].truncated), (100, false));
    }

    #[test]
    fn lines_past_the_limit_are_counted_and_the_last_ones_are_still_at_hand() {
        let text: String = (0..27).map(|number| format!("{number}\n")).collect();
        let capture = capture(text.as_bytes());
        let output = capture.output();
        assert_eq!((output.lines.len(), output.dropped), (20, 7));
        assert_eq!(capture.last(&"orders-1".into(), 2), ["25", "26"]);
        assert_eq!(capture.last(&"orders-2".into(), 2), [""; 0]);
    }

    #[test]
    fn text_past_the_limit_is_counted() {
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        let output = capture(&line.repeat(13)).output();
        assert_eq!((output.lines.len(), output.dropped), (10, 3));
    }

    #[test]
    fn a_secret_is_replaced_and_reported_with_its_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let line = format!(r#"{{"msg":"login","password":"correct-horse","trace_id":"{trace}"}}"#);
        let capture = capture(line.as_bytes());
        let output = capture.output();
        assert!(!output.lines[0].text.contains("correct-horse"));
        assert!(!capture.last(&"orders-1".into(), 5)[0].contains("correct-horse"));
        let [hit] = output.secrets.as_slice() else { panic!("{:?}", output.secrets) };
        assert_eq!(hit.place, "stdout");
        assert_eq!(hit.trace_id, Some(trace.parse().unwrap()));
        assert!(hit.excerpt.contains(&hit.secret.fingerprint), "{}", hit.excerpt);
    }

    #[test]
    fn lines_are_the_same_however_a_stream_is_cut() {
        let text = [b"one\r\n\ntwo\n".as_slice(), &b"x".repeat(150), b"\nlast"].concat();
        let whole = capture(&text).output();
        let pieces = capture(b"");
        let source = Source { service: "orders".into(), instance: "orders-1".into(), stream: Stream::Stdout };
        let mut lines = pieces.lines(source, RunClock::start());
        for byte in &text {
            lines.push(std::slice::from_ref(byte));
        }
        drop(lines);
        let shown = |output: &Output| {
            output.lines.iter().map(|line| (line.text.clone(), line.truncated)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&pieces.output()), shown(&whole));
        assert_eq!(whole.lines.len(), 5);
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let output = capture(b"\xff\xfe\x00 ok\n").output();
        assert!(output.lines[0].text.ends_with(" ok"));
    }
}

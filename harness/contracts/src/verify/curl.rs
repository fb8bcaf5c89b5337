//! A request as a line for the shell, so that whoever reads of a failure can send it again.

use std::borrow::Cow;
use std::fmt::Write as _;

use reqwest::{Method, Request};
use seaworthy_core::secret::{redact, redact_header};

/// Bodies longer than this do not stand in the line.
const LONGEST_BODY: usize = 2000;

/// `curl …` for this request, secrets redacted. A body that is long or not text is named, not shown.
pub(super) fn line(request: &Request) -> String {
    let mut line = String::from("curl --include");
    let body = request.body().and_then(reqwest::Body::as_bytes);
    match (request.method(), body) {
        (&Method::HEAD, None) => line = String::from("curl --head"),
        (&Method::GET, None) | (&Method::POST, Some(_)) => {}
        // A String takes whatever is written to it.
        (method, _) => {
            let _ = write!(line, " --request {}", quoted(method.as_str()));
        }
    }
    let _ = write!(line, " {}", quoted(&redact(request.url().as_str()).0));
    for (name, value) in request.headers() {
        let value = redact_header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        // curl leaves out a header that has nothing behind its colon.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        let _ = write!(line, " --header {}", quoted(&header));
    }
    // Without this curl would say that a body is a form.
    if body.is_some() && !request.headers().contains_key("content-type") {
        line.push_str(" --header 'content-type:'");
    }
    match body.map(|body| (body.len(), std::str::from_utf8(body))) {
        None => {}
        Some((length, Ok(text))) if length <= LONGEST_BODY && !text.contains('\0') => {
            let _ = write!(line, " --data-raw {}", quoted(&redact(text).0));
        }
        Some((length, _)) => {
            let _ = write!(line, " --data-binary @BODY # the contract's body, {length} bytes");
        }
    }
    line
}

/// One word of a POSIX shell, whatever is in it.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::Url;

    fn request(
        method: Method,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: Option<Vec<u8>>,
    ) -> Request {
        let mut request = Request::new(method, Url::parse(url).unwrap());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        *request.body_mut() = body.map(Into::into);
        request
    }

    #[test]
    fn a_request_reads_as_a_person_would_type_it() {
        let url = "http://127.0.0.1:8080/payments/7?currency=EUR&of=a%20b";
        let json = [("content-type", "application/json")];
        let body = br#"{"note":"it's","password":"hunter22"}"#.to_vec();
        insta::assert_snapshot!(
            [
                line(&request(
                    Method::GET,
                    url,
                    &[("accept", "*/*"), ("authorization", "Bearer abcdef0123")],
                    None
                )),
                line(&request(Method::HEAD, "http://h/a", &[], None)),
                line(&request(Method::DELETE, "http://h/a", &[("x-empty", "")], None)),
                line(&request(Method::POST, "http://h/a", &json, Some(body))),
                line(&request(Method::PUT, "http://h/a", &json, Some(vec![0, 159, 146, 150]))),
                line(&request(Method::POST, "http://h/a", &[], Some(vec![b'x'; 5000]))),
            ]
            .join("\n")
        );
    }

    proptest! {
        #[test]
        fn the_shell_reads_a_quoted_word_as_it_was(text in "[^\0]{0,40}") {
            // What POSIX says of quotes, section 2.2: between single quotes nothing has a meaning; a backslash before one
            // makes it a character.
            let quoted = quoted(&text).into_owned();
            let mut read = String::new();
            let mut inside = false;
            let mut characters = quoted.chars();
            while let Some(c) = characters.next() {
                match c {
                    '\'' => inside = !inside,
                    '\\' if !inside => read.extend(characters.next()),
                    c => {
                        prop_assert!(inside || !c.is_whitespace(), "{quoted}");
                        read.push(c);
                    }
                }
            }
            prop_assert!(!inside);
            prop_assert_eq!(read, text);
        }
    }
}

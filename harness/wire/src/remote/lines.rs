//! Lines of a limited length.

use std::io::{self, BufRead, ErrorKind, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Reads a line that is at most `limit` bytes long; `None` at the end of the stream.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    // One byte more tells a line that is too long from one that just fits.
    from.take(limit as u64 + 1).read_until(b'\n', &mut line).await?;
    parse(&line, limit)
}

/// The same for a thread.
pub(super) fn read_blocking<T: DeserializeOwned>(
    from: &mut impl BufRead,
    limit: usize,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(limit as u64 + 1).read_until(b'\n', &mut line)?;
    parse(&line, limit)
}

fn parse<T: DeserializeOwned>(line: &[u8], limit: usize) -> io::Result<Option<T>> {
    let wrong = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > limit {
        return Err(wrong(format!("a line is longer than {limit} bytes")));
    }
    let Some(text) = line.strip_suffix(b"\n") else {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "it broke off in the middle of a line"));
    };
    serde_json::from_slice(text).map(Some).map_err(|error| wrong(format!("a line makes no sense: {error}")))
}

/// The line that says `value`.
pub(super) fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], limit: usize) -> Vec<io::Result<Option<u64>>> {
        let mut from = bytes;
        let mut read = Vec::new();
        loop {
            let line = read_blocking::<u64>(&mut from, limit);
            let goes_on = matches!(line, Ok(Some(_)));
            read.push(line);
            if !goes_on {
                return read;
            }
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        assert_eq!(all(b"123\n", 4)[0].as_ref().unwrap(), &Some(123));
        let error = all(b"1234\n", 4).remove(0).unwrap_err();
        assert!(error.to_string().contains("longer than 4"), "{error}");
    }

    #[test]
    fn what_breaks_off_is_no_line() {
        let read = all(b"1\n2", 10);
        assert!(matches!(read[0], Ok(Some(1))));
        assert_eq!(read[1].as_ref().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_more_than_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut from = bytes.as_slice();
            let _ = read_blocking::<serde_json::Value>(&mut from, 50);
            prop_assert!(bytes.len() - from.len() <= 51);
        }
    }
}

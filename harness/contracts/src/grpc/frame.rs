//! gRPC's framing: each message has a flag and its length before it
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A flag and four bytes of length.
const PREFIX: usize = 5;

/// A message with its prefix; `None` when it is longer than four bytes can say.
pub(super) fn framed(message: &Bytes) -> Option<Bytes> {
    let length = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Takes messages out of the bytes of a stream, however these are cut.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    /// How many bytes of messages may still come, all together.
    left: usize,
    limit: usize,
}

impl Frames {
    /// Reads messages of at most `limit` bytes, all of them together.
    pub(super) fn new(limit: usize) -> Frames {
        Frames { buffer: BytesMut::new(), left: limit, limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if it is there already.
    ///
    /// # Errors
    /// When it is compressed, which nobody asked for, or longer than what may still come.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, String> {
        let Some((flag, mut length)) = self.buffer.get(..PREFIX).and_then(|prefix| prefix.split_first())
        else {
            return Ok(None);
        };
        let length = usize::try_from(length.get_u32()).unwrap_or(usize::MAX);
        if *flag != 0 {
            return Err("a message came compressed, and compression was not offered".to_owned());
        }
        if length > self.left {
            return Err(format!("more than the {} bytes of messages that are read", self.limit));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        self.left -= length;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Whether what came so far ends with a whole message.
    pub(super) fn is_whole(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Frames, framed};

    #[test]
    fn what_is_compressed_or_too_long_is_refused() {
        let mut frames = Frames::new(10);
        frames.push(&[1, 0, 0, 0, 1, 7]);
        assert!(frames.next().unwrap_err().contains("compressed"));
        let mut frames = Frames::new(10);
        frames.push(&[0, 255, 255, 255, 255]);
        assert!(frames.next().unwrap_err().contains("more than the 10 bytes"));
    }

    proptest! {
        #[test]
        fn messages_come_out_however_their_bytes_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
            cut in 1_usize..17,
        ) {
            let wire: Vec<u8> =
                messages.iter().flat_map(|message| framed(&Bytes::from(message.clone())).unwrap()).collect();
            let mut frames = Frames::new(1_000);
            let mut read = Vec::new();
            for bytes in wire.chunks(cut) {
                frames.push(bytes);
                while let Some(message) = frames.next().unwrap() {
                    read.push(message.to_vec());
                }
            }
            prop_assert!(frames.is_whole());
            prop_assert_eq!(read, messages);
        }
    }
}

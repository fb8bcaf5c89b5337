//! From an offset in a text to its line and column.

/// Walks a text forwards and tells the line and column of offsets, asked for in ascending order: the whole text is
/// looked at once, however many offsets are asked for.
pub(crate) struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Places<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, line_start: 0 }
    }

    /// Line and column, from 1, of a part of the text. Parts of other texts count as its beginning.
    pub(crate) fn of(&mut self, part: &str) -> (usize, usize) {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if offset > self.text.len() {
            return (1, 1);
        }
        self.at(offset)
    }

    /// Line and column, from 1, of an offset in bytes.
    pub(crate) fn at(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let bytes = self.text.as_bytes();
        let end = offset.min(bytes.len());
        for (at, byte) in bytes.iter().enumerate().take(end).skip(self.offset) {
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = at + 1;
            }
        }
        self.offset = end;
        (self.line, end - self.line_start + 1)
    }
}

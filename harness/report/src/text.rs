//! Texts made fit to print: control characters out, wrapped or cut to a width.

/// The text without control characters other than line feeds: what a service sent must not steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' => '\n',
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(visible).collect()
}

/// The text in lines of at most `width` characters, broken at spaces. A word that is longer stays whole. Lines that
/// the text has already are kept, with their indentation.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for given in clean(text).lines() {
        let indent: String = given.chars().take_while(|c| *c == ' ').take(width / 2).collect();
        let mut line = indent.clone();
        let mut empty = true;
        for word in given.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::replace(&mut line, indent.clone()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        lines.push(line);
    }
    lines
}

/// The text in one line of at most `width` characters, `…` for what was cut off.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = clean(text).replace('\n', " ");
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `1 check`, `2 checks`; numbers in groups of three digits.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = match what {
        _ if number == 1 => "",
        what if what.ends_with("sh") => "es",
        _ => "s",
    };
    format!("{} {what}{plural}", grouped(number))
}

/// `12 345`: digits in groups of three from 10 000 on.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The text as one word of a shell command.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_spaces_and_keep_their_indentation() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("saw 2\n  x1: GET /a b", 12), ["saw 2", "  x1: GET /a", "  b"]);
        assert_eq!(wrap("averyveryverylongword", 5), ["averyveryverylongword"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
    }

    #[test]
    fn what_is_sent_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\td\n"), "a\u{fffd}[2Jb\u{fffd}c d");
    }

    #[test]
    fn numbers_are_grouped_and_words_agree() {
        assert_eq!(count(1, "check"), "1 check");
        assert_eq!(count(1234, "span"), "1234 spans");
        assert_eq!(count(1_234_567, "span"), "1 234 567 spans");
    }

    #[test]
    fn a_fingerprint_is_one_word_of_a_command() {
        assert_eq!(shell_word("outbox@orders"), "outbox@orders");
        assert_eq!(shell_word("a@b->c"), "'a@b->c'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_word(text in "[a-z é\n]{0,200}", width in 1usize..60) {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let wrapped = wrap(&text, width).join("\n");
            prop_assert_eq!(words(&wrapped), words(&text));
        }

        #[test]
        fn a_wrapped_line_is_too_long_only_for_one_word(text in "[a-z ]{0,200}", width in 1usize..60) {
            for line in wrap(&text, width) {
                prop_assert!(line.chars().count() <= width || !line.trim().contains(' '), "{}", line);
            }
        }

        #[test]
        fn a_cut_line_fits(text in ".{0,100}", width in 1usize..60) {
            let line = cut(&text, width);
            prop_assert!(line.chars().count() <= width && !line.contains('\n'));
        }
    }
}

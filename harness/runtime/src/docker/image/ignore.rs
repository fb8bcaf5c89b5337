//! `.dockerignore`: what of a folder stays out of a build context.

/// The lines of a `.dockerignore`, in their order: the last one that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    parts: Vec<String>,
    /// `!`: what fits is in after all.
    keeps: bool,
}

impl Ignore {
    /// Reads the file; the error names the line that is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keeps, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (true, pattern.trim()),
                None => (false, line),
            };
            if pattern.contains(['[', ']', '\\']) {
                let line = number + 1;
                return Err(format!(
                    ".dockerignore, line {line}: `[`, `]` and `\\` are not understood here: `{pattern}`"
                ));
            }
            let parts = parts(pattern).ok_or_else(|| {
                format!(".dockerignore, line {}: `{pattern}` leads out of the folder", number + 1)
            })?;
            // `.` and `/` name the whole folder, which Docker ignores as a rule.
            if !parts.is_empty() {
                rules.push(Rule { parts, keeps });
            }
        }
        Ok(Self { rules })
    }

    /// Whether the file or folder at this path (`/` between its parts) stays out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        // A rule that fits a folder fits all that is in it.
        let fits = |rule: &&Rule| (1..=path.len()).any(|length| fits(&rule.parts, &path[..length]));
        self.rules.iter().rev().find(fits).is_some_and(|rule| !rule.keeps)
    }

    /// Whether something below a folder that stays out may be in after all.
    pub(super) fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps)
    }
}

/// The parts of a pattern, without those that mean nothing; none when it leads out of the folder.
fn parts(pattern: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part.to_owned()),
        }
    }
    Some(parts)
}

/// Whether a pattern fits a path, `**` standing for any number of its parts.
fn fits(pattern: &[String], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, rest)) if first == "**" => (0..=path.len()).any(|skipped| fits(rest, &path[skipped..])),
        Some((first, rest)) => path
            .split_first()
            .is_some_and(|(name, others)| wildcard(first.as_bytes(), name.as_bytes()) && fits(rest, others)),
    }
}

/// Whether a name fits a pattern in which `*` is any text and `?` any one character.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last star stood, and how far the name had got then: one more character is given to it each time.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += width(name[n]);
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How many bytes a character has that begins with this one.
fn width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left_out(ignore: &str, path: &str) -> bool {
        Ignore::parse(ignore).unwrap().leaves_out(path)
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        let ignore = "# what is built\ntarget\n*.md\n!README.md\ndocs/*\n!docs/keep\n";
        for path in ["target", "target/debug/x", "NOTES.md", "docs/a", "docs/a/b"] {
            assert!(left_out(ignore, path), "{path}");
        }
        for path in ["README.md", "src/NOTES.md", "src/target", "docs", "docs/keep", "docs/keep/a"] {
            assert!(!left_out(ignore, path), "{path}");
        }
    }

    #[test]
    fn two_stars_are_any_number_of_folders() {
        assert!(left_out("**/*.log", "a.log") && left_out("**/*.log", "x/y/a.log"));
        assert!(left_out("a/**/b", "a/b") && left_out("a/**/b", "a/x/y/b/c"));
        assert!(!left_out("a/**/b", "x/a/b"));
        assert!(left_out("**", "anything/at/all"));
    }

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        assert!(
            left_out("/target/", "target/a") && left_out("./target", "target") && left_out("a/../b", "b")
        );
        assert!(!left_out("/", "a") && !left_out(".", "a") && !left_out("", "a"));
        assert!(left_out("a?c", "aéc") && !left_out("a?c", "ac"));
        let error = Ignore::parse("ok\n*.[oa]\n").unwrap_err();
        assert_eq!(error, ".dockerignore, line 2: `[`, `]` and `\\` are not understood here: `*.[oa]`");
        assert!(Ignore::parse("../x").unwrap_err().ends_with("`../x` leads out of the folder"));
    }

    /// The meaning of a pattern, said as simply as can be.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => naive(rest, name),
            (Some(('*', rest)), Some((_, others))) => naive(rest, name) || naive(pattern, others),
            (Some(('?', rest)), Some((_, others))) => naive(rest, others),
            (Some((p, rest)), Some((n, others))) => p == n && naive(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_mean_what_they_mean(pattern in "[ab*?é]{0,8}", name in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                wildcard(pattern.as_bytes(), name.as_bytes()),
                naive(&chars(&pattern), &chars(&name))
            );
        }

        #[test]
        fn nothing_that_is_read_does_harm(text in "\\PC{0,60}", path in "[a-z/.]{0,20}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                ignore.leaves_out(&path);
            }
        }
    }
}

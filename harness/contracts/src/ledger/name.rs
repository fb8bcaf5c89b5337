//! Names of services, versions, branches and environments as names of files.
//!
//! Letters, digits, `-`, `_` and inner dots stay; everything else is percent-encoded byte by byte, so that a branch
//! `feat/x` is one file, and no name can leave the ledger's folder.

/// The longest name of a file, in bytes. Filesystems allow 255; temporary files need some.
const LONGEST: usize = 200;

/// The name of the file or folder that stands for `name`; `None` for one that is empty or too long.
pub fn encode(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            // A leading dot hides a file, and `..` is the folder above.
            b'.' if at > 0 => out.push('.'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    (!out.is_empty() && out.len() <= LONGEST).then_some(out)
}

/// The name that a file or folder stands for; `None` where no name is written that way.
pub fn decode(file: &str) -> Option<String> {
    let bytes = file.as_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let digits = file.get(at + 1..at + 3)?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            name.push(byte);
            at += 1;
        }
    }
    let name = String::from_utf8(name).ok()?;
    // One name, one file: anything that this module would not have written is a stranger.
    (encode(&name).as_deref() == Some(file)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable_and_cannot_leave_their_folder() {
        assert_eq!(encode("payments").as_deref(), Some("payments"));
        assert_eq!(encode("2.1.0+build 7").as_deref(), Some("2.1.0%2Bbuild%207"));
        assert_eq!(encode("feat/ü").as_deref(), Some("feat%2F%C3%BC"));
        assert_eq!(encode("..").as_deref(), Some("%2E."));
        assert_eq!(encode(""), None);
        assert_eq!(encode(&"x".repeat(201)), None);
        for stranger in ["%", "%2", "%zz", "%41", "a b", ".hidden", "%2e", "%FF", "%+1"] {
            assert_eq!(decode(stranger), None, "{stranger}");
        }
    }

    proptest! {
        #[test]
        fn a_name_comes_back_from_its_file(name in ".{1,40}") {
            if let Some(file) = encode(&name) {
                prop_assert!(!file.contains(['/', '\\', '\0', ' ', ':']) && !file.starts_with('.'));
                prop_assert_eq!(decode(&file), Some(name));
            }
        }

        #[test]
        fn what_decodes_encodes_back(file in "[a-zA-Z0-9%._-]{0,12}|.{0,12}") {
            if let Some(name) = decode(&file) {
                prop_assert_eq!(encode(&name), Some(file));
            }
        }
    }
}

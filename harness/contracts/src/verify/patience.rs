//! When to stop asking one who has never answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// After so many failures without a single answer the rest is not asked: it would take hours to learn nothing new.
const LIMIT: usize = 8;

/// What is known of whether somebody is there.
#[derive(Debug, Default)]
pub(super) struct Patience {
    has_answered: AtomicBool,
    silence: Mutex<Silence>,
}

#[derive(Debug, Default)]
struct Silence {
    count: usize,
    last: String,
}

impl Patience {
    /// It has answered, whatever it was: from now on it is asked always.
    pub(super) fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// Nobody answered.
    pub(super) fn silent(&self, message: &str) {
        let mut silence = self.silence.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        silence.count += 1;
        message.clone_into(&mut silence.last);
    }

    /// Why it is not worth asking; `None` if it is.
    pub(super) fn lost(&self) -> Option<String> {
        if self.has_answered.load(Ordering::Relaxed) {
            return None;
        }
        let silence = self.silence.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (silence.count >= LIMIT)
            .then(|| format!("not asked, for {LIMIT} requests before it got no answer ({})", silence.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_answered_once_is_asked_always() {
        let (never, once) = (Patience::default(), Patience::default());
        once.answered();
        for _ in 0..LIMIT {
            assert_eq!(never.lost(), None);
            never.silent("nobody there");
            once.silent("nobody there");
        }
        assert!(never.lost().is_some_and(|why| why.contains("nobody there")));
        assert_eq!(once.lost(), None);
    }
}

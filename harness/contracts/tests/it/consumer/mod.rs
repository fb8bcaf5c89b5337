//! The consumer's side: what a test declares, how it is played, what is written.

mod playing;

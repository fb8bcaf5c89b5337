//! The general checks: one witness held against another.

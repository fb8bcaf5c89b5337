//! The vocabulary of seaworthy: system file, ids, exchanges, spans, faults, findings, verdicts.

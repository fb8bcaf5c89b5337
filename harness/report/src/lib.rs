//! One verdict rendered: terminal, JSON, JUnit.

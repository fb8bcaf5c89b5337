//! A trace as a tree that prints the same in every run.

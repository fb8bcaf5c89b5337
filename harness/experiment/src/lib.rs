//! Flows and faults: drives a running system and gathers its evidence.

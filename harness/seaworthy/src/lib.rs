//! Is this set of services fit to ship? One verdict with evidence.

//! Starts systems: processes now, containers and attached systems behind the same trait.

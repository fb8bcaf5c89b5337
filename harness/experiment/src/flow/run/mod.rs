//! Running a flow on a system.

pub(in crate::flow) mod rules;

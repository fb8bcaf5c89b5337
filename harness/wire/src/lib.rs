//! The data plane of seaworthy: one proxy per edge, fault rules, exchange log.

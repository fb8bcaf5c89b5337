//! How an exchange is broken off: the one error that handlers and bodies give to hyper.

use std::error::Error;

/// Makes hyper break an exchange off: over HTTP/2 with RST_STREAM and this reason, over HTTP/1 by closing the
/// connection (which [`crate::link::LinkHandle::reset_on_close`] turns into a reset).
#[derive(Debug, thiserror::Error)]
#[error("the exchange was broken off")]
pub(crate) struct Broken(#[source] h2::Error);

impl Broken {
    pub(crate) fn with(reason: h2::Reason) -> Self {
        Self(reason.into())
    }

    /// With the reason that the other side's error carries, `INTERNAL_ERROR` if it carries none.
    pub(crate) fn by(error: &(dyn Error + 'static)) -> Self {
        Self::with(reason(error).unwrap_or(h2::Reason::INTERNAL_ERROR))
    }
}

/// The code of the RST_STREAM or GOAWAY that caused an error. `NO_ERROR` is none: to pass it on would say that
/// the response is whole.
fn reason(error: &(dyn Error + 'static)) -> Option<h2::Reason> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reason) = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason) {
            return Some(reason).filter(|reason| *reason != h2::Reason::NO_ERROR);
        }
        cause = error.source();
    }
    None
}

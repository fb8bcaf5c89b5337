//! Bodies on their way: passed on as they come, measured, their start kept, never gathered.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use seaworthy_core::exchange::Outcome;

use super::broken::Broken;
use super::flight::{Flight, RequestRecorder};
use super::pool::Lease;
use super::shape::{Shaped, Shaper};
use crate::log::record::Capture;

/// A request's body on its way to the provider.
pub(crate) struct RequestBody {
    inner: Incoming,
    capture: Capture,
    recorder: Option<RequestRecorder>,
    upload: Arc<Upload>,
    /// Nothing is read of it before this is over.
    gate: Option<Wait>,
}

/// How far a request's body has come, for those who wait for the response.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    done: AtomicBool,
    left: AtomicBool,
}

impl Upload {
    /// Whether all of it has passed.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Whether it broke off on the consumer's side.
    pub(crate) fn is_broken(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, recorder: RequestRecorder, capture: Capture) -> Self {
        let mut body = Self { inner, capture, recorder: Some(recorder), gate: None, upload: Arc::default() };
        if body.inner.is_end_stream() {
            body.upload.done.store(true, Ordering::Release);
            body.record();
        }
        body
    }

    /// Leaves it unread until `wait` is over.
    pub(crate) fn not_before(&mut self, wait: Wait) {
        self.gate = Some(wait);
    }

    /// How far it has come.
    pub(crate) fn upload(&self) -> Arc<Upload> {
        Arc::clone(&self.upload)
    }

    fn record(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.record(std::mem::take(&mut self.capture));
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.as_mut().poll(context));
            self.gate = None;
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let is_last = match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.capture.see(data);
                }
                frame.is_trailers() || self.inner.is_end_stream()
            }
            Some(Err(_)) => {
                self.upload.left.store(true, Ordering::Release);
                false
            }
            None => true,
        };
        if is_last {
            self.upload.done.store(true, Ordering::Release);
            self.record();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| Broken::by(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.record();
    }
}

/// Where a response's body comes from.
pub(crate) enum Source {
    /// From the provider.
    Provider(Incoming),
    /// From the provider, after what was taken from it while a fault withheld the answer.
    Withheld {
        /// What was taken.
        taken: VecDeque<Frame<Bytes>>,
        /// The rest, unless it was taken whole.
        rest: Option<Incoming>,
    },
    /// From ourselves.
    Own(Bytes),
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Source::Provider(body) => Pin::new(body).poll_frame(context),
            Source::Withheld { taken, rest } => match (taken.pop_front(), rest) {
                (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
                (None, Some(rest)) => Pin::new(rest).poll_frame(context),
                (None, None) => Poll::Ready(None),
            },
            Source::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Source::Provider(body) => body.is_end_stream(),
            Source::Withheld { taken, rest } => {
                taken.is_empty() && rest.as_ref().is_none_or(Body::is_end_stream)
            }
            Source::Own(bytes) => bytes.is_empty(),
        }
    }
}

/// Something to wait for.
pub(crate) type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A response's body on its way to the consumer. It carries the exchange to its end.
pub(crate) struct ResponseBody {
    source: Source,
    /// What the provider gave.
    given: Capture,
    flight: Option<Flight>,
    lease: Option<Lease>,
    shaper: Option<Box<Shaper>>,
    /// Set when the response is to break off: until when it waits, and how it then ends.
    breaking: Option<(Wait, Broken)>,
}

impl ResponseBody {
    /// A body that passes through.
    pub(crate) fn new(
        source: Source,
        given: Capture,
        flight: Flight,
        lease: Option<Lease>,
        shaper: Option<Box<Shaper>>,
    ) -> Self {
        let flight = Some(flight);
        let mut body = Self { source, given, flight, lease, shaper, breaking: None };
        if body.source.is_end() {
            body.finish(None);
        }
        body
    }

    /// No body, and nothing to record: the exchange goes on elsewhere.
    pub(crate) fn none() -> Self {
        Self {
            source: Source::Own(Bytes::new()),
            given: Capture::default(),
            flight: None,
            lease: None,
            shaper: None,
            breaking: None,
        }
    }

    /// The provider has given its last byte; what is held back of it is ours to pass.
    fn provider_is_done(&mut self, trailers: Option<&HeaderMap>) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        let given = Arc::new(std::mem::take(&mut self.given));
        if let Some(flight) = &self.flight {
            flight.provider_over(Outcome::Answered, &given, trailers);
        }
    }

    /// The last byte has come and gone.
    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        let Some(shaper) = self.shaper.take() else {
            if let Some(lease) = self.lease.take() {
                lease.give_back();
            }
            let given = Arc::new(std::mem::take(&mut self.given));
            if let Some(flight) = self.flight.take() {
                flight.both_over(Outcome::Answered, &given, trailers);
            }
            return;
        };
        self.provider_is_done(trailers);
        if let Some(flight) = self.flight.take() {
            flight.consumer_over(Outcome::Answered, &Arc::new(shaper.into_passed()), trailers);
        }
    }

    /// Breaks the response off, once what has passed so far is on its way.
    fn break_off(&mut self, provider: Outcome, consumer: Outcome, how: Broken) {
        self.lease = None;
        let given = Arc::new(std::mem::take(&mut self.given));
        let Some(flight) = self.flight.take() else { return };
        let connection = Arc::clone(flight.connection());
        let passed = match self.shaper.take() {
            Some(shaper) => Arc::new(shaper.into_passed()),
            None => Arc::clone(&given),
        };
        flight.provider_over(provider, &given, None);
        flight.consumer_over(consumer, &passed, None);
        connection.link.reset_on_close();
        let wait = async move { connection.flushed().await };
        self.breaking = Some((Box::pin(wait), how));
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        loop {
            if let Some((wait, _)) = &mut this.breaking {
                ready!(wait.as_mut().poll(context));
                return Poll::Ready(this.breaking.take().map(|(_, how)| Err(how)));
            }
            if let (Some(shaper), Some(flight)) = (&mut this.shaper, &this.flight) {
                match ready!(shaper.poll_next(context, flight)) {
                    Shaped::Wants => {}
                    Shaped::Data(data) => {
                        // Here and not when asked again: hyper does not ask again once it has the announced length.
                        let is_last = shaper.is_drained() && this.source.is_end();
                        if is_last {
                            this.finish(None);
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Shaped::Cut => {
                        let how = Broken::with(h2::Reason::INTERNAL_ERROR);
                        this.break_off(Outcome::Cancelled, Outcome::Reset, how);
                        continue;
                    }
                }
            }
            match ready!(this.source.poll(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.given.see(&data);
                        if let Some(shaper) = &mut this.shaper {
                            shaper.push(data);
                            if this.source.is_end() {
                                this.provider_is_done(None);
                            }
                            continue;
                        }
                        if this.source.is_end() {
                            this.finish(None);
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Err(frame) => {
                        this.finish(frame.trailers_ref());
                        return Poll::Ready(Some(Ok(frame)));
                    }
                },
                None => {
                    this.finish(None);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    let consumer_left = this.lease.as_ref().is_some_and(Lease::consumer_left);
                    let outcome = if consumer_left { Outcome::Cancelled } else { Outcome::Reset };
                    this.break_off(outcome, outcome, Broken::by(&error));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.flight.is_none() && self.breaking.is_none() && self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Provider(body) => body.size_hint(),
            Source::Withheld { .. } => SizeHint::default(),
            Source::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(flight) = &self.flight {
            let given = Arc::new(std::mem::take(&mut self.given));
            let passed = match self.shaper.take() {
                Some(shaper) => Arc::new(shaper.into_passed()),
                None => Arc::clone(&given),
            };
            flight.bodies_so_far(&given, &passed);
        }
    }
}

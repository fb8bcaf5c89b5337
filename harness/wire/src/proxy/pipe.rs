//! A connection of which only bytes are known: they pass in both directions, and edge-wide rules are done to them.
//!
//! Each direction reads ahead a little ([`BACKLOG`]) and writes when the rules let it. That is what a delay needs: bytes
//! are on their way for a while, and more of them can be on their way at once. Past the backlog nothing is read, so
//! that a sender feels a slow or held link as it would feel a real one, by its socket filling up.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::select_all;
use seaworthy_core::fault::{FaultAction, When};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::edge::Edge;
use crate::fault::Rule;
use crate::fault::matching;
use crate::link::{Link, LinkHandle};
use crate::traffic::count;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// How much of one direction is on its way before no more is read.
const BACKLOG: usize = 256 * 1024;

/// Joins a consumer's connection with one to the provider, until both directions have ended or one broke.
pub(crate) async fn join(edge: &Edge, consumer: Link) {
    let Ok(provider) = edge.pool.dial().await else {
        count(&edge.traffic.refused);
        consumer.handle().reset_on_close();
        return;
    };
    count(&edge.traffic.opened);
    let provider = Link::new(provider);
    let handles = [consumer.handle(), provider.handle()];
    let (mut from_consumer, mut to_consumer) = tokio::io::split(consumer);
    let (mut from_provider, mut to_provider) = tokio::io::split(provider);
    // Declared after the halves, so that it goes before them.
    let mut end = End { links: handles, whole: false };
    let pipe = Pipe { edge, applied: Mutex::default() };
    let passed = tokio::try_join!(
        pipe.direction(Side::ToProvider).pass(&mut from_consumer, &mut to_provider),
        pipe.direction(Side::ToConsumer).pass(&mut from_provider, &mut to_consumer),
    );
    match passed {
        Ok(_) => end.whole = true,
        Err(Broken::ByFault) => count(&edge.traffic.cut),
        Err(Broken::ByPeer) => {}
    }
}

/// What breaks off on one side is reset on both, also when the work is dropped because the edge was cut.
struct End {
    links: [LinkHandle; 2],
    whole: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.whole {
            self.links.iter().for_each(LinkHandle::reset_on_close);
        }
    }
}

enum Broken {
    ByPeer,
    ByFault,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::ByPeer
    }
}

/// What both directions share.
struct Pipe<'e> {
    edge: &'e Edge,
    /// The rules that have fired for this connection.
    applied: Mutex<Vec<Arc<Rule>>>,
}

impl<'e> Pipe<'e> {
    fn direction(&self, side: Side) -> Direction<'_, 'e> {
        let mut changes = self.edge.faults.connection_rules();
        changes.mark_changed();
        Direction {
            pipe: self,
            side,
            changes,
            rules: Vec::new(),
            backlog: VecDeque::new(),
            size: 0,
            slot: None,
        }
    }

    /// A rule is applied. It fires once for each connection.
    fn apply(&self, rule: &Arc<Rule>) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if !applied.iter().any(|other| Arc::ptr_eq(other, rule)) {
            applied.push(Arc::clone(rule));
            rule.fire();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    ToProvider,
    ToConsumer,
}

/// What is on its way in one direction.
struct Direction<'p, 'e> {
    pipe: &'p Pipe<'e>,
    side: Side,
    changes: watch::Receiver<u64>,
    /// The rules that stand on this edge.
    rules: Vec<Arc<Rule>>,
    backlog: VecDeque<Piece>,
    /// How many bytes the backlog has.
    size: usize,
    /// What a throttle allows: so many bytes, from then on.
    slot: Option<(usize, Instant)>,
}

/// Bytes on their way; none of them: the sender has ended its half.
struct Piece {
    data: Bytes,
    came: Instant,
    delays: Vec<(Arc<Rule>, Duration)>,
}

impl Piece {
    /// When it has been on its way for as long as the delays that still stand say.
    fn due(&self) -> Instant {
        let standing = self.delays.iter().filter(|(rule, _)| rule.is_standing());
        let delay = standing.fold(Duration::ZERO, |sum, (_, delay)| sum.saturating_add(*delay));
        self.came.checked_add(delay).unwrap_or_else(|| self.came + Duration::from_secs(86_400 * 365))
    }
}

/// What may happen to the front of the backlog.
enum Next {
    /// There is nothing.
    Nothing,
    /// This many bytes of it may be written.
    Write(usize),
    /// The sender's end may be passed on.
    Close,
    /// Not before then.
    NotBefore(Instant),
    /// Not until a rule ends.
    Held,
    /// The connection is to be reset.
    Cut,
}

impl Direction<'_, '_> {
    async fn pass(
        mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Broken> {
        let mut buffer = BytesMut::new();
        let mut ended = false;
        loop {
            self.refresh();
            let (count, pause, until) = match self.next() {
                Next::Nothing => (0, false, None),
                Next::Write(count) => (count, false, None),
                Next::NotBefore(then) => (0, true, Some(then)),
                Next::Held => (0, true, None),
                Next::Cut => return Err(Broken::ByFault),
                Next::Close => {
                    to.shutdown().await?;
                    return Ok(());
                }
            };
            let front = self.backlog.front().map(|piece| &piece.data[..count]).unwrap_or_default();
            buffer.reserve(PIECE);
            tokio::select! {
                biased;
                // Nobody else takes note of this change: `refresh` must find it.
                Ok(()) = self.changes.changed() => self.changes.mark_changed(),
                written = to.write(front), if count > 0 => self.written(written?)?,
                read = from.read_buf(&mut buffer), if !ended && self.size < BACKLOG => {
                    ended = read? == 0;
                    self.refresh();
                    self.push(buffer.split().freeze());
                }
                () = one_ends(&self.rules), if pause => {}
                () = sleep_until(until), if until.is_some() => {}
            }
        }
    }

    /// Takes note of rules that came or ended.
    fn refresh(&mut self) {
        if self.changes.has_changed().unwrap_or_default() {
            self.changes.mark_unchanged();
            self.rules = self.pipe.edge.faults.for_bytes(&self.pipe.edge.id);
            self.slot = None;
        } else if !self.rules.is_empty() {
            let standing = self.rules.len();
            self.rules.retain(|rule| rule.is_standing());
            if self.rules.len() < standing {
                self.slot = None;
            }
        }
    }

    fn push(&mut self, data: Bytes) {
        let mut delays = Vec::new();
        for rule in &self.rules {
            if let FaultAction::Delay { by, jitter } = rule.rule.action {
                self.pipe.apply(rule);
                let delay = matching::delay(by.0, jitter.0, rule.rule.seed, rule.number());
                delays.push((Arc::clone(rule), delay));
            }
        }
        self.size += data.len();
        self.backlog.push_back(Piece { data, came: Instant::now(), delays });
    }

    fn next(&mut self) -> Next {
        let Some(front) = self.backlog.front() else { return Next::Nothing };
        let now = Instant::now();
        let (mut held, mut until) = (false, front.due());
        for rule in &self.rules {
            match rule.rule.action {
                FaultAction::Reset { when } if self.is_reset(when) && !front.data.is_empty() => {
                    self.pipe.apply(rule);
                    return Next::Cut;
                }
                FaultAction::Hold { when } if self.is_stopped(when) => {
                    self.pipe.apply(rule);
                    held = true;
                }
                FaultAction::Stall { length, when } if self.is_stopped(when) => {
                    // One that is longer than the clock goes is one that does not heal in this run.
                    match rule.began().checked_add(length.0) {
                        Some(heals) if heals <= now => continue,
                        Some(heals) => until = until.max(heals),
                        None => held = true,
                    }
                    self.pipe.apply(rule);
                }
                _ => {}
            }
        }
        match () {
            () if held => Next::Held,
            () if until > now => Next::NotBefore(until),
            () if front.data.is_empty() => Next::Close,
            () => self.next_by_rate(now),
        }
    }

    /// What the throttles let pass of the front.
    fn next_by_rate(&mut self, now: Instant) -> Next {
        let mut count = self.backlog.front().map_or(0, |front| front.data.len());
        if let Some((allowed, then)) = self.slot {
            return if now < then { Next::NotBefore(then) } else { Next::Write(count.min(allowed)) };
        }
        let mut passes = now;
        for rule in &self.rules {
            if let FaultAction::Throttle { bytes_per_second } = rule.rule.action {
                self.pipe.apply(rule);
                let pace = rule.pace(self.side == Side::ToProvider);
                let (piece, then) = pace.take(now, count, bytes_per_second);
                count = piece;
                passes = passes.max(then);
            }
        }
        if passes > now {
            self.slot = Some((count, passes));
            return Next::NotBefore(passes);
        }
        Next::Write(count)
    }

    /// Some bytes of the front went out.
    fn written(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if let Some(front) = self.backlog.front_mut() {
            front.data.advance(count);
            if front.data.is_empty() {
                self.backlog.pop_front();
            }
        }
        self.size -= count;
        self.slot = self.slot.and_then(|(left, then)| (left > count).then(|| (left - count, then)));
        self.counter().fetch_add(count as u64, Ordering::AcqRel);
        Ok(())
    }

    /// Whether a stall or hold stops this direction: before the provider's work nothing moves at all, after it what
    /// the provider says does not come through.
    fn is_stopped(&self, when: When) -> bool {
        when == When::Before || self.side == Side::ToConsumer
    }

    /// Whether a reset strikes here: at the next bytes of the consumer, or at the next of the provider.
    fn is_reset(&self, when: When) -> bool {
        (when == When::Before) == (self.side == Side::ToProvider)
    }

    fn counter(&self) -> &AtomicU64 {
        let traffic = &self.pipe.edge.traffic;
        match self.side {
            Side::ToProvider => &traffic.to_provider,
            Side::ToConsumer => &traffic.to_consumer,
        }
    }
}

/// Waits until one of these rules ends.
async fn one_ends(rules: &[Arc<Rule>]) {
    match rules {
        [] => std::future::pending().await,
        rules => drop(select_all(rules.iter().map(|rule| Box::pin(rule.ended()))).await),
    }
}

async fn sleep_until(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}

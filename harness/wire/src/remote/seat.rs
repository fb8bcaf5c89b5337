//! What a data plane does for the harness that steers it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use seaworthy_core::evidence::Loss;
use seaworthy_core::fault::FaultRule;
use seaworthy_core::ids::{EdgeId, FaultId};
use tokio::io::AsyncBufRead;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::lines;
use super::plane::{Deck, Voice};
use super::protocol::{Ask, Asked, LONGEST_ASKED, Reply, Said};
use crate::error::WireError;
use crate::fault::Rule;
use crate::log::follow::Follower;
use crate::traffic::Traffic;
use crate::wire::Wire;

/// How many lines are read ahead.
const READ_AHEAD: usize = 16;

/// One harness's time at the wheel. When it ends, whatever the reason, so do its rules, and what was recorded for it
/// is forgotten.
pub(super) struct Seat<'d> {
    deck: &'d mut Deck,
    wire: Wire,
    voice: Voice,
    follower: Follower,
    /// The edges that this harness opened; what passes on others is none of its business.
    edges: BTreeSet<EdgeId>,
    rules: Vec<Told>,
    /// Something happened to a rule.
    stirred: Arc<Notify>,
    watchers: JoinSet<()>,
    totals: (Vec<Loss>, Vec<(EdgeId, Traffic)>),
}

/// A rule that stands, and what was told of it.
struct Told {
    rule: Arc<Rule>,
    fired: u64,
}

impl<'d> Seat<'d> {
    pub(super) fn take(deck: &'d mut Deck, wire: Wire, voice: Voice) -> Self {
        wire.log().forget();
        wire.log().set_recording(true);
        let follower = Follower::of(wire.log());
        Self {
            deck,
            wire,
            voice,
            follower,
            edges: BTreeSet::new(),
            rules: Vec::new(),
            stirred: Arc::default(),
            watchers: JoinSet::new(),
            totals: Default::default(),
        }
    }

    /// Does what the harness asks, and tells it what happens, until it leaves.
    pub(super) async fn serve(
        mut self,
        hello: u64,
        mut read: impl AsyncBufRead + Unpin + Send + 'static,
    ) -> io::Result<()> {
        let (feed, mut asked) = mpsc::channel(READ_AHEAD);
        // A line is read by a task of its own: reading cannot be given up half-way.
        self.watchers.spawn(async move {
            while let Some(line) = lines::read::<Asked>(&mut read, LONGEST_ASKED).await.transpose() {
                let is_last = line.is_err();
                if feed.send(line).await.is_err() || is_last {
                    return;
                }
            }
        });
        let mut changes = self.wire.log().changes();
        changes.mark_changed();
        let welcome = Reply::Welcome { pid: std::process::id(), edges: self.deck.addresses() };
        self.voice.say(&Said::Reply { to: hello, reply: welcome }).await?;
        let stirred = Arc::clone(&self.stirred);
        loop {
            let line = tokio::select! {
                line = asked.recv() => line,
                Ok(()) = changes.changed() => {
                    self.tell().await?;
                    continue;
                }
                () = stirred.notified() => {
                    self.tell().await?;
                    continue;
                }
            };
            let Some(line) = line else { return Ok(()) };
            let asked = match line {
                Ok(asked) => asked,
                Err(error) => {
                    let reply = Reply::Refused { reason: error.to_string() };
                    self.voice.say(&Said::Reply { to: 0, reply }).await?;
                    return Err(error);
                }
            };
            let reply = self.answer(asked.ask).await?;
            self.voice.say(&Said::Reply { to: asked.number, reply }).await?;
        }
    }

    async fn answer(&mut self, ask: Ask) -> io::Result<Reply> {
        Ok(match ask {
            Ask::Hello { .. } => Reply::Refused { reason: "it is known who steers".to_owned() },
            Ask::Now => Reply::Now { now: self.wire.clock().now() },
            Ask::Open { edge, protocol, address } => {
                let opened = self.deck.open(&self.wire, &self.edges, &edge, protocol, address).await;
                match opened {
                    Ok(address) => {
                        self.edges.insert(edge);
                        Reply::Opened { address }
                    }
                    Err(WireError::Taken { .. }) => Reply::Taken,
                    Err(error) => Reply::Refused { reason: said(&error) },
                }
            }
            Ask::Upstream { edge, upstream } => {
                self.deck.set_upstream(&self.wire, &edge, upstream);
                Reply::Done
            }
            Ask::Install { rule } => self.install(*rule),
            Ask::Renew { id } => {
                self.wire.faults().renew(&id);
                Reply::Done
            }
            Ask::End { id } => self.end(&id),
            Ask::CatchUp => {
                self.tell().await?;
                self.tell_totals().await?;
                Reply::Done
            }
        })
    }

    fn install(&mut self, rule: FaultRule) -> Reply {
        // Its name stands for nothing over there any more, or it would not be given again.
        self.end(&rule.id);
        let rule = match self.wire.faults().add(rule) {
            Ok(rule) => rule,
            Err(error) => return Reply::Refused { reason: error.to_string() },
        };
        while self.watchers.try_join_next().is_some() {}
        let (watched, stirred) = (Arc::clone(&rule), Arc::clone(&self.stirred));
        self.watchers.spawn(async move {
            let mut fired = watched.fired();
            loop {
                tokio::select! {
                    () = watched.ended() => break,
                    _ = fired.changed() => stirred.notify_one(),
                }
            }
            stirred.notify_one();
        });
        self.rules.push(Told { rule, fired: 0 });
        Reply::Done
    }

    fn end(&mut self, id: &FaultId) -> Reply {
        let mut fired = 0;
        let faults = self.wire.faults();
        self.rules.retain(|told| {
            let is_it = told.rule.rule.id == *id;
            if is_it {
                faults.end(&told.rule);
                fired = *told.rule.fired().borrow();
            }
            !is_it
        });
        Reply::Ended { fired }
    }

    /// Tells what happened since it was told last.
    async fn tell(&mut self) -> io::Result<()> {
        // Exchanges are looked at first and rules are told first, so that no exchange shows a fault of a rule that
        // does not count it.
        let sights = self.follower.changed();
        let mut news = Vec::new();
        self.rules.retain_mut(|told| {
            let lapsed = !told.rule.is_standing();
            let fired = *told.rule.fired().borrow();
            if lapsed || fired > told.fired {
                told.fired = fired;
                news.push(Said::Fault { id: told.rule.rule.id.clone(), fired, lapsed });
            }
            !lapsed
        });
        for said in &news {
            self.voice.say(said).await?;
        }
        for sight in sights.into_iter().filter(|sight| self.edges.contains(&sight.exchange.edge)) {
            let exchange = Box::new((*sight.exchange).clone());
            self.voice.say(&Said::Exchange { exchange, sealed: sight.sealed }).await?;
        }
        Ok(())
    }

    async fn tell_totals(&mut self) -> io::Result<()> {
        let traffic = |edge: &EdgeId| Some((edge.clone(), self.wire.traffic(edge)?));
        let totals = (self.wire.log().losses(), self.edges.iter().filter_map(traffic).collect());
        if totals == self.totals {
            return Ok(());
        }
        self.totals = totals.clone();
        self.voice.say(&Said::Totals { losses: totals.0, traffic: totals.1 }).await
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.wire.faults().forget();
        self.wire.log().set_recording(false);
        self.wire.log().forget();
    }
}

/// An error with its cause.
fn said(error: &WireError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

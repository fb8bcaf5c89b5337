//! The spans of one trace with who is whose parent.

use std::collections::{BTreeSet, HashMap};

use seaworthy_core::ids::SpanId;
use seaworthy_core::span::Span;

use super::syntax::Relation;

/// Places of spans in their forest.
pub(super) type Places = BTreeSet<usize>;

/// The spans of one trace, by their start.
pub(super) struct Forest<'s> {
    spans: Vec<&'s Span>,
    /// The place of each span's parent. Spans that name each other as parents in a circle have none.
    parents: Vec<Option<usize>>,
}

impl<'s> Forest<'s> {
    pub(super) fn new(mut spans: Vec<&'s Span>) -> Self {
        spans.sort_by_key(|span| (span.start_unix, span.span_id));
        let places: HashMap<SpanId, usize> =
            spans.iter().enumerate().map(|(place, span)| (span.span_id, place)).collect();
        let parent = |span: &&Span| span.parent_id.and_then(|parent| places.get(&parent).copied());
        let mut parents: Vec<Option<usize>> = spans.iter().map(parent).collect();
        for place in circular(&parents) {
            if let Some(parent) = parents.get_mut(place) {
                *parent = None;
            }
        }
        Self { spans, parents }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &'s Span)> + '_ {
        self.spans.iter().copied().enumerate()
    }

    pub(super) fn span(&self, place: usize) -> Option<&'s Span> {
        self.spans.get(place).copied()
    }

    /// The trace's root: the first span without a parent here.
    pub(super) fn root(&self) -> Option<&'s Span> {
        self.all().find(|(place, _)| self.parent(*place).is_none()).map(|(_, span)| span)
    }

    /// From the first start to the last end, in nanoseconds.
    pub(super) fn duration(&self) -> u64 {
        let start = self.spans.iter().map(|span| span.start_unix).min().unwrap_or_default();
        let end = self.spans.iter().map(|span| span.end_unix).max().unwrap_or_default();
        end.saturating_sub(start)
    }

    fn parent(&self, place: usize) -> Option<usize> {
        self.parents.get(place).copied().flatten()
    }

    /// Those of `right` that stand so to one of `left`.
    pub(super) fn related(&self, left: &Places, relation: Relation, right: Places) -> Places {
        let fits: Box<dyn Fn(&usize) -> bool> = match relation {
            Relation::Child => {
                Box::new(|place| self.parent(*place).is_some_and(|parent| left.contains(&parent)))
            }
            Relation::Descendant => {
                let below = self.below(left);
                Box::new(move |place| below.get(*place).copied().unwrap_or_default())
            }
            Relation::Parent => {
                let parents: Places = left.iter().filter_map(|place| self.parent(*place)).collect();
                Box::new(move |place| parents.contains(place))
            }
            Relation::Ancestor => {
                let above = self.above(left);
                Box::new(move |place| above.contains(place))
            }
            Relation::Sibling => {
                let of = |place: &usize| self.span(*place).and_then(|span| span.parent_id);
                let mut families: HashMap<SpanId, usize> = HashMap::new();
                for parent in left.iter().filter_map(of) {
                    *families.entry(parent).or_default() += 1;
                }
                Box::new(move |place| {
                    let family =
                        of(place).and_then(|parent| families.get(&parent)).copied().unwrap_or_default();
                    family > usize::from(left.contains(place))
                })
            }
        };
        right.into_iter().filter(|place| fits(place)).collect()
    }

    /// Of each place whether an ancestor is one of these.
    fn below(&self, tops: &Places) -> Vec<bool> {
        let mut known: Vec<Option<bool>> = vec![None; self.spans.len()];
        for start in 0..self.spans.len() {
            let mut path = Vec::new();
            let mut next = Some(start);
            let mut answer = false;
            while let Some(place) = next {
                if let Some(known) = known.get(place).copied().flatten() {
                    answer = known;
                    break;
                }
                path.push(place);
                next = self.parent(place);
            }
            // From the top of the path down: a place is below if its parent is one of the tops or below one.
            for place in path.into_iter().rev() {
                if let Some(parent) = self.parent(place) {
                    answer |= tops.contains(&parent);
                }
                if let Some(slot) = known.get_mut(place) {
                    *slot = Some(answer);
                }
            }
        }
        known.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// All ancestors of these.
    fn above(&self, bottoms: &Places) -> Places {
        let mut found = Places::new();
        for &bottom in bottoms {
            let mut next = self.parent(bottom);
            while let Some(place) = next.filter(|place| found.insert(*place)) {
                next = self.parent(place);
            }
        }
        found
    }
}

/// The places that are their own ancestors.
fn circular(parents: &[Option<usize>]) -> Vec<usize> {
    // The walk in which a place was first met; a walk that meets itself went round in a circle.
    let mut met: Vec<Option<usize>> = vec![None; parents.len()];
    let mut circular = Vec::new();
    for walk in 0..parents.len() {
        let mut next = Some(walk);
        while let Some(place) = next {
            match met.get(place).copied().flatten() {
                None => {
                    if let Some(slot) = met.get_mut(place) {
                        *slot = Some(walk);
                    }
                    next = parents.get(place).copied().flatten();
                }
                Some(earlier) if earlier == walk => {
                    let mut round = place;
                    loop {
                        circular.push(round);
                        match parents.get(round).copied().flatten() {
                            Some(parent) if parent != place => round = parent,
                            _ => break,
                        }
                    }
                    break;
                }
                Some(_) => break,
            }
        }
    }
    circular
}

//! Findings that say the same of the same place, told once.

use seaworthy_core::finding::Finding;

/// Findings of one check with one rule and one place, in the order in which they were found.
pub(crate) struct Group<'f> {
    /// The one that is told in full.
    pub(crate) first: &'f Finding,
    /// The others.
    pub(crate) others: Vec<&'f Finding>,
}

impl Group<'_> {
    /// The flows in which the others were seen, each once, without that of the first.
    pub(crate) fn other_flows(&self) -> Vec<&str> {
        let mut flows: Vec<&str> = Vec::new();
        for flow in self.others.iter().filter_map(|finding| finding.flow.as_deref()) {
            if self.first.flow.as_deref() != Some(flow) && !flows.contains(&flow) {
                flows.push(flow);
            }
        }
        flows
    }
}

/// Groups findings by rule, effect, severity and place (service, edge, pointer); flows do not tell them apart.
/// Those without a place are told one by one.
pub(crate) fn group<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Vec<Group<'f>> {
    let mut groups: Vec<Group<'f>> = Vec::new();
    for finding in findings {
        let placed = finding.service.is_some() || finding.edge.is_some() || finding.location.is_some();
        let same = groups.iter_mut().find(|group| placed && same_place(group.first, finding));
        match same {
            Some(group) => group.others.push(finding),
            None => groups.push(Group { first: finding, others: Vec::new() }),
        }
    }
    groups
}

fn same_place(a: &Finding, b: &Finding) -> bool {
    a.rule == b.rule
        && a.effect == b.effect
        && a.severity == b.severity
        && a.service == b.service
        && a.edge == b.edge
        && a.location == b.location
}

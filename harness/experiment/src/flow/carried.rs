//! What an edge carries (requests, messages or bytes), and which faults can be done to that.

use seaworthy_core::fault::FaultAction;
use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::{PortProtocol, System};

/// What is wrong with doing this to an edge on which that is spoken.
pub(super) fn misplaced(
    action: &FaultAction,
    whole_edge: bool,
    edge: &EdgeId,
    system: &System,
) -> Option<(String, Option<String>)> {
    let kind = action.kind();
    if system.message_edges().contains_key(edge) {
        let help = "messages can be delayed, stalled, dropped, duplicated, reordered and poisoned";
        return (!action.suits_messages()).then(|| {
            (format!("`{kind}` cannot be done to messages, and `{edge}` carries them"), Some(help.into()))
        });
    }
    if action.is_for_messages() {
        let message = format!("`{kind}` can only be done to messages, and `{edge}` carries none");
        return Some((message, Some("messages go over a broker: `calls: {…: {broker: NAME}}`".into())));
    }
    let is_bytes = system.protocol(edge) == Some(PortProtocol::Tcp);
    if !is_bytes {
        return matches!(action, FaultAction::Throttle { .. }).then(|| {
            (format!("`{kind}` is for bytes, and `{edge}` carries requests"), Some("use `slow-body`".into()))
        });
    }
    if !action.suits_bytes() {
        let help = "it can be refused, delayed, stalled, reset and throttled";
        return Some((format!("`{kind}` needs requests, and `{edge}` carries bytes"), Some(help.into())));
    }
    (!whole_edge).then(|| {
        (
            format!("`{edge}` carries bytes, so no request can be told from another"),
            Some("add `whole-edge: true`".into()),
        )
    })
}

//! Which message a returned one is.
//!
//! The broker gives an unroutable message back before it confirms it, but the client library hands it over with
//! whichever confirmation comes next, and one frame may confirm many at once. So what comes back is told by what it is:
//! two messages of one route with the same routing key, properties and body may stand in for each other.

use std::collections::{BTreeMap, BTreeSet};

use lapin::message::BasicReturnMessage;

use super::parcel::Parcel;

/// Marks the parcel that this message is. Those that have just been confirmed are looked at first: the broker confirms a
/// message right after it has given it back.
pub(super) fn mark(
    returned: &BasicReturnMessage,
    route: Option<usize>,
    confirmed: &BTreeSet<u64>,
    parcels: &mut BTreeMap<u64, Parcel>,
) {
    let could_be = |parcel: &Parcel| {
        parcel.is_out
            && !parcel.is_returned
            && Some(parcel.route) == route
            && *parcel.key() == returned.routing_key
            && *parcel.body() == *returned.data
    };
    let is_same = |parcel: &Parcel| *parcel.properties() == returned.properties;
    let just_confirmed = || confirmed.iter().filter_map(|id| Some((*id, parcels.get(id)?)));
    let all = || parcels.iter().map(|(id, parcel)| (*id, parcel));
    let found = just_confirmed()
        .find(|(_, parcel)| could_be(parcel) && is_same(parcel))
        .or_else(|| all().find(|(_, parcel)| could_be(parcel) && is_same(parcel)))
        // Should the broker have added to the properties.
        .or_else(|| just_confirmed().find(|(_, parcel)| could_be(parcel)))
        .or_else(|| all().find(|(_, parcel)| could_be(parcel)))
        .map(|(id, _)| id);
    if let Some(parcel) = found.and_then(|id| parcels.get_mut(&id)) {
        parcel.is_returned = true;
    }
}

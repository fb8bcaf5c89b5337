//! Messages as a schema registry frames them: a zero byte and the schema's number stand before the contents.

use std::borrow::Cow;

use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;

use crate::model::MessageContents;

/// How long the frame is, in bytes: a zero, then the number of the schema in four.
const FRAME: usize = 5;

/// The message without the frame of a schema registry. A contract holds the contents alone, and which number a
/// registry gave to their schema is nothing that can be agreed upon.
pub(super) fn unframed<'a>(
    message: &'a MessageContents,
    content_type: Option<&ContentType>,
) -> Cow<'a, MessageContents> {
    let framed =
        content_type.is_some_and(|content_type| content_type.sub_type.starts_with("vnd.schemaregistry."));
    match &message.contents {
        OptionalBody::Present(bytes, own, hint) if framed && bytes.len() >= FRAME && bytes[0] == 0 => {
            let contents = OptionalBody::Present(bytes.slice(FRAME..), own.clone(), *hint);
            Cow::Owned(MessageContents { contents, ..message.clone() })
        }
        _ => Cow::Borrowed(message),
    }
}

//! Faults that a test orders for single commands.

use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};

/// How one command is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As is right, after a pause.
    Delay(Duration),
    /// With this document, and nothing is done.
    Reply(Document),
    /// With this error code, and nothing is done.
    Failure(i32),
    /// With these bytes in place of a message, and the end of the connection.
    Bytes(Vec<u8>),
    /// Never.
    Silence,
    /// With the end of the connection.
    Close,
}

impl Answer {
    /// What a principal step is answered with, if `payload` is where IdpInfo should be.
    pub fn payload(payload: Vec<u8>) -> Self {
        let payload = Binary { subtype: BinarySubtype::Generic, bytes: payload };
        Self::Reply(doc! { "conversationId": 1, "done": false, "payload": payload, "ok": 1.0 })
    }

    /// What a principal step is answered with, if this is the IdpInfo, right or wrong.
    pub fn idp_info(info: &Document) -> Self {
        Self::payload(info.to_vec().unwrap())
    }
}

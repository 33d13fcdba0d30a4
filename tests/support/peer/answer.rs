//! What goes back over the wire: honest replies, and the ways in which a network or a bad provider spoils them.

use std::time::Duration;

use serde_json::Value;

/// One HTTP response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.into())], body: body.into() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string()).header("cache-control", "no-store")
    }

    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/html; charset=utf-8", body).header("cache-control", "no-store")
    }

    /// 303: the browser goes on with a GET, whatever it came with.
    pub fn see_other(location: &str) -> Self {
        Self { status: 303, headers: vec![("location".into(), location.into())], body: Vec::new() }
            .header("cache-control", "no-store")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// An OAuth error with the status that most have (RFC 6749 §5.2).
    pub fn refusal(error: &str, why: &str) -> Self {
        Self::error(400, error, why)
    }

    pub fn error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": error, "error_description": description }))
    }
}

/// Why a request is not granted: an OAuth error code, and words for whoever debugs the client.
pub type Refusal = (&'static str, String);

impl From<Refusal> for Reply {
    fn from((error, why): Refusal) -> Self {
        Self::refusal(error, &why)
    }
}

/// How one request is answered, where a test says so.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As the standard has it.
    Honest,
    /// The request is not looked at; this goes back.
    Instead(Reply),
    /// The request is carried out, but this goes back: a gateway that gave up too early.
    Processed(Reply),
    /// The request is carried out, and its honest answer held back for so long.
    Delay(Duration),
    /// The connection closes before the request is looked at.
    DropBefore,
    /// The request is carried out, and the connection closes without an answer: the lost refresh.
    DropAfter,
    /// The request is carried out; the headers promise the whole answer, and after so many bytes of its body the
    /// connection closes.
    CutAfter(usize),
    /// The request is carried out; the answer's body comes byte by byte with this pause between two.
    Trickle(Duration),
    /// The request is not looked at; 200 JSON white space follows, so many bytes of it.
    Flood(u64),
}

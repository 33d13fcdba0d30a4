//! Errors as they go over the wire.

use bson::{Document, doc};

/// A command's error: `ok: 0` with these.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub code: i32,
    pub message: String,
    /// What the answer has besides.
    pub details: Document,
}

pub(super) const BAD_VALUE: i32 = 2;
pub(super) const UNAUTHORIZED: i32 = 13;
pub(super) const TYPE_MISMATCH: i32 = 14;
pub(super) const PROTOCOL_ERROR: i32 = 17;
pub(super) const AUTHENTICATION_FAILED: i32 = 18;
pub(super) const CURSOR_NOT_FOUND: i32 = 43;
pub(super) const COMMAND_NOT_FOUND: i32 = 59;
pub(super) const INVALID_OPTIONS: i32 = 72;
pub(super) const OPERATION_FAILED: i32 = 96;
pub(super) const MECHANISM_UNAVAILABLE: i32 = 334;
pub(super) const UNSUPPORTED_OP_QUERY_COMMAND: i32 = 352;
pub(super) const REAUTHENTICATION_REQUIRED: i32 = 391;
pub(super) const AWAIT_TIME_WITHOUT_VERSION: i32 = 31368;
pub(super) const NEGATIVE_COUNTER: i32 = 31372;
pub(super) const UNRECOGNIZED_STAGE: i32 = 40324;
pub(super) const MISSING_FIELD: i32 = 40414;
pub(super) const EXHAUST_WITHOUT_AWAIT_TIME: i32 = 51756;
pub(super) const VERSION_OF_THE_FUTURE: i32 = 51764;

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Document::new() }
    }

    /// What a client is told of a refused sign-in, whatever the reason.
    pub fn authentication() -> Self {
        Self::new(AUTHENTICATION_FAILED, "Authentication failed.")
    }

    pub fn document(&self) -> Document {
        let mut document =
            doc! { "ok": 0.0, "errmsg": &self.message, "code": self.code, "codeName": code_name(self.code) };
        document.extend(self.details.clone());
        document
    }
}

/// The name that goes with a code in the server's list of errors; codes without one are called after their number.
fn code_name(code: i32) -> String {
    let name = match code {
        BAD_VALUE => "BadValue",
        UNAUTHORIZED => "Unauthorized",
        TYPE_MISMATCH => "TypeMismatch",
        PROTOCOL_ERROR => "ProtocolError",
        AUTHENTICATION_FAILED => "AuthenticationFailed",
        CURSOR_NOT_FOUND => "CursorNotFound",
        COMMAND_NOT_FOUND => "CommandNotFound",
        INVALID_OPTIONS => "InvalidOptions",
        OPERATION_FAILED => "OperationFailed",
        MECHANISM_UNAVAILABLE => "MechanismUnavailable",
        UNSUPPORTED_OP_QUERY_COMMAND => "UnsupportedOpQueryCommand",
        REAUTHENTICATION_REQUIRED => "ReauthenticationRequired",
        _ => return format!("Location{code}"),
    };
    name.to_owned()
}

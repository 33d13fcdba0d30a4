//! What mongosh and its parent say to each other: signed JSON, one message each way.
//!
//! The protocol is that of `ipc-rpc-state-share.ts` in devtools-connect 3 (mongosh 2.2.7 and later): the body of a
//! request and of its answer is signed with HMAC-SHA256 under a key that only the two have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ui::foreign;

/// The longest `timeoutContextId` that is remembered; mongosh's own are a tenth of it.
const CONTEXT_MAX: usize = 512;

/// The header of a message's signature, in base64.
pub const SIGNATURE: &str = "x-signature";

/// The key of one run.
pub struct Key(Zeroizing<[u8; 16]>);

impl Key {
    pub fn new() -> Result<Self> {
        super::random().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// As it stands in the handle. Every call is a place where the key leaves its cover.
    pub fn expose(&self) -> String {
        STANDARD.encode(*self.0)
    }

    pub fn sign(&self, body: &[u8]) -> String {
        self.mac(body).map(|mac| STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// Whether `signature` is that of `body`. Takes as long for one wrong signature as for another.
    pub fn verify(&self, body: &[u8], signature: &[u8]) -> bool {
        match (self.mac(body), STANDARD.decode(signature)) {
            (Some(mac), Ok(signature)) => mac.verify_slice(&signature).is_ok(),
            _ => false,
        }
    }

    fn mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        // There is no length of a key that HMAC does not take.
        Hmac::new_from_slice(self.0.as_slice()).ok().map(|mac: Hmac<Sha256>| mac.chain_update(body))
    }
}

/// The provider that a session is with.
#[derive(Clone, Debug, Default)]
pub struct SessionProvider {
    pub issuer: String,
    pub client_id: String,
}

/// The provider that mongosh's server trusts, as mongosh reports it. The scopes that it recommends say nothing of whose
/// tokens it takes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportedProvider {
    issuer: String,
    #[serde(default)]
    client_id: String,
}

/// One line that tells two providers apart.
fn describe(issuer: &str, client_id: &str) -> String {
    format!("issuer `{}`, client id `{}`", foreign(issuer), foreign(client_id))
}

/// A request that was understood.
#[derive(Debug)]
pub enum Call {
    /// mongosh needs a token.
    Token {
        /// Of this request alone.
        context: String,
        /// What we gave along with a token that the server has refused.
        refused: Option<String>,
    },
    /// mongosh waits no longer for the answer to the request with this context.
    Abort { context: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    timeout_context_id: Option<String>,
    callback_params: Option<CallbackParams>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallbackParams {
    version: u64,
    refresh_token: Option<String>,
    idp_info: Option<ReportedProvider>,
}

/// Reads a request whose signature is right, for a server that trusts the provider of this session.
///
/// # Errors
/// A text for the person, whom mongosh shows it to.
pub fn read(body: &[u8], session: &SessionProvider) -> Result<Call, String> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| format!("mdb-login does not understand this mongosh: {}", foreign(&error.to_string())))?;
    let context = request.timeout_context_id.filter(|context| !context.is_empty());
    // Who has the key could fill our memory with them otherwise.
    if context.as_ref().is_some_and(|context| context.len() > CONTEXT_MAX) {
        return Err(format!("mongosh has sent a `timeoutContextId` of more than {CONTEXT_MAX} bytes"));
    }
    match (request.method.as_str(), context) {
        ("oidc:OIDC_HUMAN_CALLBACK", Some(context)) => {
            let params = request.callback_params.ok_or("mongosh has sent no `callbackParams`")?;
            if params.version != 1 {
                return Err(format!(
                    "mongosh speaks version {} of the callback, and mdb-login knows version 1 only",
                    params.version
                ));
            }
            let server = params.idp_info.ok_or("mongosh has not said which provider the server trusts (`idpInfo`)")?;
            if (&server.issuer, &server.client_id) != (&session.issuer, &session.client_id) {
                return Err(format!(
                    "this server trusts another identity provider than the session is with\n\
                     the server: {}\nthe session: {}",
                    describe(&server.issuer, &server.client_id),
                    describe(&session.issuer, &session.client_id)
                ));
            }
            Ok(Call::Token { context, refused: params.refresh_token })
        }
        ("oidc:_abort", Some(context)) => Ok(Call::Abort { context }),
        ("oidc:OIDC_HUMAN_CALLBACK" | "oidc:_abort", None) => Err("mongosh has sent no `timeoutContextId`".to_owned()),
        ("oidc:REQUEST_TOKEN_CALLBACK" | "oidc:REFRESH_TOKEN_CALLBACK", _) => {
            Err("this mongosh is too old to be given a token in this way (2.2.7 is needed)\n\
             hint: update it, or run `mdb-login exec --inject k8s -- mongosh …`"
                .to_owned())
        }
        (other, _) => Err(format!("mdb-login does not know mongosh's request `{}`", foreign(other))),
    }
}

/// The answer with a token. `result` may have no other keys: the driver refuses them.
pub fn token(access_token: &str, id: &str, expires_in: u64) -> Value {
    json!({ "status": 200, "result": { "accessToken": access_token, "refreshToken": id, "expiresInSeconds": expires_in } })
}

/// The answer that has nothing to say.
pub fn done() -> Value {
    json!({ "status": 200 })
}

/// The answer whose text mongosh shows to the person.
pub fn failure(text: &str) -> Value {
    json!({ "status": 500, "error": text })
}

/// An error with its story, for [`failure`].
pub fn story(error: &Error) -> String {
    let causes = error.causes().iter().map(|cause| format!("\n  caused by: {cause}"));
    let hints = error.hints().iter().map(|hint| format!("\nhint: {hint}"));
    error.message().to_owned() + &causes.chain(hints).collect::<String>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 4231's keys have other lengths than ours; this is computed with Python's `hmac`.
    #[test]
    fn a_signature_is_hmac_sha256_in_base64() {
        let key = Key(Zeroizing::new(*b"0123456789abcdef"));
        let signature = key.sign(b"{\"status\":200}");
        assert_eq!(signature, "PpjSOMUFUL7IMiUAca6S+N+oXQVqL0HYg7Ci8bCk0Zk=");
        assert_eq!(key.expose(), "MDEyMzQ1Njc4OWFiY2RlZg==");
        assert!(key.verify(b"{\"status\":200}", signature.as_bytes()));
        for wrong in ["", "AAAA", "not base64!", &signature[1..], &key.sign(b"{\"status\":201}")] {
            assert!(!key.verify(b"{\"status\":200}", wrong.as_bytes()), "{wrong}");
        }
        assert!(!Key::new().unwrap().verify(b"{\"status\":200}", signature.as_bytes()));
    }

    fn session() -> SessionProvider {
        SessionProvider { issuer: "https://idp.example.com".to_owned(), client_id: "0oa1".to_owned() }
    }

    fn call(change: impl FnOnce(&mut Value)) -> Result<Call, String> {
        let mut request = json!({
            "method": "oidc:OIDC_HUMAN_CALLBACK",
            "timeoutContextId": "c",
            "callbackParams": { "version": 1, "username": "ada", "idpInfo": {
                "issuer": "https://idp.example.com", "clientId": "0oa1", "requestScopes": ["groups", "openid"] } },
        });
        change(&mut request);
        read(request.to_string().as_bytes(), &session())
    }

    #[test]
    fn requests_are_understood() {
        assert!(matches!(call(|_| ()), Ok(Call::Token { context, refused: None }) if context == "c"));
        let refused = call(|request| request["callbackParams"]["refreshToken"] = json!("id"));
        assert!(matches!(refused, Ok(Call::Token { refused: Some(id), .. }) if id == "id"));
        let abort = read(br#"{"method":"oidc:_abort","timeoutContextId":"c"}"#, &session());
        assert!(matches!(abort, Ok(Call::Abort { context }) if context == "c"));
    }

    #[test]
    fn requests_that_are_not_for_us_are_refused_in_words() {
        type Change = fn(&mut Value);
        let rows: [(Change, &str); 14] = [
            (|request| request["callbackParams"]["version"] = json!(2), "version 2"),
            (|request| request["callbackParams"]["version"] = json!("1"), "does not understand"),
            (|request| request["callbackParams"] = json!(null), "callbackParams"),
            (|request| request["callbackParams"]["idpInfo"] = json!(null), "idpInfo"),
            (|request| request["callbackParams"]["idpInfo"]["issuer"] = json!("https://evil"), "issuer `https://evil`"),
            (|request| request["callbackParams"]["idpInfo"]["issuer"] = json!(7), "does not understand"),
            (|request| request["callbackParams"]["idpInfo"]["clientId"] = json!("0oa2"), "client id `0oa2`"),
            (|request| request["callbackParams"]["idpInfo"]["clientId"] = json!(""), "client id ``"),
            (|request| request["timeoutContextId"] = json!(""), "no `timeoutContextId`"),
            (|request| request["timeoutContextId"] = json!("c".repeat(513)), "of more than 512 bytes"),
            (|request| request["method"] = json!("oidc:_abort\u{1b}"), "`oidc:_abort\\u{1b}`"),
            (|request| request["method"] = json!("oidc:REQUEST_TOKEN_CALLBACK"), "exec --inject k8s -- mongosh"),
            (|request| request["method"] = json!("oidc:REFRESH_TOKEN_CALLBACK"), "exec --inject k8s -- mongosh"),
            (|request| *request = json!([]), "does not understand"),
        ];
        for (change, words) in rows {
            let error = call(change).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
        let both = call(|request| request["callbackParams"]["idpInfo"]["issuer"] = json!("https://evil")).unwrap_err();
        assert!(both.contains("the session: issuer `https://idp.example.com`, client id `0oa1`"), "{both}");
    }

    proptest! {
        #[test]
        fn no_body_can_do_more_than_be_refused(body in any::<Vec<u8>>()) {
            prop_assert!(read(&body, &session()).is_err());
        }
    }
}

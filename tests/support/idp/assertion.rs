//! Client assertions (RFC 7523 §3, OIDC Core §9), judged to the letter.

use rsa::pss::{Signature as PssSignature, VerifyingKey as PssKey};
use rsa::signature::Verifier as _;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::jwt::{Key, SHA256_PREFIX, decode};

/// How a client with a key is registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub key: Key,
    /// `kid` that assertions must carry; `None`: they must have none.
    pub key_id: Option<String>,
    /// `x5t#S256` that they must carry; `None`: they must have none.
    pub thumbprint: Option<String>,
    /// What `token_endpoint_auth_signing_alg_values_supported` says, and what is taken; empty: the metadata say nothing,
    /// and PS256 and RS256 are taken.
    pub algorithms: Vec<String>,
    pub audience: Audience,
}

/// Whom an assertion must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// As Okta and Entra ID insist.
    TokenEndpoint,
    /// As Auth0 insists.
    Issuer,
}

impl Registered {
    /// By this key, with its `kid`.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            key_id: Some(key.kid().to_owned()),
            thumbprint: None,
            algorithms: Vec::new(),
            audience: Audience::TokenEndpoint,
        }
    }

    /// As Entra ID has it: by the certificate's thumbprint.
    pub fn by_certificate(key: Key, der: &[u8]) -> Self {
        let thumbprint = Some(super::jwt::encode(&Sha256::digest(der)));
        Self { key_id: None, thumbprint, ..Self::new(key) }
    }
}

/// How far the two clocks may be apart, in seconds.
const SKEW: u64 = 10;

/// The longest life of an assertion, in seconds.
const LIFETIME: u64 = 300;

/// Judges an assertion that `client_id` has sent at `now`. Gives its `jti`, which the caller must not have seen before.
pub(super) fn judge(
    assertion: &str,
    registered: &Registered,
    client_id: &str,
    audience: &str,
    now: u64,
) -> Result<String, &'static str> {
    let mut parts = assertion.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the assertion is not a JWT");
    };
    let json = |part: &str| decode(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(header_json), Some(claims_json), Some(signature)) = (json(header), json(claims), decode(signature))
    else {
        return Err("a part of the assertion cannot be read");
    };
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
    let algorithm = text(&header_json, "alg").unwrap_or_default();
    let usual = ["PS256", "RS256"].map(str::to_owned);
    let taken: &[String] = if registered.algorithms.is_empty() { &usual } else { &registered.algorithms };
    if !taken.contains(&algorithm) {
        return Err("this algorithm is not taken");
    }
    if header_json.get("typ").is_some_and(|typ| typ != "JWT") {
        return Err("`typ` is not `JWT`");
    }
    if text(&header_json, "kid") != registered.key_id {
        return Err("`kid` is not that of the registered key");
    }
    if text(&header_json, "x5t#S256") != registered.thumbprint {
        return Err("`x5t#S256` is not that of the registered certificate");
    }
    if !verifies(&algorithm, registered.key, format!("{header}.{claims}").as_bytes(), &signature) {
        return Err("the signature does not fit the registered key");
    }
    if text(&claims_json, "iss").as_deref() != Some(client_id)
        || text(&claims_json, "sub").as_deref() != Some(client_id)
    {
        return Err("`iss` and `sub` must be the client id");
    }
    // One audience as a text: a list would let one of those who are in it use the assertion at the others.
    if text(&claims_json, "aud").as_deref() != Some(audience) {
        return Err("`aud` is not what it must be");
    }
    let time = |name: &str| claims_json[name].as_u64();
    match (time("iat"), time("exp")) {
        (_, None) => return Err("there is no `exp`"),
        (_, Some(exp)) if exp + SKEW <= now => return Err("the assertion has expired"),
        (_, Some(exp)) if exp > now + LIFETIME + SKEW => return Err("the assertion lives too long"),
        (Some(iat), _) if iat > now + SKEW => return Err("`iat` lies in the future"),
        _ => {}
    }
    text(&claims_json, "jti").filter(|id| !id.is_empty()).ok_or("there is no `jti`")
}

fn verifies(algorithm: &str, key: Key, message: &[u8], signature: &[u8]) -> bool {
    let key: RsaPublicKey = key.public();
    if algorithm == "PS256" {
        let Ok(signature) = PssSignature::try_from(signature) else { return false };
        return PssKey::<Sha256>::new(key).verify(message, &signature).is_ok();
    }
    let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
    key.verify(scheme, &Sha256::digest(message), signature).is_ok()
}

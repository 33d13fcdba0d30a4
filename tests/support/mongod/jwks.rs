//! Providers' public keys (RFC 7517): fetched as the server fetches them, kept, and used to verify signatures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use super::refusal::Refusal;
use crate::support::browser::send;

/// The least that a modulus may have, in bytes, and an exponent may be.
const MODULUS_MIN: usize = 2048 / 8;
const EXPONENT_MIN: u64 = 3;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// As an uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

/// The keys of all issuers, each fetched when it is first needed, and when a `kid` is new.
#[derive(Default)]
pub(super) struct KeySets(HashMap<String, KeySet>);

/// The key that a token was verified with.
#[derive(Clone, Debug)]
pub(super) struct UsedKey {
    pub issuer: String,
    pub kid: String,
    pub key: PublicKey,
}

struct KeySet {
    keys: HashMap<String, PublicKey>,
    /// Those, as the provider has published them.
    published: Vec<Value>,
    fetched: Instant,
}

impl KeySets {
    /// Finds a key; `quiet` is how long after a fetch there is no other.
    pub fn key(&mut self, issuer: &str, kid: &str, quiet: Duration) -> Result<PublicKey, Refusal> {
        let known = self.0.get(issuer);
        let fresh = known.is_some_and(|set| set.keys.contains_key(kid) || set.fetched.elapsed() < quiet);
        if !fresh {
            let set = fetch(issuer).map_err(Refusal::KeySet)?;
            self.0.insert(issuer.to_owned(), set);
        }
        let found = self.0.get(issuer).and_then(|set| set.keys.get(kid));
        found.cloned().ok_or_else(|| Refusal::UnknownKey(kid.to_owned()))
    }

    /// `oidcListKeys`: what is there, without asking anybody.
    pub fn published(&self, issuer: &str) -> &[Value] {
        self.0.get(issuer).map_or(&[], |set| &set.published)
    }

    /// `oidcRefreshKeys`: all keys anew. If that fails, those that are there are dropped, or stay without `invalidate`.
    pub fn refresh(&mut self, issuer: &str, quiet: Duration, invalidate: bool) -> Result<(), String> {
        if self.0.get(issuer).is_some_and(|set| set.fetched.elapsed() < quiet) {
            return Err("Skipping refresh due to IdP quiesce".to_owned());
        }
        let set = fetch(issuer).inspect_err(|_| {
            if invalidate {
                self.0.remove(issuer);
            }
        })?;
        self.0.insert(issuer.to_owned(), set);
        Ok(())
    }

    /// Whether the key that a session rests on is still there, and the same.
    pub fn has(&self, used: &UsedKey) -> bool {
        self.0.get(&used.issuer).is_some_and(|set| set.keys.get(&used.kid) == Some(&used.key))
    }
}

/// OpenID Connect Discovery 1.0 §4, then the keys. The path of RFC 8414 is never tried.
fn fetch(issuer: &str) -> Result<KeySet, String> {
    let bare = issuer.strip_suffix('/').unwrap_or(issuer);
    let metadata = get(&format!("{bare}/.well-known/openid-configuration"))?;
    let said = metadata["issuer"].as_str().ok_or("the metadata have no issuer")?;
    if said.strip_suffix('/').unwrap_or(said) != bare {
        return Err(format!("the metadata are of `{said}`"));
    }
    let set = get(metadata["jwks_uri"].as_str().ok_or("the metadata have no jwks_uri")?)?;
    let keys = read_set(&set)?;
    let is_used = |key: &&Value| key["kid"].as_str().is_some_and(|kid| keys.contains_key(kid));
    let published = set["keys"].as_array().into_iter().flatten().filter(is_used).cloned().collect();
    Ok(KeySet { keys, published, fetched: Instant::now() })
}

fn get(url: &str) -> Result<Value, String> {
    let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
    let answer = send("GET", &url, &[], None).map_err(|error| format!("{url}: {error}"))?;
    if answer.status != 200 {
        return Err(format!("{url}: HTTP {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| format!("{url}: {error}"))
}

/// Reads a key set. One bad RSA key spoils it whole; keys of other kinds are passed over.
pub(super) fn read_set(set: &Value) -> Result<HashMap<String, PublicKey>, String> {
    let mut keys = HashMap::new();
    for key in set["keys"].as_array().ok_or("no array `keys`")? {
        let text = |name: &str| key[name].as_str().filter(|text| !text.is_empty());
        let kind = text("kty").ok_or("a key without `kty`")?;
        let kid = text("kid").ok_or("a key without `kid`")?;
        let bytes = |name| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let public = match (kind, text("crv")) {
            ("RSA", _) => {
                let (Some(modulus), Some(exponent)) = (bytes("n"), bytes("e")) else {
                    return Err(format!("key `{kid}` has no `n` or no `e`"));
                };
                rsa(modulus, exponent).map_err(|why| format!("key `{kid}` {why}"))?
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(bytes("x"), bytes("y"))),
            ("EC", Some("P-384")) => PublicKey::P384(point(bytes("x"), bytes("y"))),
            _ => continue,
        };
        if keys.insert(kid.to_owned(), public).is_some() {
            return Err(format!("two keys are called `{kid}`"));
        }
    }
    Ok(keys)
}

fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<PublicKey, &'static str> {
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    if significant < MODULUS_MIN {
        return Err("is shorter than 2,048 bits");
    }
    let value = exponent.iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? + u64::from(*byte)));
    if value.is_some_and(|value| value < EXPONENT_MIN) {
        return Err("has an exponent below 3");
    }
    Ok(PublicKey::Rsa { modulus, exponent })
}

/// SEC 1 §2.3.3. What is no point on the curve fits no signature.
fn point(x: Option<Vec<u8>>, y: Option<Vec<u8>>) -> Vec<u8> {
    [vec![4], x.unwrap_or_default(), y.unwrap_or_default()].concat()
}

/// Whether `signature` is `key`'s under `algorithm` (RFC 7518 §3.1).
pub(super) fn verify(key: &PublicKey, algorithm: &str, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let rsa = |parameters: &'static RsaParameters, modulus: &Vec<u8>, exponent: &Vec<u8>| {
        RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
    };
    let fits = match (key, algorithm) {
        (PublicKey::Rsa { modulus, exponent }, "RS256") => rsa(&RSA_PKCS1_2048_8192_SHA256, modulus, exponent),
        (PublicKey::Rsa { modulus, exponent }, "RS384") => rsa(&RSA_PKCS1_2048_8192_SHA384, modulus, exponent),
        (PublicKey::Rsa { modulus, exponent }, "RS512") => rsa(&RSA_PKCS1_2048_8192_SHA512, modulus, exponent),
        (PublicKey::Rsa { modulus, exponent }, "PS256") => rsa(&RSA_PSS_2048_8192_SHA256, modulus, exponent),
        (PublicKey::P256(point), "ES256") => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
        }
        (PublicKey::P384(point), "ES384") => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
        }
        _ => return Err(Refusal::WrongKey(algorithm.to_owned())),
    };
    fits.map_err(|_| Refusal::Signature)
}

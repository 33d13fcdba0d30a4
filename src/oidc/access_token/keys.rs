//! A provider's keys as a MongoDB server has them: where it asks, what spoils the whole set, what it passes over.
//!
//! Others are kinder: RFC 8414 has a second address for the metadata, and RFC 7517 does without `kid`. The server's rules
//! are public (`src/mongo/crypto`: `jwks_fetcher_impl`, `jwk_manager`, `jws_validator`). A set that spoils at the server
//! leaves it without any key of this provider.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonCurveType, CoreJsonWebKey};
use openidconnect::{JsonWebKey as _, SignatureVerificationError};
use serde_json::Value;
use url::Url;

use super::flaw::Flaw;
use super::rules::ALGORITHMS;
use crate::http::{Http, is_loopback, shown_url};
use crate::oidc::metadata::{accepted_algorithms, endpoint, get, well_known};
use crate::oidc::token::Clock;
use crate::oidc::{Fault, json};
use crate::ui::foreign;

/// The keys of one issuer, as far as they are known.
pub enum Keys {
    Loaded(KeySet),
    /// The provider has answered, and a server can do nothing with the answer: why.
    Unusable(String),
    /// Nobody knows: why.
    Unknown(String),
}

/// By `kid`, which a server finds keys by.
#[derive(Debug)]
pub struct KeySet(BTreeMap<String, Key>);

#[derive(Debug)]
enum Key {
    Rsa(CoreJsonWebKey),
    /// With the one algorithm of its curve.
    Ec(CoreJsonWebKey, &'static str),
    /// Of a type that the server passes over.
    Unused,
}

/// The least that an RSA key may have: bytes of its modulus, and its exponent.
const MODULUS_MIN: usize = 2048 / 8;
const EXPONENT_MIN: u64 = 3;

/// Asks the issuer for its keys as a server does, in two requests. The clocks are those of its last answer.
pub async fn fetch(http: &Http, issuer: &str) -> (Keys, Option<Clock>) {
    let mut clock = None;
    let keys = load(http, issuer, &mut clock).await;
    (keys.map_or_else(|why| why, Keys::Loaded), clock)
}

async fn load(http: &Http, issuer: &str, clock: &mut Option<Clock>) -> Result<KeySet, Keys> {
    let unusable = |fault: Fault| Keys::Unusable(fault.to_string());
    let [address, _] = well_known(issuer).map_err(unusable)?;
    if address.scheme() != "https" && !is_loopback(&address) {
        return Err(Keys::Unusable(format!("the issuer `{}` does not begin with `https://`", foreign(issuer))));
    }
    let document = ask(http, &address, clock).await?;
    let address = jwks_uri(issuer, &document).map_err(Keys::Unusable)?;
    read(&ask(http, &address, clock).await?).map_err(Keys::Unusable)
}

/// The body of a good answer, if it is JSON. A portal's page is no statement of the provider.
async fn ask(http: &Http, url: &Url, clock: &mut Option<Clock>) -> Result<Vec<u8>, Keys> {
    let answer = get(http, "the address", url).await.map_err(|fault| Keys::Unknown(fault.to_string()))?;
    *clock = Some(answer.clock);
    let answered = || format!("{} answered with status {}", shown_url(url.as_str()), answer.status);
    match answer.status {
        200 => {}
        // Gone, or never there: a server would be told the same.
        400..=407 | 409..=424 | 426..=428 => return Err(Keys::Unusable(answered())),
        _ => return Err(Keys::Unknown(answered())),
    }
    match json::object(&answer.body) {
        Ok(_) => Ok(answer.body),
        Err(why) => Err(Keys::Unknown(format!("the answer of {} cannot be read: {why}", shown_url(url.as_str())))),
    }
}

/// A slash at the end of the issuer is all that may differ here.
fn jwks_uri(issuer: &str, document: &[u8]) -> Result<Url, String> {
    let map = json::object(document)?;
    let bare = |issuer: &str| issuer.strip_suffix('/').unwrap_or(issuer).to_owned();
    let said = map.get("issuer").and_then(Value::as_str);
    if said.map(bare) != Some(bare(issuer)) {
        let said = said.map_or("nothing".to_owned(), |said| format!("`{}`", foreign(said)));
        return Err(format!("the metadata of `{}` have {said} as their `issuer`", foreign(issuer)));
    }
    let url = endpoint(&map, "jwks_uri").map_err(|fault| fault.to_string())?;
    url.ok_or_else(|| "metadata field `jwks_uri`: it is missing".to_owned())
}

/// Reads a key set; the error is what spoils it whole.
fn read(body: &[u8]) -> Result<KeySet, String> {
    let map = json::object(body)?;
    let keys = map.get("keys").and_then(Value::as_array).ok_or("the provider's key set has no list `keys`")?;
    let mut set = BTreeMap::new();
    for key in keys {
        let text = |name: &str| key.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let spoils = |why: &str| format!("one of the provider's keys spoils the set: {why}");
        let kind = text("kty").ok_or_else(|| spoils("it has no `kty`"))?;
        let kid = text("kid").ok_or_else(|| spoils("it has no `kid`"))?;
        let named = |why: &str| spoils(&format!("`{}` {why}", foreign(kid)));
        // Only what the server reads: it does not care for `use`, `alg` or `key_ops`.
        let ec = |curve, algorithm| {
            let (x, y) = (bytes("x").unwrap_or_default(), bytes("y").unwrap_or_default());
            Key::Ec(CoreJsonWebKey::new_ec(x, y, curve, None), algorithm)
        };
        let key = match (kind, text("crv")) {
            ("RSA", _) => {
                let (Some(modulus), Some(exponent)) = (bytes("n"), bytes("e")) else {
                    return Err(named("has no `n` or no `e`"));
                };
                rsa(modulus, exponent).map_err(named)?
            }
            ("EC", Some("P-256")) => ec(CoreJsonCurveType::P256, "ES256"),
            ("EC", Some("P-384")) => ec(CoreJsonCurveType::P384, "ES384"),
            _ => Key::Unused,
        };
        match (set.get(kid), &key) {
            (None | Some(Key::Unused), _) => drop(set.insert(kid.to_owned(), key)),
            (Some(_), Key::Unused) => {}
            (Some(_), _) => return Err(spoils(&format!("two are called `{}`", foreign(kid)))),
        }
    }
    Ok(KeySet(set))
}

fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<Key, &'static str> {
    if modulus.iter().skip_while(|byte| **byte == 0).count() < MODULUS_MIN {
        return Err("is shorter than 2,048 bits");
    }
    // What does not fit in 64 bits is large enough.
    let value = exponent.iter().try_fold(0_u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
    if value.is_some_and(|value| value < EXPONENT_MIN) {
        return Err("has an exponent below 3");
    }
    Ok(Key::Rsa(CoreJsonWebKey::new_rsa(modulus, exponent, None)))
}

/// Why a signature was not found to be good.
#[derive(Debug, PartialEq, Eq)]
pub enum Unverified {
    Wrong(Flaw),
    /// The server may do what this program cannot.
    Unknown(&'static str),
}

impl KeySet {
    /// That there is a key by this name, and one for `algorithm`, if that is one that servers know.
    pub fn check(&self, kid: &str, algorithm: &str) -> Result<(), Flaw> {
        let key = self.0.get(kid).ok_or_else(|| Flaw::UnknownKey(kid.to_owned()))?;
        let fits = match key {
            Key::Unused => return Err(Flaw::UnusedKey(kid.to_owned())),
            Key::Rsa(_) => algorithm.starts_with("RS") || algorithm.starts_with("PS"),
            Key::Ec(_, only) => algorithm == *only,
        };
        let is_known = ALGORITHMS.contains(&algorithm);
        if fits || !is_known { Ok(()) } else { Err(Flaw::WrongKey(algorithm.to_owned())) }
    }

    /// That `signature` of `message` is that of the key, which [`Self::check`] has found to be there.
    pub fn verify(&self, kid: &str, algorithm: &str, message: &[u8], signature: &[u8]) -> Result<(), Unverified> {
        let wrong = Unverified::Wrong(Flaw::Signature);
        let (Some(Key::Rsa(key) | Key::Ec(key, _)), Some((_, algorithm))) =
            (self.0.get(kid), accepted_algorithms().into_iter().find(|(name, _)| *name == algorithm))
        else {
            return Err(wrong);
        };
        match key.verify_signature(&algorithm, message, signature) {
            Ok(()) => Ok(()),
            // The library's limit; servers verify with OpenSSL, which has another.
            Err(SignatureVerificationError::InvalidKey(_)) if matches!(self.0.get(kid), Some(Key::Rsa(_))) => {
                Err(Unverified::Unknown("this program verifies with RSA keys of up to 4,096 bits only"))
            }
            Err(_) => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa_key(kid: &str, bits: usize) -> Value {
        json!({ "kty": "RSA", "kid": kid, "n": URL_SAFE_NO_PAD.encode(vec![0xff; bits / 8]), "e": "AQAB" })
    }

    fn but(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn verdict(keys: &Value) -> Result<Vec<String>, String> {
        read(json!({ "keys": keys }).to_string().as_bytes()).map(|set| set.0.into_keys().collect())
    }

    #[test]
    fn one_bad_key_spoils_the_set_and_strangers_are_passed_over() {
        let rsa = || rsa_key("1", 2048);
        for (keys, why) in [
            (json!([but(rsa(), "kid", json!(""))]), "it has no `kid`"),
            (json!([but(rsa(), "kid", json!(7))]), "it has no `kid`"),
            (json!([rsa(), { "kty": "oct" }]), "it has no `kid`"),
            (json!([rsa(), { "kid": "2" }]), "it has no `kty`"),
            (json!([rsa(), 7]), "it has no `kty`"),
            (json!([rsa(), rsa()]), "two are called `1`"),
            (json!([but(rsa(), "n", json!("?"))]), "`1` has no `n` or no `e`"),
            (json!([rsa_key("1", 2040)]), "`1` is shorter than 2,048 bits"),
            (json!([but(rsa(), "e", json!("AQ"))]), "`1` has an exponent below 3"),
        ] {
            assert_eq!(verdict(&keys), Err(format!("one of the provider's keys spoils the set: {why}")), "{keys}");
        }
        // A modulus is as long as it is without its leading zeros.
        let padded = [vec![0; 8], vec![0xff; 248]].concat();
        let padded = but(rsa(), "n", json!(URL_SAFE_NO_PAD.encode(padded)));
        assert!(verdict(&json!([padded])).unwrap_err().ends_with("shorter than 2,048 bits"));
        let stranger = json!({ "kty": "OKP", "kid": "x" });
        for keys in [
            json!([]),
            json!([rsa(), stranger, stranger]),
            json!([but(rsa(), "use", json!("enc"))]),
            json!([but(rsa(), "e", json!("Aw"))]),
            json!([but(rsa(), "e", json!(URL_SAFE_NO_PAD.encode([0xff; 9])))]),
            json!([rsa(), { "kty": "EC", "crv": "P-521", "kid": "y" }]),
        ] {
            assert!(verdict(&keys).is_ok(), "{keys}");
        }
        assert_eq!(read(b"{}").unwrap_err(), "the provider's key set has no list `keys`");
    }

    #[test]
    fn a_key_is_for_its_own_algorithms() {
        let point = URL_SAFE_NO_PAD.encode([1; 32]);
        let ec = json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "x": point, "y": point });
        let keys = json!({ "keys": [rsa_key("rsa", 2048), ec, { "kty": "OKP", "kid": "ed" }] });
        let set = read(keys.to_string().as_bytes()).unwrap();
        for (kid, algorithm, expected) in [
            ("rsa", "RS256", Ok(())),
            ("rsa", "PS256", Ok(())),
            ("rsa", "ES256", Err(Flaw::WrongKey("ES256".into()))),
            ("ec", "ES256", Ok(())),
            ("ec", "ES384", Err(Flaw::WrongKey("ES384".into()))),
            ("ec", "RS256", Err(Flaw::WrongKey("RS256".into()))),
            // Its algorithm is refused by a rule of its own.
            ("rsa", "HS256", Ok(())),
            ("ed", "RS256", Err(Flaw::UnusedKey("ed".into()))),
            ("gone", "RS256", Err(Flaw::UnknownKey("gone".into()))),
        ] {
            assert_eq!(set.check(kid, algorithm), expected, "{kid} {algorithm}");
        }
        // A point off the curve fits no signature; a key that is too large for us may fit at the server.
        assert_eq!(set.verify("ec", "ES256", b"m", &[1; 64]), Err(Unverified::Wrong(Flaw::Signature)));
        assert_eq!(set.verify("rsa", "RS256", b"m", &[1; 256]), Err(Unverified::Wrong(Flaw::Signature)));
        let large = read(json!({ "keys": [rsa_key("1", 8192)] }).to_string().as_bytes()).unwrap();
        assert!(matches!(large.verify("1", "RS256", b"m", &[1; 1024]), Err(Unverified::Unknown(_))));
    }

    #[test]
    fn metadata_are_read_as_the_server_reads_them() {
        let good = json!({ "issuer": "https://a.example", "jwks_uri": "https://a.example/keys" });
        for (issuer, patch, expected) in [
            ("https://a.example", json!({}), None),
            ("https://a.example/", json!({}), None),
            (
                "https://a.example",
                json!({ "issuer": "https://b.example" }),
                Some("the metadata of `https://a.example` have `https://b.example` as their `issuer`"),
            ),
            (
                "https://a.example",
                json!({ "issuer": null }),
                Some("the metadata of `https://a.example` have nothing as their `issuer`"),
            ),
            ("https://a.example", json!({ "jwks_uri": null }), Some("metadata field `jwks_uri`: it is missing")),
            (
                "https://a.example",
                json!({ "jwks_uri": "http://a.example/keys" }),
                Some("metadata field `jwks_uri`: `http://a.example/keys` does not begin with `https://`"),
            ),
        ] {
            let mut document = good.clone();
            document.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            let verdict = jwks_uri(issuer, document.to_string().as_bytes());
            assert_eq!(verdict.err().as_deref(), expected, "{issuer} {patch}");
        }
    }
}

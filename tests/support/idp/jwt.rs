//! Keys, and JWTs signed by hand: a library would refuse to make most of the bad ones that the tests need.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::behaviour::Minting;

/// One of the fixed test keys. Making RSA keys in a debug build takes seconds; reading them takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    First,
    /// For key rollover, and for tokens signed by somebody else.
    Second,
    /// 1,024 bits: a signature by it is valid, and must be refused all the same.
    Short,
}

/// How a JWT's signature comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// RS256 with the key that the JWKS publishes.
    #[default]
    Rs256,
    /// RS256 with another key, under the published key's `kid`.
    WrongKey,
    /// `alg: none`, empty signature.
    None,
    /// `alg: HS256` with the public key's PEM as the secret: the classic confusion.
    Hs256WithPublicKey,
    /// One bit of a good signature is flipped.
    Damaged,
}

impl Key {
    pub fn kid(self) -> &'static str {
        match self {
            Self::First => "test-key-1",
            Self::Second => "test-key-2",
            Self::Short => "test-key-short",
        }
    }

    /// The public half as a JWK (RFC 7517).
    pub fn jwk(self) -> Value {
        let key = self.private();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(),
            "n": encode(&key.n().to_bytes_be()), "e": encode(&key.e().to_bytes_be()),
        })
    }

    /// The private half, PKCS #8 in PEM.
    pub fn pem(self) -> &'static str {
        let file = match self {
            Self::First => include_str!("keys/first.pem"),
            Self::Second => include_str!("keys/second.pem"),
            Self::Short => include_str!("keys/short.pem"),
        };
        &file[file.find("-----BEGIN").unwrap()..]
    }

    fn private(self) -> &'static RsaPrivateKey {
        static KEYS: [OnceLock<RsaPrivateKey>; 3] = [const { OnceLock::new() }; 3];
        let slot = match self {
            Self::First => 0,
            Self::Second => 1,
            Self::Short => 2,
        };
        KEYS[slot].get_or_init(|| RsaPrivateKey::from_pkcs8_pem(self.pem()).unwrap())
    }

    pub(super) fn public(self) -> RsaPublicKey {
        self.private().to_public_key()
    }

    /// The claims of `token`, if this key has signed it with RS256 and its header names this `kid`.
    pub fn verify(self, token: &str) -> Result<Value, String> {
        let (message, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
        let (head, body) = message.split_once('.').ok_or("not a JWT")?;
        let read = |part: &str| -> Result<Value, &str> {
            serde_json::from_slice(&decode(part).ok_or("not base64url")?).map_err(|_| "not JSON")
        };
        let (header, claims) = (read(head)?, read(body)?);
        if header["alg"] != "RS256" || header["kid"] != self.kid() {
            return Err(format!("alg {} and kid {}", header["alg"], header["kid"]));
        }
        let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
        let signature = decode(signature).ok_or("the signature is not base64url")?;
        let verified = self.public().verify(scheme, &Sha256::digest(message), &signature);
        verified.map(|()| claims).map_err(|_| "the signature is wrong".to_owned())
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
        self.private().sign(scheme, &Sha256::digest(message)).unwrap()
    }
}

/// DigestInfo of SHA-256, RFC 8017 §9.2 note 1.
pub(super) const SHA256_PREFIX: [u8; 19] = [48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];

/// A JWT of `claims`, signed with RS256, with this key's `kid`.
pub fn sign(key: Key, claims: &Value) -> String {
    assertion(key, &json!({ "alg": "RS256", "typ": "JWT", "kid": key.kid() }), claims)
}

/// `bytes` random bytes as base64url.
pub fn random(bytes: usize) -> String {
    super::state::random(bytes)
}

/// Makes a token of `claims` as `minting` wants it, signed with `key`. `typ` is the header's `typ`.
pub(super) fn mint(key: Key, typ: &str, claims: Value, minting: &Minting) -> String {
    if let Some(instead) = &minting.instead {
        return instead.clone();
    }
    let algorithm = match minting.signing {
        Signing::None => "none",
        Signing::Hs256WithPublicKey => "HS256",
        Signing::Rs256 | Signing::WrongKey | Signing::Damaged => "RS256",
    };
    let header = minting.header.apply(json!({ "alg": algorithm, "kid": key.kid(), "typ": typ }));
    let claims = minting.claims.apply(claims);
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = match minting.signing {
        Signing::Rs256 => key.sign(message.as_bytes()),
        Signing::WrongKey => {
            let other = if key == Key::Second { Key::First } else { Key::Second };
            other.sign(message.as_bytes())
        }
        Signing::None => Vec::new(),
        Signing::Hs256WithPublicKey => {
            let pem = key.private().to_public_key().to_public_key_pem(rsa::pkcs8::LineEnding::LF).unwrap();
            hmac_sha256(pem.as_bytes(), message.as_bytes())
        }
        Signing::Damaged => {
            let mut signature = key.sign(message.as_bytes());
            signature[100] ^= 1;
            signature
        }
    };
    format!("{message}.{}", encode(&signature))
}

/// The claims of a JWT, unverified: for tests that look at what a client was given.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The same, `None` for what is no JWT.
pub fn unverified_claims(token: &str) -> Option<Value> {
    serde_json::from_slice(&decode(token.split('.').nth(1)?)?).ok()
}

/// The header of a JWT.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap_or_else(|| panic!("not a JWT: `{token}`"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// `at_hash` (OIDC Core §3.1.3.6) of an access token, for RS256.
pub(super) fn at_hash(access_token: &str) -> String {
    encode(&Sha256::digest(access_token)[..16])
}

pub(super) fn s256(verifier: &str) -> String {
    encode(&Sha256::digest(verifier))
}

/// A client assertion with any header and claims, signed in RS256 by this key.
pub fn assertion(key: Key, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = key.sign(message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

pub(super) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 2104, for keys of any length.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

//! How a client proves itself with a key: a JWT that it signs for each request (RFC 7523 §2.2, §3; OIDC Core §9,
//! `private_key_jwt`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use super::Fault;
use crate::secret::Secret;

/// The type that goes beside an assertion (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good for, in seconds. Auth0 takes no more, and one that is stolen is of use for no longer.
const LIFETIME: u64 = 300;

/// A client's RSA key, and how the provider finds its public half.
#[derive(Debug)]
pub struct ClientKey {
    key: Arc<dyn SigningKey>,
    /// `kid`
    key_id: Option<String>,
    /// `x5t#S256`: SHA-256 of the certificate, base64url (RFC 7515 §4.1.8).
    thumbprint: Option<String>,
}

/// Why a key or a certificate is of no use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("holds no private key in PEM that is not encrypted")]
    NoKey,
    #[error("holds no RSA key of 2,048 to 8,192 bits")]
    NotRsa,
    #[error("holds no certificate in PEM")]
    NoCertificate,
    #[error("holds the certificate of another key")]
    OtherKey,
}

impl BadKey {
    /// Whether it is the certificate's fault.
    pub fn is_of_certificate(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::OtherKey)
    }
}

/// RSA with SHA-256, in both paddings (RFC 7518 §3.3, §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Ps256,
    Rs256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Self::Ps256 => SignatureScheme::RSA_PSS_SHA256,
            Self::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
        }
    }
}

/// What an assertion says.
pub struct Claims<'a> {
    pub client_id: &'a str,
    /// Whom it is for.
    pub audience: &'a str,
    /// Seconds since 1970.
    pub now: u64,
    /// Never used before (RFC 7523 §3 point 7).
    pub id: &'a Secret,
}

impl ClientKey {
    /// Reads a key, and its certificate where the provider knows the key by that.
    pub fn read(key: &[u8], certificate: Option<&[u8]>, key_id: Option<&str>) -> Result<Self, BadKey> {
        let mut der = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadKey::NoKey)?;
        let key = any_supported_type(&der);
        der.zeroize();
        let key = key.map_err(|_| BadKey::NotRsa)?;
        if key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).is_none() {
            return Err(BadKey::NotRsa);
        }
        let thumbprint = match certificate {
            None => None,
            Some(pem) => {
                let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| BadKey::NoCertificate)?;
                let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
                // A provider would answer to it as to a wrong signature.
                match CertifiedKey::new(vec![certificate], Arc::clone(&key)).keys_match() {
                    Ok(()) => Some(thumbprint),
                    Err(rustls::Error::InconsistentKeys(_)) => return Err(BadKey::OtherKey),
                    Err(_) => return Err(BadKey::NoCertificate),
                }
            }
        };
        Ok(Self { key, key_id: key_id.map(str::to_owned), thumbprint })
    }

    /// A signed assertion. `offered` are the algorithms that the provider says it takes, if it does.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where it takes neither of ours.
    pub fn assertion(&self, claims: &Claims<'_>, offered: Option<&[String]>) -> Result<Secret, Fault> {
        let payload = json!({
            "iss": claims.client_id,
            "sub": claims.client_id,
            "aud": claims.audience,
            "jti": claims.id.expose(),
            "iat": claims.now,
            "exp": claims.now + LIFETIME,
        });
        self.sign(self.algorithm(offered)?, &payload)
    }

    /// A JWT with claims of the caller's, for those who take RS256 and nothing else.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where the key cannot sign so.
    pub fn sign_rs256(&self, claims: &Value) -> Result<Secret, Fault> {
        self.sign(Algorithm::Rs256, claims)
    }

    fn sign(&self, algorithm: Algorithm, claims: &Value) -> Result<Secret, Fault> {
        let fixed = [("alg", Some(algorithm.name())), ("typ", Some("JWT"))];
        let known_by = [("kid", self.key_id.as_deref()), ("x5t#S256", self.thumbprint.as_deref())];
        let fields = fixed.into_iter().chain(known_by);
        let header: Map<_, _> = fields.filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&Value::Object(header)), part(claims));
        let failed = || Fault::unsupported("the client key", format!("it cannot sign with {}", algorithm.name()));
        let signer = self.key.choose_scheme(&[algorithm.scheme()]).ok_or_else(failed)?;
        let signature = signer.sign(message.as_bytes()).map_err(|_| failed())?;
        Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }

    /// Where the provider does not say: RS256, which OIDC Core §15.1 has all of them take; PS256 beside a thumbprint, which
    /// is Entra ID's way, and Entra ID does not say.
    fn algorithm(&self, offered: Option<&[String]>) -> Result<Algorithm, Fault> {
        match offered {
            Some(offered) => best_of(offered),
            None if self.thumbprint.is_some() => Ok(Algorithm::Ps256),
            None => Ok(Algorithm::Rs256),
        }
    }
}

/// The better one of ours that a provider takes. `offered`: `token_endpoint_auth_signing_alg_values_supported`.
fn best_of(offered: &[String]) -> Result<Algorithm, Fault> {
    let ours = [Algorithm::Ps256, Algorithm::Rs256];
    ours.into_iter().find(|ours| offered.iter().any(|name| name == ours.name())).ok_or_else(|| {
        Fault::unsupported(
            "metadata field `token_endpoint_auth_signing_alg_values_supported`",
            "the provider takes neither PS256 nor RS256 from clients",
        )
    })
}

/// That a provider takes an algorithm of ours.
///
/// # Errors
/// As [`ClientKey::assertion`].
pub fn check_algorithms(offered: &[String]) -> Result<(), Fault> {
    best_of(offered).map(drop)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn rsa() -> KeyPair {
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
    }

    fn certificate(key: &KeyPair) -> String {
        CertificateParams::new(vec!["client.example.com".to_owned()]).unwrap().self_signed(key).unwrap().pem()
    }

    fn part(assertion: &Secret, index: usize) -> Value {
        let part = assertion.expose().split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    fn sign(key: &ClientKey, offered: Option<&[&str]>) -> Result<Secret, Fault> {
        let offered = offered.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let id = Secret::new("unique");
        let claims = Claims { client_id: "c", audience: "https://idp.example.com/token", now: 1000, id: &id };
        key.assertion(&claims, offered.as_deref())
    }

    #[test]
    fn an_assertion_says_who_for_whom_and_for_how_long() {
        let key = ClientKey::read(rsa().serialize_pem().as_bytes(), None, Some("key-1")).unwrap();
        let assertion = sign(&key, None).unwrap();
        assert_eq!(part(&assertion, 0), json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
        let claims = json!({
            "iss": "c", "sub": "c", "aud": "https://idp.example.com/token", "jti": "unique", "iat": 1000, "exp": 1300,
        });
        assert_eq!(part(&assertion, 1), claims);
    }

    #[test]
    fn the_provider_s_list_decides_and_without_one_what_is_usual() {
        let pair = rsa();
        let plain = ClientKey::read(pair.serialize_pem().as_bytes(), None, None).unwrap();
        let pem = certificate(&pair);
        let known = ClientKey::read(pair.serialize_pem().as_bytes(), Some(pem.as_bytes()), None).unwrap();
        type Row<'a> = (&'a ClientKey, Option<&'a [&'a str]>, Option<&'a str>);
        let rows: [Row<'_>; 6] = [
            (&plain, None, Some("RS256")),
            (&known, None, Some("PS256")),
            (&plain, Some(&["ES256", "RS256", "PS256"]), Some("PS256")),
            (&known, Some(&["RS256"]), Some("RS256")),
            (&plain, Some(&["ES256", "HS256", "none"]), None),
            (&plain, Some(&[]), None),
        ];
        for (key, offered, expected) in rows {
            let algorithm = sign(key, offered).ok().map(|assertion| part(&assertion, 0)["alg"].clone());
            assert_eq!(algorithm.as_ref().and_then(Value::as_str), expected, "{offered:?}");
        }
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let header = part(&sign(&known, None).unwrap(), 0);
        assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(Sha256::digest(&der)));
        assert!(header.get("kid").is_none(), "{header}");
    }

    #[test]
    fn what_is_no_key_of_ours_is_named() {
        let (good, other) = (rsa(), rsa());
        let good_pem = good.serialize_pem();
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let encrypted = good_pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let damaged = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let other = certificate(&other);
        let rows: [(&str, Option<&str>, BadKey); 8] = [
            ("", None, BadKey::NoKey),
            ("nonsense", None, BadKey::NoKey),
            (&encrypted, None, BadKey::NoKey),
            (&certificate(&good), None, BadKey::NoKey),
            (&ec, None, BadKey::NotRsa),
            (damaged, None, BadKey::NotRsa),
            (&good_pem, Some("nonsense"), BadKey::NoCertificate),
            (&good_pem, Some(&other), BadKey::OtherKey),
        ];
        for (key, certificate, expected) in rows {
            let refused = ClientKey::read(key.as_bytes(), certificate.map(str::as_bytes), None).unwrap_err();
            assert_eq!(refused, expected, "{key:.40}");
        }
    }
}

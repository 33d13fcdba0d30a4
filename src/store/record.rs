//! What is kept of a session, and its text form. Secrets go in and out by hand, because [`Secret`] has no `Serialize`.

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::trouble::Trouble;
use super::versioned;
use crate::secret::Secret;

/// A signed-in session: all that is needed to renew the access token and to sign out.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionRecord {
    /// Counts the writes of this session; whoever holds an older number has been overtaken.
    pub generation: u64,
    #[serde(default, deserialize_with = "secret_or_none")]
    pub refresh_token: Option<Secret>,
    #[serde(default, deserialize_with = "secret_or_none")]
    pub id_token: Option<Secret>,
    pub issuer: String,
    pub client_id: String,
    pub audience: String,
    pub granted_scopes: Vec<String>,
    /// `sub` of the ID token: must not change when the session is renewed (OIDC Core §12.2).
    pub subject: String,
    /// What the person calls themselves, for messages only.
    pub name: Option<String>,
    /// `aud` of the ID token: must not change when the session is renewed (OIDC Core §12.2).
    pub id_token_audience: Vec<String>,
    /// Unix seconds.
    pub signed_in_at: u64,
    /// Unix seconds.
    pub renewed_at: u64,
    pub endpoints: Endpoints,
}

/// The provider's endpoints as last seen, so that renewing needs no discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    pub token: String,
    pub revocation: Option<String>,
    pub end_session: Option<String>,
    /// How the token endpoint wants a client secret, if there is one: in the body, or as Basic authentication.
    #[serde(default)]
    pub client_secret_in_body: bool,
    /// Unix seconds.
    pub fetched_at: u64,
}

impl SessionRecord {
    /// The stored form.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        #[derive(Serialize)]
        struct Written<'a> {
            generation: u64,
            refresh_token: Option<&'a str>,
            id_token: Option<&'a str>,
            issuer: &'a str,
            client_id: &'a str,
            audience: &'a str,
            granted_scopes: &'a [String],
            subject: &'a str,
            name: Option<&'a str>,
            id_token_audience: &'a [String],
            signed_in_at: u64,
            renewed_at: u64,
            endpoints: &'a Endpoints,
        }
        let refresh_token = self.refresh_token.as_ref().map(Secret::expose);
        let id_token = self.id_token.as_ref().map(Secret::expose);
        let secrets = [refresh_token, id_token].iter().flatten().map(|text| text.len()).sum();
        versioned::write(
            &Written {
                generation: self.generation,
                refresh_token,
                id_token,
                issuer: &self.issuer,
                client_id: &self.client_id,
                audience: &self.audience,
                granted_scopes: &self.granted_scopes,
                subject: &self.subject,
                name: self.name.as_deref(),
                id_token_audience: &self.id_token_audience,
                signed_in_at: self.signed_in_at,
                renewed_at: self.renewed_at,
                endpoints: &self.endpoints,
            },
            secrets,
        )
    }

    /// Reads the stored form. `item` names the place in errors.
    pub(super) fn from_bytes(item: &str, bytes: &[u8]) -> Result<Self, Trouble> {
        versioned::read(item, bytes)
    }
}

/// An access token that can be handed out, and what must be known to decide whether to.
#[derive(Clone, Debug, Deserialize)]
pub struct CachedToken {
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// Unix seconds.
    pub expires_at: u64,
    /// Unix seconds.
    pub issued_at: u64,
    /// [`SessionRecord::generation`] of the session that it belongs to.
    pub generation: u64,
    pub issuer: String,
    pub client_id: String,
    pub audience: String,
    pub subject: String,
    pub scopes: Vec<String>,
}

impl CachedToken {
    /// The stored form.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        #[derive(Serialize)]
        struct Written<'a> {
            token: &'a str,
            expires_at: u64,
            issued_at: u64,
            generation: u64,
            issuer: &'a str,
            client_id: &'a str,
            audience: &'a str,
            subject: &'a str,
            scopes: &'a [String],
        }
        versioned::write(
            &Written {
                token: self.token.expose(),
                expires_at: self.expires_at,
                issued_at: self.issued_at,
                generation: self.generation,
                issuer: &self.issuer,
                client_id: &self.client_id,
                audience: &self.audience,
                subject: &self.subject,
                scopes: &self.scopes,
            },
            self.token.expose().len(),
        )
    }

    /// Reads the stored form in one pass. It is only a cache: what cannot be read is not there.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        versioned::read_cached(bytes)
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

fn secret_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn record(generation: u64, refresh_token: &str) -> SessionRecord {
        SessionRecord {
            generation,
            refresh_token: Some(Secret::new(refresh_token)),
            id_token: Some(Secret::new("eyJ.id.token")),
            issuer: "https://login.example.com".into(),
            client_id: "0oa1".into(),
            audience: "0oa1".into(),
            granted_scopes: vec!["openid".into()],
            subject: "00u1".into(),
            name: Some("ada@example.com \"\u{e9}".into()),
            id_token_audience: vec!["0oa1".into()],
            signed_in_at: 1_700_000_000,
            renewed_at: 1_700_000_001,
            endpoints: Endpoints {
                token: "https://login.example.com/token".into(),
                revocation: None,
                end_session: Some("https://login.example.com/bye".into()),
                client_secret_in_body: false,
                fetched_at: 1_700_000_000,
            },
        }
    }

    pub(crate) fn cached(token: &str, expires_at: u64) -> CachedToken {
        CachedToken {
            token: Secret::new(token),
            expires_at,
            issued_at: 1_700_000_000,
            generation: 3,
            issuer: "https://login.example.com".into(),
            client_id: "0oa1".into(),
            audience: "0oa1".into(),
            subject: "00u1".into(),
            scopes: vec!["openid".into()],
        }
    }

    #[test]
    fn a_record_survives_the_round() {
        for record in [record(7, "rt-\"quoted\"\n"), SessionRecord { refresh_token: None, name: None, ..record(8, "") }]
        {
            let bytes = record.to_bytes().unwrap();
            let again = SessionRecord::from_bytes("x", &bytes).unwrap();
            assert_eq!(*again.to_bytes().unwrap(), *bytes);
            assert_eq!(
                again.refresh_token.map(|t| t.expose().to_owned()),
                record.refresh_token.map(|t| t.expose().to_owned())
            );
            assert_eq!((again.subject, again.name, again.endpoints), (record.subject, record.name, record.endpoints));
        }
    }

    #[test]
    fn a_cached_token_survives_the_round_and_anything_else_is_not_there() {
        let bytes = cached("eyJ.a.b", 9).to_bytes().unwrap();
        let again = CachedToken::from_bytes(&bytes).unwrap();
        assert_eq!(again.token.expose(), "eyJ.a.b");
        assert_eq!(*again.to_bytes().unwrap(), *bytes);
        for end in 0..bytes.len() {
            assert!(CachedToken::from_bytes(&bytes[..end]).is_none(), "cut at {end}");
        }
        let newer = String::from_utf8(bytes.to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
        assert!(CachedToken::from_bytes(newer.as_bytes()).is_none());
    }

    #[test]
    fn damage_is_told_without_quoting_the_secret() {
        let whole = record(1, "hunter2-hunter2").to_bytes().unwrap();
        let whole = std::str::from_utf8(&whole).unwrap();
        let swapped = whole.replacen("\"generation\":1", "\"generation\":\"hunter2-hunter2\"", 1);
        let unversioned = whole.replacen("\"v\":1,", "", 1);
        let zero = whole.replacen("\"v\":1,", "\"v\":0,", 1);
        for damaged in ["", "{", "[]", "hunter2-hunter2", &whole[..whole.len() - 1], &swapped, &unversioned, &zero] {
            let trouble = SessionRecord::from_bytes("keyring item x", damaged.as_bytes()).unwrap_err();
            assert!(matches!(trouble, Trouble::Damaged { .. }), "{trouble:?}");
            assert!(!format!("{trouble:?}").contains("hunter2"), "{trouble:?}");
        }
    }

    #[test]
    fn a_later_version_is_refused_as_such_whatever_else_it_holds() {
        for newer in [r#"{"v":2}"#, r#"{"anything":[1],"v":99}"#] {
            let trouble = SessionRecord::from_bytes("x", newer.as_bytes()).unwrap_err();
            assert!(matches!(trouble, Trouble::Newer { .. }), "{trouble:?}");
        }
    }
}

//! Strict reading of OAuth parameters: each once (RFC 6749 §3.1), each known, none that belongs elsewhere.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::answer::Refusal;

/// The parameters of one request, in order.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

/// What must not be in a URL, ever: it ends in histories, proxies' logs and `Referer` headers.
const SECRETS: [&str; 9] = [
    "client_secret",
    "client_assertion",
    "code",
    "code_verifier",
    "refresh_token",
    "access_token",
    "device_code",
    "token",
    "id_token_hint",
];

impl Parameters {
    /// Reads a query or a form body. A parameter without a value counts as left out; each is there once, but for those of
    /// `may_repeat`.
    pub fn parse(text: &[u8], may_repeat: &[&str]) -> Result<Self, String> {
        let mut list: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err("a parameter is not UTF-8".to_owned());
            }
            if !may_repeat.contains(&name.as_ref()) && list.iter().any(|(known, _)| *known == name) {
                return Err(format!("`{name}` is there twice"));
            }
            list.push((name.into_owned(), value.into_owned()));
        }
        list.retain(|(_, value)| !value.is_empty());
        Ok(Self(list))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// The space-separated words of a parameter.
    pub fn words(&self, name: &str) -> Vec<String> {
        self.get(name).map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Refuses a parameter that is in neither list.
    pub fn only(&self, known: &[&str], also: &[String]) -> Result<(), Refusal> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str()) && !also.contains(name)) {
            Some((name, _)) => Err(("invalid_request", format!("`{name}` does not belong here"))),
            None => Ok(()),
        }
    }

    /// The parameters for the log: secrets become a short digest, so that two requests can still be compared.
    pub fn for_log(&self) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::new();
        for (name, value) in &self.0 {
            let value = if SECRETS.contains(&name.as_str()) { veil(value) } else { value.clone() };
            shown.entry(name.clone()).and_modify(|all: &mut String| *all = format!("{all} {value}")).or_insert(value);
        }
        shown
    }
}

/// A secret's stand-in: `[secret 1a2b3c4d]`, the same for the same secret.
pub fn veil(secret: &str) -> String {
    let digest: String = Sha256::digest(secret).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("[secret {digest}]")
}

//! From what people have at hand (a tenant's id, a domain, a realm) to an issuer, and what is wrong with one.
//!
//! Nobody is asked: whether the issuer exists is found out from the provider's metadata.

use std::fmt;

use url::Url;

use super::Vendor;
use super::recipe::fill;
use crate::http::is_loopback;
use crate::ui::foreign;

/// What issuers of a product look like.
#[derive(Debug)]
pub struct Issuers {
    /// With a place for each of the pieces; `None` if it cannot be made of anything.
    pub template: Option<&'static str>,
    /// Where an issuer is found, for those who want to copy it.
    pub place: &'static str,
    pub pieces: &'static [Piece],
    /// What it has to look like, beyond being one: as it is written, and as a URL.
    pub judge: fn(&str, &Url) -> Result<(), Flaw>,
}

impl Issuers {
    /// The one that everybody has.
    pub fn only(&self) -> Option<&'static str> {
        self.template.filter(|_| self.pieces.is_empty())
    }
}

/// One of the things that an issuer is made of.
#[derive(Debug)]
pub struct Piece {
    /// Its flag; without the dashes, its place in [`Issuers::template`].
    pub flag: &'static str,
    /// As the vendor's console calls it.
    pub name: &'static str,
    /// Where it is found.
    pub place: &'static str,
    pub default: Option<&'static str>,
    /// What was typed, in the form that the issuer has it.
    pub read: fn(&str) -> Result<String, Flaw>,
}

/// Why a value is refused: the rest of a sentence that starts with its flag, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub why: String,
    pub instead: Option<String>,
}

impl Flaw {
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), instead: None }
    }

    /// `words` are a flag and its value, or a whole command.
    pub fn instead(self, words: impl Into<String>) -> Self {
        Self { instead: Some(words.into()), ..self }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        match &self.instead {
            Some(instead) => write!(f, "; meant is perhaps `{}`", foreign(instead)),
            None => Ok(()),
        }
    }
}

/// An issuer, and what was made of what to get it; `None` if it is as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub issuer: String,
    pub made_of: Option<String>,
}

/// What stands behind an issuer where discovery documents lie (OIDC Discovery §4, RFC 8414 §3). Consoles show this address
/// more often than the issuer.
const DOCUMENTS: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Judges an issuer that was given as such. Whether it is one at all is for its setting to say.
pub fn read(vendor: Vendor, text: &str) -> Result<Issuer, Flaw> {
    let document = DOCUMENTS.iter().find_map(|document| text.strip_suffix(document));
    let issuer = document.unwrap_or(text);
    let url = Url::parse(issuer).map_err(|_| Flaw::new("is not a URL such as `https://login.example.com`"))?;
    let whose = Vendor::of(issuer);
    if vendor != Vendor::Generic && whose != Vendor::Generic && whose != vendor {
        return Err(Flaw::new(format!("is an issuer of {}, not of {}", whose.product(), vendor.product()))
            .instead(whose.setup()));
    }
    (vendor.issuers().judge)(issuer, &url)?;
    let made_of = document.map(|_| "the address of its discovery document".to_owned());
    Ok(Issuer { issuer: issuer.to_owned(), made_of })
}

/// Makes an issuer of the pieces that are given by flag; `None` if none is. Where some are, the others have to be, too,
/// unless they have a default.
///
/// # Errors
/// The flag that is to blame, and why.
pub fn make(vendor: Vendor, given: &[(&'static str, &str)]) -> Result<Option<Issuer>, (&'static str, Flaw)> {
    let issuers = vendor.issuers();
    let is_ours = |flag: &str| issuers.pieces.iter().any(|piece| piece.flag == flag);
    if let Some((flag, _)) = given.iter().find(|(flag, _)| !is_ours(flag)) {
        let takes = match issuers.pieces {
            [] => "`--issuer` alone".to_owned(),
            pieces => pieces.iter().map(|piece| format!("`{}`", piece.flag)).collect::<Vec<_>>().join(" and "),
        };
        return Err((flag, Flaw::new(format!("says nothing of {}, which takes {takes}", vendor.product()))));
    }
    let Some(template) = issuers.template else { return Ok(None) };
    if given.is_empty() && !issuers.pieces.is_empty() {
        return Ok(None);
    }
    let mut values: Vec<(&str, String)> = Vec::new();
    for piece in issuers.pieces {
        let text = given.iter().find(|(flag, _)| *flag == piece.flag).map(|(_, text)| *text).or(piece.default);
        let Some(text) = text else {
            return Err((piece.flag, Flaw::new(format!("is missing: {}, from {}", piece.name, piece.place))));
        };
        values.push((piece.flag, (piece.read)(text).map_err(|flaw| (piece.flag, flaw))?));
    }
    let places: Vec<(&str, &str)> =
        values.iter().map(|(flag, value)| (flag.trim_start_matches('-'), value.as_str())).collect();
    let made_of = values.iter().map(|(flag, value)| format!("`{flag} {value}`")).collect::<Vec<_>>().join(" and ");
    Ok(Some(Issuer { issuer: fill(template, &places), made_of: (!made_of.is_empty()).then_some(made_of) }))
}

/// A UUID, as directories number tenants and environments; in lower case, as issuers have it.
pub fn guid(text: &str) -> Result<String, Flaw> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    if groups != [8, 4, 4, 4, 12] || !text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(Flaw::new("must be an id such as `11111111-2222-3333-4444-555555555555`"));
    }
    Ok(text.to_ascii_lowercase())
}

/// A name that is one segment of an address as it is.
pub fn identifier(text: &str) -> Result<String, Flaw> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if text.is_empty() || matches!(text, "." | "..") || !text.bytes().all(plain) {
        return Err(Flaw::new("must be letters, digits and `-._~`; give `--issuer` in its place if it is not"));
    }
    Ok(text.to_owned())
}

/// A domain; an address of something on it, as it is copied from a browser, will do.
pub fn host(text: &str) -> Result<String, Flaw> {
    let flaw = || Flaw::new("must be a domain such as `login.example.com`");
    let address = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&address).map_err(|_| flaw())?;
    let plain = url.username().is_empty() && url.port().is_none() && url.scheme() == "https";
    match url.domain() {
        Some(domain) if plain && domain.contains('.') => Ok(domain.to_owned()),
        _ => Err(flaw()),
    }
}

/// The address in front of an issuer's path, without a slash at its end.
pub fn base_url(text: &str) -> Result<String, Flaw> {
    let flaw = || Flaw::new("must be an address such as `https://id.example.com`");
    let url = Url::parse(text).map_err(|_| flaw())?;
    if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
        return Err(flaw());
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(Flaw::new("must start with `https://`; plain http is for this machine only"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn issuers_are_made_of_what_people_have() {
        for (vendor, given, issuer) in [
            (
                Vendor::Entra,
                &[("--tenant", "AAAAAAAA-2222-3333-4444-555555555555")][..],
                "https://login.microsoftonline.com/aaaaaaaa-2222-3333-4444-555555555555/v2.0",
            ),
            (Vendor::Okta, &[("--domain", "dev-1.okta.com")], "https://dev-1.okta.com/oauth2/default"),
            (
                Vendor::Okta,
                &[("--domain", "https://id.example.com/app/1"), ("--authorization-server", "aus1")],
                "https://id.example.com/oauth2/aus1",
            ),
            (
                Vendor::Ping,
                &[("--region", "AU"), ("--environment-id", GUID)],
                "https://auth.pingone.com.au/11111111-2222-3333-4444-555555555555/as",
            ),
            (
                Vendor::Ping,
                &[("--environment-id", GUID)],
                "https://auth.pingone.com/11111111-2222-3333-4444-555555555555/as",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "https://id.example.com/auth/"), ("--realm", "main")],
                "https://id.example.com/auth/realms/main",
            ),
            (Vendor::Auth0, &[("--domain", "acme.eu.auth0.com")], "https://acme.eu.auth0.com/"),
            (Vendor::Google, &[], "https://accounts.google.com"),
        ] {
            let made = make(vendor, given).unwrap().unwrap();
            assert_eq!(made.issuer, issuer);
            assert_eq!(made.made_of.is_some(), !given.is_empty(), "{made:?}");
            // What is made is also what is taken when it is given as such.
            assert_eq!(read(vendor, issuer).unwrap(), Issuer { issuer: issuer.to_owned(), made_of: None });
        }
        for vendor in [Vendor::Entra, Vendor::Okta, Vendor::Generic] {
            assert_eq!(make(vendor, &[]), Ok(None));
        }
    }

    #[test]
    fn pieces_that_make_no_issuer_are_refused_by_their_flag() {
        for (vendor, given, flag, says) in [
            (Vendor::Entra, &[("--tenant", "common")][..], "--tenant", "people of any company"),
            (Vendor::Entra, &[("--tenant", "contoso.onmicrosoft.com")], "--tenant", "is a domain"),
            (Vendor::Entra, &[("--tenant", "1111")], "--tenant", "must be an id such as"),
            (Vendor::Entra, &[("--tenant", "")], "--tenant", "must be an id such as"),
            (
                Vendor::Entra,
                &[("--realm", "main")],
                "--realm",
                "says nothing of Microsoft Entra ID, which takes `--tenant`",
            ),
            (Vendor::Google, &[("--domain", "example.com")], "--domain", "which takes `--issuer` alone"),
            (Vendor::Okta, &[("--authorization-server", "aus1")], "--domain", "is missing: Okta domain, from the menu"),
            (Vendor::Okta, &[("--domain", "dev-1-admin.okta.com")], "--domain", "the administrators' console"),
            (Vendor::Okta, &[("--domain", "localhost")], "--domain", "must be a domain"),
            (Vendor::Okta, &[("--domain", "http://dev-1.okta.com")], "--domain", "must be a domain"),
            (Vendor::Okta, &[("--domain", "a b.okta.com")], "--domain", "must be a domain"),
            (
                Vendor::Okta,
                &[("--domain", "dev-1.okta.com"), ("--authorization-server", "oauth2/default")],
                "--authorization-server",
                "must be letters, digits",
            ),
            (Vendor::Ping, &[("--region", "mars"), ("--environment-id", GUID)], "--region", "must be one of"),
            (Vendor::Ping, &[("--region", "eu")], "--environment-id", "is missing"),
            (
                Vendor::Keycloak,
                &[("--base-url", "id.example.com"), ("--realm", "a")],
                "--base-url",
                "must be an address",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "http://id.example.com"), ("--realm", "a")],
                "--base-url",
                "must start with `https://`",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "https://id.example.com/realms/a"), ("--realm", "a")],
                "--base-url",
                "has a realm in it",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "https://id.example.com/admin/master/console"), ("--realm", "a")],
                "--base-url",
                "the administrators' console",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "https://id.example.com"), ("--realm", "a/b")],
                "--realm",
                "must be letters",
            ),
            (
                Vendor::Keycloak,
                &[("--base-url", "https://id.example.com"), ("--realm", "..")],
                "--realm",
                "must be letters",
            ),
            (Vendor::Auth0, &[("--domain", "")], "--domain", "must be a domain"),
        ] {
            let (blamed, flaw) = make(vendor, given).unwrap_err();
            assert!(blamed == flag && flaw.why.contains(says), "{given:?}: {blamed} {flaw:?}");
        }
    }

    #[test]
    fn issuers_that_are_none_of_the_vendor_s_are_refused() {
        for (vendor, issuer, says, instead) in [
            (Vendor::Entra, "https://login.microsoftonline.com/common/v2.0", "any company", Some("--tenant ID")),
            (
                Vendor::Entra,
                "https://sts.windows.net/0b1c/",
                "version 1",
                Some("--issuer https://login.microsoftonline.com/0b1c/v2.0"),
            ),
            (
                Vendor::Entra,
                "https://login.microsoftonline.com/0b1c",
                "must end with",
                Some("--issuer https://login.microsoftonline.com/0b1c/v2.0"),
            ),
            (
                Vendor::Entra,
                "https://login.microsoftonline.com/0b1c/v2.0/",
                "must end with",
                Some("--issuer https://login.microsoftonline.com/0b1c/v2.0"),
            ),
            (
                Vendor::Okta,
                "https://dev-1.okta.com",
                "custom authorization server",
                Some("--issuer https://dev-1.okta.com/oauth2/default"),
            ),
            (
                Vendor::Okta,
                "https://id.example.com/oauth2/v1/authorize",
                "custom authorization server",
                Some("--issuer https://id.example.com/oauth2/default"),
            ),
            (
                Vendor::Okta,
                "https://acme.auth0.com/",
                "is an issuer of Auth0, not of Okta",
                Some("mdb-login setup auth0"),
            ),
            (Vendor::Ping, "https://auth.pingone.eu/0b1c", "and `/as`", None),
            (Vendor::Keycloak, "https://id.example.com", "`/realms/`", None),
            (Vendor::Keycloak, "https://id.example.com/realms/", "`/realms/`", None),
            (Vendor::Auth0, "https://acme.auth0.com", "with a slash", Some("--issuer https://acme.auth0.com/")),
            (
                Vendor::Auth0,
                "https://acme.auth0.com/userinfo",
                "with a slash",
                Some("--issuer https://acme.auth0.com/"),
            ),
            (Vendor::Google, "https://accounts.google.com/", "must be", Some("--issuer https://accounts.google.com")),
            (Vendor::Generic, "nonsense", "is not a URL", None),
        ] {
            let flaw = read(vendor, issuer).unwrap_err();
            assert!(flaw.why.contains(says), "{issuer}: {flaw:?}");
            assert_eq!(flaw.instead.as_deref(), instead, "{issuer}");
        }
    }

    #[test]
    fn the_address_of_the_discovery_document_will_do() {
        let read = read(Vendor::Keycloak, "https://id.example.com/realms/a/.well-known/openid-configuration").unwrap();
        assert_eq!(read.issuer, "https://id.example.com/realms/a");
        assert!(read.made_of.unwrap().contains("discovery document"));
    }
}

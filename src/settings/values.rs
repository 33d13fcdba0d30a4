//! What one value may look like: pure functions from text to meaning.
//!
//! Each gives the meaning or says why not, as the rest of a sentence that starts with the setting's name ("is empty").
//! The reasons never repeat the value: it may be a password that was pasted into the wrong place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::http::is_loopback;
use crate::mongo::hosts;
use crate::mongo::uri::Uri;
use crate::secret::source::{Piped, Source};
use crate::store::SessionKind;

/// The scopes to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes {
    /// In the order they were written, each once, `openid` always among them.
    pub list: Vec<String>,
    /// Nobody asked for exactly these, so what the provider does not support may be left out.
    pub is_default: bool,
}

/// Additional parameters of the authorization request (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationParams {
    pub prompt: Option<String>,
    pub login_hint: Option<String>,
    pub acr_values: Option<String>,
    pub domain_hint: Option<String>,
    /// In seconds.
    pub max_age: Option<u64>,
    pub extra: Vec<(String, String)>,
}

impl AuthorizationParams {
    /// The parameters of the request, named ones first.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let max_age = self.max_age.map(|seconds| seconds.to_string());
        let named = [
            ("prompt", &self.prompt),
            ("login_hint", &self.login_hint),
            ("acr_values", &self.acr_values),
            ("domain_hint", &self.domain_hint),
            ("max_age", &max_age),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        named.chain(self.extra.iter().cloned()).collect()
    }
}

/// Which of a platform's identities a program has. Its `Display` is how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Azure: the client id of a user-assigned managed identity.
    ClientId(String),
    /// Azure: its object id, which is its principal id.
    ObjectId(String),
    /// Azure: its resource id, `/subscriptions/…`.
    ResourceId(String),
    /// Google: the e-mail address of a service account.
    Account(String),
    /// Kubernetes.
    ServiceAccount { namespace: String, name: String },
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId(id) => write!(f, "client_id:{id}"),
            Self::ObjectId(id) => write!(f, "object_id:{id}"),
            Self::ResourceId(id) => write!(f, "resource_id:{id}"),
            Self::Account(email) => f.write_str(email),
            Self::ServiceAccount { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}

/// Whom a client assertion names as the one that it is for (RFC 7523 §3). Providers insist on the one or on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    TokenEndpoint,
    Issuer,
}

impl AssertionAudience {
    pub const NAMES: [&str; 2] = ["token_endpoint", "issuer"];

    pub fn name(self) -> &'static str {
        match self {
            Self::TokenEndpoint => "token_endpoint",
            Self::Issuer => "issuer",
        }
    }
}

/// The loopback name or address of a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectHost {
    Localhost,
    V4,
    V6,
}

/// A redirect URI as registered with the provider, which compares it byte for byte (RFC 8252 §7.3, §8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    pub host: RedirectHost,
    /// 0: any free port.
    pub port: u16,
    pub path: String,
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host {
            RedirectHost::Localhost => "localhost",
            RedirectHost::V4 => "127.0.0.1",
            RedirectHost::V6 => "[::1]",
        };
        write!(f, "http://{host}:{}{}", self.port, self.path)
    }
}

/// How a person signs in unless something prevents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowChoice {
    Browser,
    Device,
}

/// What opens the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrowserChoice {
    /// What the desktop has chosen.
    System,
    /// Nothing: the person opens the URL.
    None,
    /// A program and its arguments; `%s` in one of them stands for the URL, else it comes last.
    Command(Vec<String>),
}

/// The reason why a value is refused.
pub type Reason = String;

/// Any text of at most `max` bytes that a terminal can show as it is.
pub fn text(value: &str, max: usize) -> Result<String, Reason> {
    if value.is_empty() {
        return Err("is empty".into());
    }
    if value.len() > max {
        return Err(format!("is longer than {max} bytes"));
    }
    if value.trim() != value {
        return Err("starts or ends with a space".into());
    }
    if let Some(position) = value.chars().position(char::is_control) {
        return Err(format!("contains a control character (character {})", position + 1));
    }
    Ok(value.to_owned())
}

/// Printable ASCII without spaces: the characters of URLs and identifiers.
fn graphic(value: &str, max: usize) -> Result<(), Reason> {
    text(value, max)?;
    match value.chars().position(|c| !c.is_ascii_graphic()) {
        Some(position) => Err(format!("contains a space or a character outside ASCII (character {})", position + 1)),
        None => Ok(()),
    }
}

/// An issuer identifier (OpenID Connect Discovery §4.3, RFC 8414 §2), kept byte for byte because metadata and tokens
/// must repeat it exactly.
pub fn issuer(value: &str) -> Result<String, Reason> {
    const EXAMPLE: &str = "such as `https://login.example.com`";
    graphic(value, 2048)?;
    let Some((scheme, rest)) = value.split_once("://") else { return Err(format!("is not a URL {EXAMPLE}")) };
    // The URL parser is kinder than the comparison that follows: it would take `HTTPS:\\host` too.
    if !matches!(scheme, "https" | "http") || value.contains('\\') {
        return Err(format!("must start with `https://`, {EXAMPLE}"));
    }
    if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        return Err("must not contain a user name or password".into());
    }
    let url = Url::parse(value).map_err(|_| format!("is not a URL {EXAMPLE}"))?;
    if url.query().is_some() {
        return Err("must not contain a query (`?`)".into());
    }
    if url.fragment().is_some() {
        return Err("must not contain a fragment (`#`)".into());
    }
    if scheme == "http" && !is_loopback(&url) {
        return Err("must use https; plain http is for `localhost`, `127.0.0.0/8` and `[::1]` only".into());
    }
    Ok(value.to_owned())
}

/// A client identifier: RFC 6749 appendix A.1, less the space that nobody means.
pub fn client_id(value: &str) -> Result<String, Reason> {
    graphic(value, 512)?;
    Ok(value.to_owned())
}

/// Scope tokens of RFC 6749 §3.3. Each is kept once, and `openid` is put first if it is missing (OpenID Connect Core
/// §3.1.2.1), so that two spellings of one request are one session.
pub fn scopes(values: &[impl AsRef<str>]) -> Result<Vec<String>, Reason> {
    const TOTAL: usize = 1024; // Okta's documented limit.
    let mut list: Vec<String> = Vec::new();
    if values.is_empty() {
        return Err("needs at least one scope, such as `openid`".into());
    }
    for value in values.iter().map(AsRef::as_ref) {
        if value.is_empty() || !value.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return Err("may hold visible ASCII characters only, without `\"` and `\\` (RFC 6749 §3.3)".into());
        }
        if !list.iter().any(|known| known == value) {
            list.push(value.to_owned());
        }
    }
    if !list.iter().any(|scope| scope == "openid") {
        list.insert(0, "openid".to_owned());
    }
    if list.iter().map(|scope| scope.len() + 1).sum::<usize>() > TOTAL + 1 {
        return Err(format!("is longer than {TOTAL} bytes in all"));
    }
    Ok(list)
}

/// A connection string that can be written down.
pub fn uri(text: &str) -> Result<Uri, Reason> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    let uri = Uri::parse(text)?;
    uri.check_secrets()?;
    Ok(uri)
}

/// Patterns of MongoDB hosts.
pub fn allowed_hosts(values: &[impl AsRef<str>]) -> Result<Vec<String>, Reason> {
    values.iter().map(AsRef::as_ref).map(|host| hosts::check_pattern(host).map(|()| host.to_owned())).collect()
}

/// Names of hosts, without anything around them.
pub fn endpoint_hosts(values: &[impl AsRef<str>]) -> Result<Vec<String>, Reason> {
    let host = |host: &str| match url::Host::parse(host) {
        Ok(parsed) => Ok(parsed.to_string()),
        Err(_) => Err(Reason::from("must be host names, without scheme and port")),
    };
    values.iter().map(AsRef::as_ref).map(host).collect()
}

/// One of a platform's identities; its form tells which platform's.
pub fn identity(value: &str) -> Result<Identity, Reason> {
    graphic(value, 1024)?;
    if let Some((form, id)) = value.split_once(':') {
        let identity: fn(String) -> Identity = match form {
            "client_id" => Identity::ClientId,
            "object_id" => Identity::ObjectId,
            "resource_id" if id.starts_with('/') => Identity::ResourceId,
            "resource_id" => return Err("must go on with a `/` after `resource_id:`, as in `/subscriptions/…`".into()),
            _ => return Err("must start with `client_id:`, `object_id:` or `resource_id:` where it has a `:`".into()),
        };
        if id.is_empty() {
            return Err(format!("has nothing after `{form}:`"));
        }
        return Ok(identity(id.to_owned()));
    }
    if value.contains('@') {
        return account(value).map(Identity::Account);
    }
    // Both become parts of a path at the API server.
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
            && !name.contains("..")
    };
    match value.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => {
            Ok(Identity::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        Some(_) if !value.contains(':') => {
            Err("must be `NAMESPACE/NAME`, both of small letters, digits, `-` and `.` only".into())
        }
        _ => {
            Err("must be `client_id:ID`, `object_id:ID`, `resource_id:/…`, an e-mail address, or `NAMESPACE/NAME`"
                .into())
        }
    }
}

/// The e-mail address of a service account of Google's. It becomes a part of a path.
pub fn account(value: &str) -> Result<String, Reason> {
    graphic(value, 320)?;
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
            && !part.starts_with('.')
    };
    match value.split_once('@') {
        Some((name, domain)) if is_part(name) && is_part(domain) => Ok(value.to_owned()),
        _ => Err("must be an e-mail address, such as `NAME@PROJECT.iam.gserviceaccount.com`".into()),
    }
}

/// Resource indicators: absolute URIs without fragment (RFC 8707 §2); Azure also has the bare ids of applications.
pub fn resources(values: &[impl AsRef<str>], kind: SessionKind) -> Result<Vec<String>, Reason> {
    let mut list: Vec<String> = Vec::new();
    for value in values.iter().map(AsRef::as_ref) {
        graphic(value, 2048)?;
        match Url::parse(value) {
            // Azure's is whatever its directory knows, and drivers send what they are given.
            _ if kind == SessionKind::AzureManagedIdentity => {}
            Ok(url) if url.fragment().is_some() => return Err("must not contain a fragment (`#`)".into()),
            Ok(_) => {}
            Err(_) if is_guid(value) => {}
            Err(_) => return Err("must be an absolute URI such as `https://db.example.com`".into()),
        }
        if !list.iter().any(|known| known == value) {
            list.push(value.to_owned());
        }
    }
    Ok(list)
}

/// 8-4-4-4-12 hex digits.
fn is_guid(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Redirect URIs, in the order in which they are tried.
pub fn redirect_uris(values: &[impl AsRef<str>]) -> Result<Vec<RedirectUri>, Reason> {
    if values.is_empty() {
        return Err("needs at least one URI, such as `http://localhost:27097/redirect`".into());
    }
    values.iter().map(|value| redirect_uri(value.as_ref())).collect()
}

/// One redirect URI, in the one spelling that [`RedirectUri`] gives back: providers compare bytes.
fn redirect_uri(value: &str) -> Result<RedirectUri, Reason> {
    graphic(value, 512)?;
    let Some(rest) = value.strip_prefix("http://") else {
        return Err(
            "must start with `http://`: it never leaves this machine, and nothing here has a certificate".into()
        );
    };
    if rest.contains(['?', '#']) {
        return Err("must not contain a query or fragment".into());
    }
    let (authority, path) =
        rest.find('/').map(|slash| rest.split_at(slash)).ok_or("needs a path, such as `/redirect`")?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Err("needs a port, such as `:27097` (`:0` takes any free one)".into()),
    };
    let host = match host {
        "localhost" => RedirectHost::Localhost,
        "127.0.0.1" => RedirectHost::V4,
        "[::1]" => RedirectHost::V6,
        _ => return Err("must be on `localhost`, `127.0.0.1` or `[::1]`".into()),
    };
    let canonical = port.bytes().all(|b| b.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
    let Some(port) = port.parse().ok().filter(|_| canonical) else {
        return Err("needs a port between 0 and 65535".into());
    };
    // Browsers rewrite dot segments and escapes, after which the path would no longer be the registered one.
    let plain = |segment: &str| {
        !matches!(segment, "." | "..") && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if !plain(segment) || (segment.is_empty() && segments.peek().is_some()) {
            return Err("needs a path of letters, digits and `-._~`, such as `/redirect`".into());
        }
    }
    Ok(RedirectUri { host, port, path: path.to_owned() })
}

/// Parameters of the authorization request that the protocol fills in itself. Whoever could set them could switch off
/// PKCE, `state` or `nonce`, or have the answer sent elsewhere.
const PROTOCOL_PARAMS: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "state",
    "nonce",
    "request",
    "request_uri",
    "code",
    "code_verifier",
];

/// Parameters that are settings of their own; each may be sent only once (RFC 6749 §3.1).
const SETTING_PARAMS: &[&str] = &["scope", "resource", "prompt", "login_hint", "acr_values", "domain_hint", "max_age"];

/// Additional authorization parameters, as `(name, value)`.
pub fn auth_params(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Vec<(String, String)>, Reason> {
    let mut list: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            return Err("needs names of letters, digits and `-._:`, as in `domain_hint=example.com`".into());
        }
        if PROTOCOL_PARAMS.contains(&name) || name.starts_with("code_challenge") {
            return Err(format!("must not set `{name}`, which the protocol sets itself"));
        }
        if SETTING_PARAMS.contains(&name) {
            return Err(format!("must not set `{name}`, which is a setting of its own"));
        }
        if is_secret_name(name) {
            return Err(format!("must not carry a secret such as `{name}`: it would be shown in the address bar"));
        }
        if !value.is_empty() {
            text(value, 2048).map_err(|reason| format!("has a value for `{name}` that {reason}"))?;
        }
        if list.iter().any(|(known, _)| known == name) {
            return Err(format!("sets `{name}` twice"));
        }
        list.push((name.to_owned(), value.to_owned()));
    }
    Ok(list)
}

/// Whether a key of this name would hold a secret, whichever tool it was copied from.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let ends = ["secret", "password", "passwd", "passphrase", "private_key", "api_key", "apikey", "_token"];
    matches!(name.as_str(), "token" | "client_assertion" | "client_key") || ends.iter().any(|end| name.ends_with(end))
}

/// A proxy URL without credentials: they belong in `HTTPS_PROXY`, which is not written to a file.
pub fn proxy(value: &str) -> Result<String, Reason> {
    graphic(value, 2048)?;
    let url = Url::parse(value).map_err(|_| "is not a URL such as `http://proxy.example.com:3128`")?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") || url.host().is_none() {
        return Err("must start with `http://`, `https://`, `socks5://` or `socks5h://`".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password; put such a URL in `HTTPS_PROXY`".into());
    }
    if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        return Err("must not contain more than scheme, host and port".into());
    }
    Ok(value.to_owned())
}

/// A file, made absolute from the current directory.
pub fn path(value: &str) -> Result<PathBuf, Reason> {
    text(value, 4096)?;
    if value == STDIN {
        return Err("must be the path of a file; write `./-` for one that is called `-`".into());
    }
    if value == "~" || value.starts_with("~/") {
        return Err("starts with `~`, which only a shell expands; write the full path".into());
    }
    std::path::absolute(Path::new(value)).map_err(|error| format!("is not a usable path: {error}"))
}

/// As the name of a file: stdin.
pub const STDIN: &str = "-";

/// Where a secret is to be read from: a file, or stdin.
pub fn secret_file(value: &str) -> Result<Source, Reason> {
    if value == STDIN { Ok(Source::Stdin(Piped::default())) } else { path(value).map(Source::File) }
}

/// A duration with its unit, within `range` (both ends included).
pub fn duration(value: &str, range: (Duration, Duration)) -> Result<Duration, Reason> {
    let within =
        |value: &str| humantime::parse_duration(value).ok().filter(|duration| (range.0..=range.1).contains(duration));
    let has_no_unit = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if has_no_unit && within(&format!("{value}s")).is_some() {
        return Err(format!("has no unit; write `{value}s` for seconds"));
    }
    within(value).ok_or_else(|| {
        let [from, to] = [range.0, range.1].map(humantime::format_duration);
        format!("must be a duration between {from} and {to}, such as `30s`")
    })
}

/// A program and its arguments; a text is split as a shell would split it, and no shell is ever started.
pub fn split_command(value: &str) -> Result<Vec<String>, Reason> {
    text(value, 4096)?;
    // On Windows a backslash separates folders, and escapes nothing.
    let escaped = if cfg!(windows) { value.replace('\\', "\\\\") } else { value.to_owned() };
    shlex::split(&escaped).filter(|words| !words.is_empty()).ok_or_else(|| "has a quote that is never closed".into())
}

/// A command that may be run: its first word names a program.
pub fn command(words: &[impl AsRef<str>]) -> Result<Vec<String>, Reason> {
    if words.first().is_none_or(|program| program.as_ref().is_empty()) {
        return Err("needs the name of a program".into());
    }
    if words.iter().any(|word| word.as_ref().contains('\0')) {
        return Err("contains a NUL character".into());
    }
    Ok(words.iter().map(|word| word.as_ref().to_owned()).collect())
}

/// A browser: `system`, `none` (also `false`, which some tools write), or a command.
pub fn browser(words: &[impl AsRef<str>]) -> Result<BrowserChoice, Reason> {
    let command = command(words)?;
    Ok(match command.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["none" | "false"] => BrowserChoice::None,
        ["system"] => BrowserChoice::System,
        _ => BrowserChoice::Command(command),
    })
}

/// A profile's name. It becomes part of commands that people type and of file names elsewhere, so it has neither
/// spaces nor path tricks, nor is it a Windows device.
pub fn profile_name(value: &str) -> Result<(), Reason> {
    const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$"];
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if value.is_empty() {
        return Err("is empty".into());
    }
    if value.len() > 64 || !value.bytes().all(is_name) {
        return Err("must be 1 to 64 letters, digits and `._-`".into());
    }
    if value.starts_with('-') || value.ends_with('.') || value.contains("..") {
        return Err("must not start with `-`, end with `.` or contain `..`".into());
    }
    let stem = value.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    if DEVICES.contains(&stem.as_str()) || (numbered && stem.ends_with(|c: char| c.is_ascii_digit())) {
        return Err("is the name of a Windows device".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `Ok` as given back, or the reason.
    fn table(rule: impl Fn(&str) -> Result<String, Reason>, rows: &[(&str, Result<&str, &str>)]) {
        for (value, expected) in rows {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(rule(value), expected, "for {value:?}");
        }
    }

    #[test]
    fn issuers() {
        let start = Err("must start with `https://`, such as `https://login.example.com`");
        let loopback = Err("must use https; plain http is for `localhost`, `127.0.0.0/8` and `[::1]` only");
        let not_url = Err("is not a URL such as `https://login.example.com`");
        let user = Err("must not contain a user name or password");
        table(
            issuer,
            &[
                ("https://login.example.com", Ok("https://login.example.com")),
                ("https://Login.example.com:443/a/../b/", Ok("https://Login.example.com:443/a/../b/")),
                ("http://localhost:8080/realms/a", Ok("http://localhost:8080/realms/a")),
                ("http://127.9.9.9", Ok("http://127.9.9.9")),
                ("http://[::1]:1", Ok("http://[::1]:1")),
                ("", Err("is empty")),
                (" https://a", Err("starts or ends with a space")),
                ("https://a\nb", Err("contains a control character (character 10)")),
                ("https://a b", Err("contains a space or a character outside ASCII (character 10)")),
                ("https://é.example.com", Err("contains a space or a character outside ASCII (character 9)")),
                ("login.example.com", not_url),
                ("https://", not_url),
                ("https://a:b", not_url),
                ("HTTPS://login.example.com", start),
                ("ftp://login.example.com", start),
                ("https://login.example.com\\@evil", start),
                ("http://idp.corp", loopback),
                ("http://localhost.evil.com", loopback),
                ("http://128.0.0.1", loopback),
                ("https://u:p@idp", user),
                ("https://@idp", user),
                ("https://idp/?x", Err("must not contain a query (`?`)")),
                ("https://idp/?", Err("must not contain a query (`?`)")),
                ("https://idp/#y", Err("must not contain a fragment (`#`)")),
            ],
        );
    }

    #[test]
    fn redirect_uris_come_back_byte_for_byte() {
        let port = Err("needs a port between 0 and 65535");
        let no_port = Err("needs a port, such as `:27097` (`:0` takes any free one)");
        let host = Err("must be on `localhost`, `127.0.0.1` or `[::1]`");
        let path = Err("needs a path of letters, digits and `-._~`, such as `/redirect`");
        let scheme = Err("must start with `http://`: it never leaves this machine, and nothing here has a certificate");
        table(
            |value| redirect_uri(value).map(|uri| uri.to_string()),
            &[
                ("http://localhost:27097/redirect", Ok("http://localhost:27097/redirect")),
                ("http://127.0.0.1:0/", Ok("http://127.0.0.1:0/")),
                ("http://[::1]:65535/a/b/", Ok("http://[::1]:65535/a/b/")),
                ("https://localhost:1/r", scheme),
                ("HTTP://localhost:1/r", scheme),
                ("http://localhost/redirect", no_port),
                ("http://[::1]/redirect", no_port),
                ("http://localhost:99999/r", port),
                ("http://localhost:+1/r", port),
                ("http://localhost:01/r", port),
                ("http://localhost:/r", port),
                ("http://LOCALHOST:1/r", host),
                ("http://127.0.0.2:1/r", host),
                ("http://10.0.0.1:1/r", host),
                ("http://u@localhost:1/r", host),
                ("http://localhost.:1/r", host),
                ("http://localhost:1", Err("needs a path, such as `/redirect`")),
                ("http://localhost:1/r?x", Err("must not contain a query or fragment")),
                ("http://localhost:1/r#", Err("must not contain a query or fragment")),
                ("http://localhost:1/a/../r", path),
                ("http://localhost:1//r", path),
                ("http://localhost:1/r%2f", path),
                ("http://localhost:1/r;x", path),
            ],
        );
    }

    #[test]
    fn scope_tokens() {
        let visible = Err("may hold visible ASCII characters only, without `\"` and `\\` (RFC 6749 §3.3)");
        let long = "x".repeat(1100);
        let joined = |value: &str| scopes(&value.split(' ').collect::<Vec<_>>()).map(|list| list.join(" "));
        table(
            joined,
            &[
                ("openid offline_access", Ok("openid offline_access")),
                ("api://x/.default", Ok("openid api://x/.default")),
                ("a openid a", Ok("a openid")),
                ("a\"b", visible),
                ("a\\b", visible),
                ("ä", visible),
                ("a\u{1b}", visible),
                ("", visible),
                (&long, Err("is longer than 1024 bytes in all")),
            ],
        );
        assert_eq!(scopes(&[] as &[&str]), Err("needs at least one scope, such as `openid`".into()));
    }

    #[test]
    fn authorization_parameters_leave_the_protocol_alone() {
        let one = |value: &str| {
            let pair = value.split_once('=').unwrap();
            auth_params(&[pair]).map(|pairs| format!("{}={}", pairs[0].0, pairs[0].1))
        };
        for name in PROTOCOL_PARAMS.iter().chain(&["code_challenge", "code_challenge_method"]) {
            let reason = format!("must not set `{name}`, which the protocol sets itself");
            assert_eq!(one(&format!("{name}=x")), Err(reason));
        }
        for name in SETTING_PARAMS {
            assert_eq!(one(&format!("{name}=x")), Err(format!("must not set `{name}`, which is a setting of its own")));
        }
        table(
            one,
            &[
                ("audience=https://db", Ok("audience=https://db")),
                ("a=b=c", Ok("a=b=c")),
                ("kc_idp_hint=", Ok("kc_idp_hint=")),
                ("=x", Err("needs names of letters, digits and `-._:`, as in `domain_hint=example.com`")),
                ("a&b=x", Err("needs names of letters, digits and `-._:`, as in `domain_hint=example.com`")),
                ("a=\u{7}", Err("has a value for `a` that contains a control character (character 1)")),
                (
                    "client_secret=hunter2",
                    Err("must not carry a secret such as `client_secret`: it would be shown in the address bar"),
                ),
            ],
        );
        assert_eq!(auth_params(&[("a", "1"), ("a", "2")]), Err("sets `a` twice".into()));
    }

    #[test]
    fn durations_have_a_unit_and_a_range() {
        let rule = |value: &str| {
            duration(value, (Duration::from_secs(5), Duration::from_secs(3600)))
                .map(|duration| humantime::format_duration(duration).to_string())
        };
        let range = Err("must be a duration between 5s and 1h, such as `30s`");
        table(
            rule,
            &[
                ("5s", Ok("5s")),
                ("1h", Ok("1h")),
                ("1m 30s", Ok("1m 30s")),
                ("4999ms", range),
                ("1h 1s", range),
                ("-1", range),
                ("5x", range),
                ("1e9", range),
                ("", range),
                ("99999999999999999999h", range),
                ("300", Err("has no unit; write `300s` for seconds")),
                ("4", range),
                ("99999999999999999999", range),
            ],
        );
    }

    #[test]
    fn profile_names() {
        let characters = Err("must be 1 to 64 letters, digits and `._-`");
        let shape = Err("must not start with `-`, end with `.` or contain `..`");
        let device = Err("is the name of a Windows device");
        let long = "x".repeat(65);
        table(
            |name| profile_name(name).map(|()| name.to_owned()),
            &[
                ("prod", Ok("prod")),
                ("a.b-c_D9", Ok("a.b-c_D9")),
                ("com10", Ok("com10")),
                ("context", Ok("context")),
                ("", Err("is empty")),
                ("../../x", characters),
                ("a b", characters),
                ("prod\n", characters),
                ("émoji😀", characters),
                (&long, characters),
                ("-p", shape),
                ("a..b", shape),
                ("a.", shape),
                ("CON", device),
                ("nul.txt", device),
                ("Com1", device),
            ],
        );
    }

    #[test]
    fn proxies_carry_no_credentials() {
        let scheme = Err("must start with `http://`, `https://`, `socks5://` or `socks5h://`");
        table(
            proxy,
            &[
                ("http://proxy.example.com:3128", Ok("http://proxy.example.com:3128")),
                ("socks5h://127.0.0.1:1080", Ok("socks5h://127.0.0.1:1080")),
                ("proxy.example.com:3128", scheme),
                ("file:///etc", scheme),
                ("::", Err("is not a URL such as `http://proxy.example.com:3128`")),
                ("http://u:p@proxy", Err("must not contain a user name or password; put such a URL in `HTTPS_PROXY`")),
                ("http://proxy/path", Err("must not contain more than scheme, host and port")),
            ],
        );
    }

    #[test]
    fn browsers_are_split_without_a_shell() {
        let command = |words: &[&str]| Ok(BrowserChoice::Command(words.iter().map(|&word| word.to_owned()).collect()));
        let rows = [
            ("none", Ok(BrowserChoice::None)),
            ("false", Ok(BrowserChoice::None)),
            ("system", Ok(BrowserChoice::System)),
            ("firefox --new-window %s", command(&["firefox", "--new-window", "%s"])),
            ("'/opt/my browser' \"$HOME;rm\"", command(&["/opt/my browser", "$HOME;rm"])),
            ("a 'b", Err("has a quote that is never closed".to_owned())),
            ("''", Err("needs the name of a program".to_owned())),
        ];
        for (value, expected) in rows {
            assert_eq!(split_command(value).and_then(|words| browser(&words)), expected, "for {value}");
        }
    }

    proptest! {
        /// Reasons are shown; values may be secrets.
        #[test]
        fn no_rule_panics_or_repeats_a_long_value(value in "\\PC*") {
            let reasons = [
                issuer(&value).err(), client_id(&value).err(), scopes(&[&value]).err(), redirect_uri(&value).err(),
                proxy(&value).err(), profile_name(&value).err(), path(&value).err(),
            ];
            if value.len() > 20 {
                for reason in reasons.into_iter().flatten() {
                    prop_assert!(!reason.contains(&value), "{reason}");
                }
            }
        }

        #[test]
        fn an_accepted_redirect_uri_is_the_one_that_was_written(port in any::<u16>(), path in "(/[a-z.~_-]{1,5}){1,3}") {
            let value = format!("http://localhost:{port}{path}");
            if let Ok(uri) = redirect_uri(&value) {
                prop_assert_eq!(uri.to_string(), value);
            }
        }
    }
}

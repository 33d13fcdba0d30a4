//! A MongoDB connection string: what matters for signing in, and the same string made ready for a token.
//!
//! Everything that is not about authentication stays exactly as it was written. What a driver would make of it is the
//! driver's affair ([`super::client`]); refused here is what no driver may get with a token of ours.

use std::collections::BTreeSet;
use std::fmt;

use super::hosts;
use crate::ui::foreign;

/// The one mechanism that takes an access token.
pub const MECHANISM: &str = "MONGODB-OIDC";

const STANDARD: &str = "mongodb://";
const SRV: &str = "mongodb+srv://";

/// Options that switch the verification of the server's certificate off, wholly or in part.
const UNVERIFIED: &[&str] = &["tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"];

/// Options of single drivers that choose whom they believe to be the server, or bring secrets along. What the specification
/// has for it, all drivers read in one way. With these belongs everything that begins with `ssl`: `sslInsecure`,
/// `sslVerifyCertificate`, `sslInvalidHostNameAllowed`, …
const OF_ONE_DRIVER: &[&str] = &[
    "servername",
    "ca",
    "cert",
    "key",
    "pfx",
    "crl",
    "passphrase",
    "checkserveridentity",
    "rejectunauthorized",
    "securecontext",
    "secureprotocol",
    "session",
    "srvallowedhostssuffix",
    "srvhostvalidator",
];

const PASSWORD: &str =
    "has a password, and MONGODB-OIDC takes none: leave it out, and have it replaced if it is a real one";
const SECRET_OPTION: &str = "holds a password, of a key file or a proxy: leave that option out";

/// Whether a text is a connection string, rather than the name of a profile or any other word.
pub fn is_connection_string(text: &str) -> bool {
    text.starts_with(STANDARD) || text.starts_with(SRV)
}

/// Whether a connection string stands anywhere in a text.
pub fn has_connection_string(text: &str) -> bool {
    text.contains(STANDARD) || text.contains(SRV)
}

/// That no password stands in a text, in a connection string that is all of it or a part: for texts that nobody has read as
/// one, and that are shown when they are wrong.
///
/// # Errors
/// As those of [`Uri::parse`].
pub fn check_text(text: &str) -> Result<(), &'static str> {
    let text = text.to_ascii_lowercase();
    for rest in [STANDARD, SRV].iter().flat_map(|scheme| text.split(scheme).skip(1)) {
        if has_password(rest) {
            return Err(PASSWORD);
        }
        let (_, query) = rest.split_once('?').unwrap_or_default();
        if query.split('&').filter_map(|option| option.split_once('=')).any(|(name, _)| is_secret(name)) {
            return Err(SECRET_OPTION);
        }
    }
    Ok(())
}

/// The connection string of somebody who has typed hosts and nothing else; `None` for what does not look like a host.
pub fn of_hosts(text: &str) -> Option<Uri> {
    let looks_like_it = text == "localhost" || text.contains(['.', ':']);
    let uri = Uri::parse(&format!("{STANDARD}{text}")).ok()?;
    let is_all = uri.user.is_none() && uri.database.is_empty() && uri.options.is_empty();
    (looks_like_it && is_all).then_some(uri)
}

/// A connection string for MONGODB-OIDC. Its `Display` is for people: passwords of key files and proxies are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    scheme: &'static str,
    /// As written, still percent-encoded.
    user: Option<String>,
    /// As written: `host[:port]`.
    hosts: Vec<String>,
    /// As written, with its slash; may be empty.
    database: String,
    /// As written, in order.
    options: Vec<(String, String)>,
}

/// Where a driver gets a token by itself, if the string says so (authentication specification, MONGODB-OIDC, built-in
/// provider integrations).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// `ENVIRONMENT:azure`: the metadata service of a virtual machine. The user name is the client id of the identity.
    Azure { resource: String, client_id: Option<String> },
    /// `ENVIRONMENT:gcp`: the metadata server.
    Gcp { audience: String },
    /// `ENVIRONMENT:k8s`: a file that variables name.
    K8s,
    /// `ENVIRONMENT:test`: the file in `OIDC_TOKEN_FILE`.
    Test,
}

/// How the connection to the server is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS with a verified certificate.
    Verified,
    /// This option takes the verification away.
    Unverified(&'static str),
    /// A proxy of the connection string's own choice is asked to connect, to what it calls by the name of the host.
    Proxied,
    /// Plain TCP.
    None,
}

impl Uri {
    /// Reads a connection string.
    ///
    /// # Errors
    /// What is wrong and where (in characters, from 1), as the rest of a sentence that starts with the setting's name.
    /// Never any part of a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = [STANDARD, SRV]
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)))
            .ok_or("must start with `mongodb://` or `mongodb+srv://`")?;
        // A position is where `part`, a slice of `text`, begins in it.
        let position = |part: &str| {
            let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            text.get(..offset).map_or(0, |before| before.chars().count()) + 1
        };
        if let Some((offset, c)) = text.char_indices().find(|(_, c)| c.is_control() || c.is_whitespace()) {
            let column = text.get(..offset).map_or(0, |before| before.chars().count()) + 1;
            return Err(at(column, if c == ' ' { "there is a space" } else { "there is a control character" }));
        }
        if has_password(rest) {
            return Err(PASSWORD.into());
        }
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        let user = user_info.map(|user_info| user_name(user_info, position(user_info))).transpose()?;
        let hosts: Vec<String> = hosts
            .split(',')
            .map(|host| check_host(host, scheme).map_err(|reason| at(position(host), reason)).map(|()| host.to_owned()))
            .collect::<Result<_, String>>()?;
        if scheme == SRV && hosts.len() > 1 {
            return Err("may have one host only after `mongodb+srv://`: its DNS records list the servers".into());
        }
        let (database, query) = tail.split_once('?').unwrap_or((tail, ""));
        let options = query
            .split('&')
            .filter(|option| !option.is_empty())
            .map(|option| match option.split_once('=') {
                // Some drivers decode names, and split at `;` too.
                Some((name, value)) if !name.is_empty() && !name.contains('%') && !option.contains(';') => {
                    decode(value).map_err(|reason| at(position(value), reason))?;
                    Ok((name.to_owned(), value.to_owned()))
                }
                _ => Err(at(position(option), "an option is written `name=value`")),
            })
            .collect::<Result<_, String>>()?;
        let uri = Self { scheme, user, hosts, database: database.to_owned(), options };
        uri.check_plain()?;
        uri.check_authentication()?;
        Ok(uri)
    }

    /// That every driver reads the options which matter here in one way: given once, and switches plainly on or off.
    fn check_plain(&self) -> Result<(), String> {
        for (index, (name, value)) in self.options.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            if OF_ONE_DRIVER.contains(&lower.as_str()) || (lower.starts_with("ssl") && lower != "ssl") {
                let name = foreign(name);
                return Err(format!("has `{name}`, by which some drivers trust other servers: use the options `tls…`"));
            }
            let is_switch = matches!(lower.as_str(), "tls" | "ssl") || UNVERIFIED.contains(&lower.as_str());
            if is_switch && value != "true" && value != "false" {
                return Err(format!("has `{}`, which must be `true` or `false`", foreign(name)));
            }
            let matters =
                lower.starts_with("tls") || lower.starts_with("auth") || lower == "ssl" || lower == "proxyhost";
            if matters && self.options.iter().skip(index + 1).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(format!("has `{}` twice", foreign(name)));
            }
        }
        Ok(())
    }

    /// That nothing in it speaks of another way to sign in (authentication specification, MONGODB-OIDC).
    fn check_authentication(&self) -> Result<(), String> {
        if let Some(mechanism) = self.option("authMechanism").filter(|mechanism| mechanism != MECHANISM) {
            let mechanism = foreign(&mechanism);
            return Err(format!("has `authMechanism={mechanism}`: leave it out, or write `authMechanism={MECHANISM}`"));
        }
        if let Some(source) = self.option("authSource").filter(|source| source != "$external") {
            let source = foreign(&source);
            return Err(format!("has `authSource={source}`: leave it out, {MECHANISM} knows only `$external`"));
        }
        let properties = self.properties();
        for (index, (name, _)) in properties.iter().enumerate() {
            // One driver takes the first, another the last.
            if properties.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(format!("has `{}` twice", foreign(name)));
            }
            match name.as_str() {
                "ENVIRONMENT" => {}
                "TOKEN_RESOURCE" if properties.iter().any(|(other, _)| other == "ENVIRONMENT") => {}
                "TOKEN_RESOURCE" => {
                    return Err("has `TOKEN_RESOURCE` without `ENVIRONMENT:azure` or `ENVIRONMENT:gcp`".into());
                }
                // Whoever writes the string must not decide where a token may go.
                "ALLOWED_HOSTS" => {
                    return Err(
                        "has `ALLOWED_HOSTS`, which is not its to say: set `allowed_host` in the profile".into()
                    );
                }
                _ => return Err(format!("has `{}`, which is no property of {MECHANISM}", foreign(name))),
            }
        }
        Ok(())
    }

    /// The user name, decoded: any characters, at least one. It chooses among the providers of a server that has several.
    pub fn user(&self) -> Option<String> {
        self.user.as_deref().and_then(|user| decode(user).ok())
    }

    /// The same string without its user name.
    pub fn without_user(&self) -> Self {
        Self { user: None, ..self.clone() }
    }

    /// Whether DNS records say where the servers are.
    pub fn is_srv(&self) -> bool {
        self.scheme == SRV
    }

    /// Every host that it names, or the name under which DNS lists them; without ports.
    pub fn names(&self) -> Vec<String> {
        self.hosts.iter().filter_map(|host| Some(split_port(host)?.0.to_owned())).collect()
    }

    /// What names the server, whoever asks and however the rest is written: for remembering what it said.
    pub fn server(&self) -> String {
        let port = if self.scheme == SRV { "" } else { ":27017" };
        let one = |text: &String| match split_port(text) {
            Some((host, given)) => {
                let host = hosts::normalise(host).unwrap_or_else(|| host.to_owned());
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                host + &given.map_or_else(|| port.to_owned(), |port| format!(":{port}"))
            }
            None => text.clone(),
        };
        let hosts: BTreeSet<String> = self.hosts.iter().map(one).collect();
        format!("{}{}", self.scheme, hosts.into_iter().collect::<Vec<_>>().join(","))
    }

    /// The server and how to reach it, and nothing else: other options are other programs' affair, and our driver does not
    /// know all of theirs.
    pub fn connection_only(&self) -> Self {
        let mut uri = self.without_user();
        let needed = |name: &str| {
            name.starts_with("tls")
                || matches!(name, "ssl" | "loadbalanced" | "srvservicename" | "proxyhost" | "proxyport")
        };
        uri.options.retain(|(name, _)| needed(&name.to_ascii_lowercase()));
        if uri.scheme == SRV {
            // To the driver, which compares text, a dot at the end makes it another domain than that of the records.
            for host in &mut uri.hosts {
                host.truncate(host.trim_end_matches('.').len());
            }
        }
        uri
    }

    /// What connects: no user name, MONGODB-OIDC, and the token from the file that the environment names.
    pub fn for_token_file(&self) -> Self {
        let mut uri = self.without_user();
        uri.set("authMechanism", MECHANISM);
        uri.set("authSource", "%24external");
        uri.set("authMechanismProperties", "ENVIRONMENT:k8s");
        uri
    }

    /// The same, but that a driver goes nowhere else: without TLS it would follow, unprotected, whatever hosts the server
    /// names as members of its replica set. Behind a tunnel those are not even there.
    pub fn staying(&self) -> Self {
        let mut uri = self.clone();
        let is_said = ["directConnection", "loadBalanced"].iter().any(|name| uri.option(name).is_some());
        if uri.protection() == Protection::None && !is_said && !uri.leads_on() {
            uri.set("directConnection", "true");
        }
        uri
    }

    /// Whether a driver would go on to hosts that the server names and nobody has proved, although [`Self::staying`] asks
    /// for nothing like that.
    pub fn leads_on(&self) -> bool {
        let is = |name: &str, wanted: &str| self.option(name).is_some_and(|value| value == wanted);
        let several = self.hosts.len() > 1 || self.option("replicaSet").is_some();
        let direct = is("directConnection", "true") || is("loadBalanced", "true");
        self.protection() == Protection::None && ((several && !direct) || is("directConnection", "false"))
    }

    /// What connects with a program's own way to get a token.
    pub fn with_mechanism(&self) -> Self {
        let mut uri = self.clone();
        uri.set("authMechanism", MECHANISM);
        uri
    }

    /// Whether a driver would ask a platform for its token, and not read it from a file.
    pub fn names_a_platform(&self) -> bool {
        self.properties().iter().any(|(name, value)| name == "ENVIRONMENT" && value != "k8s" && value != "test")
    }

    /// What `ENVIRONMENT` asks for, if it is there.
    ///
    /// # Errors
    /// Where the drivers would have one: as those of [`Self::parse`].
    pub fn built_in(&self) -> Result<Option<BuiltIn>, String> {
        let property =
            |wanted: &str| self.properties().into_iter().find_map(|(name, value)| (name == wanted).then_some(value));
        let Some(environment) = property("ENVIRONMENT") else { return Ok(None) };
        let (resource, user) = (property("TOKEN_RESOURCE").filter(|resource| !resource.is_empty()), self.user());
        let has = |what: &str| Err(format!("has `ENVIRONMENT:{}` {what}", foreign(&environment)));
        match (environment.as_str(), resource, user) {
            ("azure" | "gcp", None, _) => has("without `TOKEN_RESOURCE`, which says what the token is for"),
            ("azure", Some(resource), client_id) => Ok(Some(BuiltIn::Azure { resource, client_id })),
            ("gcp" | "k8s" | "test", _, Some(_)) => has("and a user name, which is for `ENVIRONMENT:azure` alone"),
            ("gcp", Some(audience), None) => Ok(Some(BuiltIn::Gcp { audience })),
            ("k8s" | "test", Some(_), None) => has("and `TOKEN_RESOURCE`, which is for `azure` and `gcp` alone"),
            ("k8s", None, None) => Ok(Some(BuiltIn::K8s)),
            ("test", None, None) => Ok(Some(BuiltIn::Test)),
            _ => Err(format!(
                "has `ENVIRONMENT:{}`, which is none of `azure`, `gcp`, `k8s` and `test`",
                foreign(&environment)
            )),
        }
    }

    /// That it holds no password.
    ///
    /// # Errors
    /// As those of [`Self::parse`].
    pub fn check_secrets(&self) -> Result<(), String> {
        if self.options.iter().any(|(name, _)| is_secret(name)) {
            return Err(SECRET_OPTION.into());
        }
        Ok(())
    }

    /// How well a token is protected on its way. Certificates are verified unless an option says otherwise, so options are
    /// all that there is to look at.
    pub fn protection(&self) -> Protection {
        let is = |name: &str, wanted: &str| self.option(name).is_some_and(|value| value == wanted);
        let off = is("tls", "false") || is("ssl", "false");
        if self.option("proxyHost").is_some() {
            Protection::Proxied
        } else if off || !(self.scheme == SRV || is("tls", "true") || is("ssl", "true")) {
            Protection::None
        } else {
            match UNVERIFIED.iter().find(|name| is(name, "true")) {
                Some(name) => Protection::Unverified(name),
                None => Protection::Verified,
            }
        }
    }

    /// The connection string itself, for programs that connect with it.
    pub fn text(&self) -> String {
        self.write(|_, value| value)
    }

    fn write<'a>(&'a self, shown: impl Fn(&str, &'a str) -> &'a str) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        // Older drivers insist on the slash before the options.
        let slash = if self.database.is_empty() && !self.options.is_empty() { "/" } else { &self.database };
        let mut text = format!("{}{user}{}{slash}", self.scheme, self.hosts.join(","));
        for (index, (name, value)) in self.options.iter().enumerate() {
            let value = shown(name, value);
            text.extend([if index == 0 { "?" } else { "&" }, name, "=", value]);
        }
        text
    }

    /// The value of an option, decoded; names are compared without case, as the specification has it.
    fn option(&self, name: &str) -> Option<String> {
        let (_, value) = self.options.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(name))?;
        decode(value).ok()
    }

    fn properties(&self) -> Vec<(String, String)> {
        let text = self.option("authMechanismProperties").unwrap_or_default();
        text.split(',')
            .filter(|property| !property.is_empty())
            .map(|property| property.split_once(':').unwrap_or((property, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Sets an option, in the place where it is if it is there.
    fn set(&mut self, name: &str, value: &str) {
        let first = self.options.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut index = 0;
        self.options.retain_mut(|(known, old)| {
            let keep = !known.eq_ignore_ascii_case(name) || Some(index) == first;
            if Some(index) == first {
                value.clone_into(old);
            }
            index += 1;
            keep
        });
        if first.is_none() {
            self.options.push((name.to_owned(), value.to_owned()));
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&foreign(&self.write(|name, value| if is_secret(name) { "…" } else { value })))
    }
}

fn is_secret(option: &str) -> bool {
    option.to_ascii_lowercase().contains("password")
}

/// Whether a password stands in what follows the scheme. One whose `/` or `?` is not written `%2F` or `%3F` seems to end
/// before its host: then no number stands where a port would, and an `@` follows.
fn has_password(rest: &str) -> bool {
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match authority.rsplit_once('@') {
        Some((user_info, _)) => user_info.split_once(':').is_some_and(|(_, password)| !password.is_empty()),
        None => {
            let ports = authority.split(',').filter_map(|host| split_port(host)?.1);
            tail.contains('@') && ports.into_iter().any(|port| !is_port(port))
        }
    }
}

/// The user name of `user[:]`: what follows the colon is nothing by now.
fn user_name(user_info: &str, position: usize) -> Result<String, String> {
    let user = user_info.split_once(':').map_or(user_info, |(user, _)| user);
    // As from `mongodb://$ME@db`, with a variable that is not set: another user name means another provider.
    if user.is_empty() {
        return Err(at(position, "there is no user name before the `@`"));
    }
    if user.contains(['@', '/']) {
        return Err(at(position, "`@` and `/` in a user name are written `%40` and `%2F`"));
    }
    decode(user).map_err(|reason| at(position, reason))?;
    Ok(user.to_owned())
}

fn check_host(text: &str, scheme: &str) -> Result<(), String> {
    if text.to_ascii_lowercase().contains("%2f") {
        return Err("a Unix socket has no name by which it could be trusted".into());
    }
    let (host, port) = split_port(text).ok_or("the brackets of an IPv6 address do not match")?;
    if host.is_empty() {
        return Err("there is no host".into());
    }
    if let Some(port) = port {
        if scheme == SRV {
            return Err("`mongodb+srv://` takes no port: the DNS records have it".into());
        }
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err("the port must be a number from 1 to 65535".into());
        }
    }
    // Not by the name's own rules alone: the program that gets this string reads it with a parser of its own.
    hosts::normalise(host)
        .map(drop)
        .ok_or_else(|| format!("`{}` is no host name, or not plainly written", foreign(host)))
}

/// `host[:port]`, an IPv6 address with its brackets.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let end = rest.find(']')?;
        let (host, after) = (text.get(..end + 2)?, rest.get(end + 1..)?);
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    Some(text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))))
}

fn at(position: usize, reason: impl fmt::Display) -> String {
    format!("is wrong at character {position}: {reason}")
}

fn decode(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        if !bytes.get(index + 1..index + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err("`%` must be followed by two hexadecimal digits");
        }
    }
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| "percent-encoding of something that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_says_where_and_never_a_password() {
        let at = |position: usize, reason: &str| format!("is wrong at character {position}: {reason}");
        let port = "the port must be a number from 1 to 65535";
        let hex = "`%` must be followed by two hexadecimal digits";
        let rows = [
            ("http://h", "must start with `mongodb://` or `mongodb+srv://`".into()),
            ("mongodb://", at(11, "there is no host")),
            ("mongodb://a,,b", at(13, "there is no host")),
            ("mongodb://h:0", at(11, port)),
            ("mongodb://h:99999", at(11, port)),
            ("mongodb://[::1", at(11, "the brackets of an IPv6 address do not match")),
            ("mongodb://%2Ftmp%2Fm.sock", at(11, "a Unix socket has no name by which it could be trusted")),
            ("mongodb://h h", at(12, "there is a space")),
            ("mongodb://h\u{1b}", at(12, "there is a control character")),
            ("mongodb://u%4@h", at(11, hex)),
            ("mongodb://u%ff@h", at(11, "percent-encoding of something that is not UTF-8")),
            ("mongodb://a@b@h", at(11, "`@` and `/` in a user name are written `%40` and `%2F`")),
            ("mongodb://@h", at(11, "there is no user name before the `@`")),
            ("mongodb://:@h", at(11, "there is no user name before the `@`")),
            (
                "mongodb://u:hunter2/x@h",
                "has a password, and MONGODB-OIDC takes none: leave it out, and have it replaced if it is a real one"
                    .into(),
            ),
            (
                "mongodb://u:hunter2@h",
                "has a password, and MONGODB-OIDC takes none: leave it out, and have it replaced if it is a real one"
                    .into(),
            ),
            ("mongodb+srv://h:1", at(15, "`mongodb+srv://` takes no port: the DNS records have it")),
            (
                "mongodb+srv://a,b",
                "may have one host only after `mongodb+srv://`: its DNS records list the servers".into(),
            ),
            (
                "mongodb://evil.com%2Cx.mongodb.net",
                at(11, "`evil.com%2Cx.mongodb.net` is no host name, or not plainly written"),
            ),
            ("mongodb://0177.0.0.1", at(11, "`0177.0.0.1` is no host name, or not plainly written")),
            ("mongodb://h/?tls=true&a=b;tlsInsecure=true", at(23, "an option is written `name=value`")),
            ("mongodb://h/?tls%49nsecure=true", at(14, "an option is written `name=value`")),
            ("mongodb://h/?tls=no", "has `tls`, which must be `true` or `false`".into()),
            ("mongodb://h/?tls=true&TLS=false", "has `tls` twice".into()),
            ("mongodb://h/?tls", at(14, "an option is written `name=value`")),
            ("mongodb://h/?a=%zz", at(16, hex)),
            (
                "mongodb://h/?authMechanism=PLAIN",
                "has `authMechanism=PLAIN`: leave it out, or write `authMechanism=MONGODB-OIDC`".into(),
            ),
            (
                "mongodb://h/?authSource=admin",
                "has `authSource=admin`: leave it out, MONGODB-OIDC knows only `$external`".into(),
            ),
            (
                "mongodb://h/?authMechanismProperties=ALLOWED_HOSTS:*",
                "has `ALLOWED_HOSTS`, which is not its to say: set `allowed_host` in the profile".into(),
            ),
            ("mongodb://h/?authmechanismproperties=X:1", "has `X`, which is no property of MONGODB-OIDC".into()),
        ];
        for (text, expected) in rows {
            let reason = Uri::parse(text).unwrap_err();
            assert_eq!(reason, expected, "for {text}");
            assert!(!reason.contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_seen_wherever_it_stands() {
        for (text, expected) in [
            ("mongodb://u:hunter2@h", Err(PASSWORD)),
            ("mongodb+srv://u:hunter2@h", Err(PASSWORD)),
            ("MongoDB://u:hunter2@h", Err(PASSWORD)),
            ("--server-config=mongodb://u:hunter2@h", Err(PASSWORD)),
            ("connect('mongodb://a', 'mongodb://u:hunter2@h')", Err(PASSWORD)),
            ("mongodb://u:hun/ter2@h", Err(PASSWORD)),
            ("mongodb://u:hun?ter2@h:1/db", Err(PASSWORD)),
            ("mongodb://u:/hunter2@h", Err(PASSWORD)),
            ("mongodb://u:hun@ter2@h", Err(PASSWORD)),
            ("mongodb://h/?tlsCertificateKeyFilePassword=hunter2", Err(SECRET_OPTION)),
            ("uri=mongodb://h/?a=b&proxyPassword=hunter2", Err(SECRET_OPTION)),
            ("mongodb://u@h:27017/?appName=a@b", Ok(())),
            ("mongodb://h:27017,[::1]:2/?appName=a@b", Ok(())),
            ("mongodb://u:@h", Ok(())),
            ("https://u:x@h", Ok(())),
            ("mongodb", Ok(())),
        ] {
            assert_eq!(check_text(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_about_signing_in_stays_as_it_was_written() {
        for text in [
            "mongodb://h",
            "mongodb://ada%40example.com@h:27018/db?retryWrites=false&tls=true",
            "mongodb://h1,h2:2,[::1]:3/?replicaSet=rs%200",
            "mongodb+srv://cluster0.example.mongodb.net/test?appName=a&appName=b",
        ] {
            assert_eq!(Uri::parse(text).unwrap().text(), text);
        }
        let uri = Uri::parse("mongodb://h?tlsCertificateKeyFilePassword=hunter2").unwrap();
        assert_eq!(uri.text(), "mongodb://h/?tlsCertificateKeyFilePassword=hunter2");
        assert_eq!(uri.to_string(), "mongodb://h/?tlsCertificateKeyFilePassword=…");
    }

    #[test]
    fn made_ready_for_a_token_file() {
        let tail = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
        let rows = [
            ("mongodb://h", format!("mongodb://h/?{tail}")),
            ("mongodb://ada@h/db?tls=true", format!("mongodb://h/db?tls=true&{tail}")),
            (
                "mongodb://h/?authmechanism=MONGODB-OIDC&x=1",
                "mongodb://h/?authmechanism=MONGODB-OIDC&x=1&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s"
                    .into(),
            ),
        ];
        for (text, expected) in rows {
            let ready = Uri::parse(text).unwrap().for_token_file();
            assert_eq!(ready.text(), expected);
            assert_eq!(
                Uri::parse(&expected).unwrap().for_token_file().text(),
                expected,
                "a second time changes nothing"
            );
        }
    }

    #[test]
    fn built_in_authentication_is_understood_as_the_drivers_do() {
        let azure = |resource: &str, client_id: Option<&str>| {
            Ok(Some(BuiltIn::Azure { resource: resource.into(), client_id: client_id.map(str::to_owned) }))
        };
        let refused = |why: &str| Err(why.to_owned());
        let without = "without `TOKEN_RESOURCE`, which says what the token is for";
        let user = "and a user name, which is for `ENVIRONMENT:azure` alone";
        for (text, expected) in [
            ("mongodb://h/", Ok(None)),
            ("mongodb://ada@h/?authMechanism=MONGODB-OIDC", Ok(None)),
            ("mongodb://h/?ENVIRONMENT:azure,TOKEN_RESOURCE:api://db", azure("api://db", None)),
            ("mongodb://h/?TOKEN_RESOURCE:api%3A%2F%2Fdb,ENVIRONMENT:azure", azure("api://db", None)),
            ("mongodb://0b1c@h/?ENVIRONMENT:azure,TOKEN_RESOURCE:0d2e", azure("0d2e", Some("0b1c"))),
            (
                "mongodb://h/?ENVIRONMENT:azure,TOKEN_RESOURCE:mongodb://test-cluster",
                azure("mongodb://test-cluster", None),
            ),
            ("mongodb://h/?ENVIRONMENT:azure,TOKEN_RESOURCE:ab%25cd%3Ae%26f", azure("ab%cd:e&f", None)),
            ("mongodb://h/?ENVIRONMENT:azure,TOKEN_RESOURCE:a$b", azure("a$b", None)),
            ("mongodb://h/?ENVIRONMENT:azure", refused(&format!("has `ENVIRONMENT:azure` {without}"))),
            ("mongodb://h/?ENVIRONMENT:gcp,TOKEN_RESOURCE:", refused(&format!("has `ENVIRONMENT:gcp` {without}"))),
            ("mongodb://h/?ENVIRONMENT:gcp,TOKEN_RESOURCE:a b", Ok(Some(BuiltIn::Gcp { audience: "a b".into() }))),
            ("mongodb://u@h/?ENVIRONMENT:gcp,TOKEN_RESOURCE:a", refused(&format!("has `ENVIRONMENT:gcp` {user}"))),
            ("mongodb://h/?ENVIRONMENT:k8s", Ok(Some(BuiltIn::K8s))),
            ("mongodb://h/?ENVIRONMENT:test", Ok(Some(BuiltIn::Test))),
            ("mongodb://u@h/?ENVIRONMENT:k8s", refused(&format!("has `ENVIRONMENT:k8s` {user}"))),
            (
                "mongodb://h/?ENVIRONMENT:test,TOKEN_RESOURCE:a",
                refused("has `ENVIRONMENT:test` and `TOKEN_RESOURCE`, which is for `azure` and `gcp` alone"),
            ),
            (
                "mongodb://h/?ENVIRONMENT:aws",
                refused("has `ENVIRONMENT:aws`, which is none of `azure`, `gcp`, `k8s` and `test`"),
            ),
        ] {
            let platform = text.contains("ENVIRONMENT") && !text.contains(":k8s") && !text.contains(":test");
            let text = text.replacen("/?ENV", "/?authMechanismProperties=ENV", 1).replace(' ', "%20");
            let text = text.replacen("/?TOKEN", "/?authMechanismProperties=TOKEN", 1);
            let uri = Uri::parse(&text).unwrap();
            assert_eq!((uri.built_in(), uri.names_a_platform()), (expected, platform), "{text}");
        }
    }

    #[test]
    fn how_the_connection_is_protected() {
        for (text, expected) in [
            ("mongodb://h", Protection::None),
            ("mongodb://h/?tls=true", Protection::Verified),
            ("mongodb://h/?ssl=true", Protection::Verified),
            ("mongodb+srv://h", Protection::Verified),
            ("mongodb+srv://h/?tls=false", Protection::None),
            ("mongodb+srv://h/?ssl=false", Protection::None),
            ("mongodb://h/?tls=true&tlsInsecure=true", Protection::Unverified("tlsinsecure")),
            ("mongodb+srv://h/?TLSallowInvalidHostnames=true", Protection::Unverified("tlsallowinvalidhostnames")),
            ("mongodb+srv://h/?tlsAllowInvalidCertificates=false", Protection::Verified),
            ("mongodb://localhost/?proxyHost=p", Protection::Proxied),
        ] {
            assert_eq!(Uri::parse(text).unwrap().protection(), expected, "{text}");
        }
    }

    #[test]
    fn hosts_alone_are_seen_for_what_they_are() {
        for (text, expected) in [
            ("db.example.com", Some("mongodb://db.example.com")),
            ("db:27018", Some("mongodb://db:27018")),
            ("a.example,b.example:2", Some("mongodb://a.example,b.example:2")),
            ("[::1]:27017", Some("mongodb://[::1]:27017")),
            ("10.0.0.7", Some("mongodb://10.0.0.7")),
            ("localhost", Some("mongodb://localhost")),
            ("prod", None),
            ("1.2", None),
            ("db:port", None),
            ("db.example.com/shop", None),
            ("db.example.com/?tls=true", None),
            ("ada@db.example.com", None),
            ("../db", None),
            ("a b.example", None),
            ("", None),
        ] {
            assert_eq!(of_hosts(text).map(|uri| uri.text()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn one_server_however_it_is_written() {
        let server = |text: &str| Uri::parse(text).unwrap().server();
        assert_eq!(server("mongodb://B:2,a/db?tls=true"), server("mongodb://ada@a.:27017,b:2,a"));
        assert_eq!(server("mongodb://bücher.x,[::1]"), "mongodb://[::1]:27017,xn--bcher-kva.x:27017");
        assert_eq!(server("mongodb+srv://H"), "mongodb+srv://h");
        assert_ne!(server("mongodb://a"), server("mongodb+srv://a"));
        assert_eq!(Uri::parse("mongodb://ada%40x@h").unwrap().user().as_deref(), Some("ada@x"));
    }
}

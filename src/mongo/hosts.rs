//! Which servers a token may be given to: the drivers' own list, and what the person trusts besides.
//!
//! On the paths by which we hand tokens to other programs no driver looks at the host, so it is done here, on the
//! addresses that the connection string leads to (authentication specification, `ALLOWED_HOSTS`).

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

use super::uri::{Protection, Uri};
use crate::error::{Error, Kind, Result};
use crate::ui::{foreign, shell_quoted};

/// The specification's default, in its order.
pub const DEFAULT: &[&str] = &[
    "*.mongodb.net",
    "*.mongodb-qa.net",
    "*.mongodb-dev.net",
    "*.mongodbgov.net",
    "localhost",
    "127.0.0.1",
    "::1",
    "*.mongo.com",
];

/// What the person allows beyond the default list.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// Host names, or `*.` and a domain.
    pub hosts: &'a [String],
    /// Also servers that cannot prove who they are.
    pub insecure: bool,
}

/// That a token may go to every one of `hosts` (without ports), connected to as `uri` says.
///
/// # Errors
/// `Kind::RuleBroken`, naming the exact host and the setting that would allow it.
pub fn check(uri: &Uri, hosts: &[String], trust: Trust<'_>) -> Result<()> {
    refuse_strangers(hosts, trust)?;
    if trust.insecure {
        return Ok(());
    }
    let (what, cure) = match uri.protection() {
        Protection::Verified => return Ok(()),
        Protection::None if hosts.iter().all(|host| is_loopback(host)) => return Ok(()),
        Protection::None => (
            "the connection would not be encrypted: everybody on the way could take the token".to_owned(),
            "add `tls=true` to the connection string, and `tlsCAFile=PATH` if the certificate is your company's own",
        ),
        Protection::Unverified(option) => (
            format!("`{option}` leaves open who the server is, and it would get the token"),
            "leave it out, and add `tlsCAFile=PATH` if the certificate is your company's own",
        ),
        Protection::Proxied => (
            "`proxyHost` lets the connection string choose who connects, and to what".to_owned(),
            "leave `proxyHost` out",
        ),
    };
    Err(Error::new(Kind::RuleBroken, what)
        .hint(cure)
        .hint("if it must be so, set `MDB_LOGIN_INSECURE_SERVER=true`")
        .hint("for good: `mdb-login profile set NAME insecure_server=true`"))
}

/// That a program which connects as `uri` says is not led on by the server, to hosts that nobody has judged.
pub fn check_members(uri: &Uri, trust: Trust<'_>) -> Result<()> {
    if trust.insecure || !uri.leads_on() {
        return Ok(());
    }
    Err(Error::new(Kind::RuleBroken, "without encryption, the server could send the program and its token anywhere")
        .because_of("drivers connect to all hosts that a replica set names as its members")
        .hint("connect to one of them: one host, `directConnection=true`, no `replicaSet`")
        .hint("or add `tls=true` to the connection string"))
}

fn refuse_strangers(hosts: &[String], trust: Trust<'_>) -> Result<()> {
    let Some(host) = hosts.iter().find(|host| !is_allowed(host, trust.hosts)) else { return Ok(()) };
    // As a pattern has it: in brackets a shell would look for files.
    let host = without_brackets(host);
    let quoted = shell_quoted(host);
    // The setting is a list: those that it has must not be lost.
    let trusted: Vec<&str> = trust.hosts.iter().map(String::as_str).chain([host]).collect();
    Err(Error::new(Kind::RuleBroken, format!("`{}` is not a host that tokens may be given to", foreign(host)))
        .hint(format!("if you trust it, give `--trust-host {quoted}`"))
        .hint(format!("for good: `mdb-login profile set NAME allowed_host={}`", shell_quoted(&trusted.join(" ")))))
}

/// The same for what a program of MongoDB's is told by flags: hosts, whether with TLS, and a flag that makes it worthless.
pub fn check_flags(hosts: &[String], tls: bool, unsafe_flag: Option<&str>, trust: Trust<'_>) -> Result<()> {
    refuse_strangers(hosts, trust)?;
    if trust.insecure {
        return Ok(());
    }
    let what = match unsafe_flag {
        Some(flag) => format!("`{}` leaves open who the server is, and it would get the token", foreign(flag)),
        None if tls || hosts.iter().all(|host| is_loopback(host)) => return Ok(()),
        None => "the connection would not be encrypted: everybody on the way could take the token".to_owned(),
    };
    Err(Error::new(Kind::RuleBroken, what)
        .hint("give the program a connection string with `tls=true`, and the CA file if the certificate is your company's own"))
}

/// Whether everybody between here and `hosts` could answer in their place.
pub fn is_open_to_all(uri: &Uri) -> bool {
    uri.protection() != Protection::Verified && !uri.names().iter().all(|host| is_loopback(host))
}

/// Whether a host, as a connection string or a DNS record writes it, is on the default list or among `more`.
pub fn is_allowed(host: &str, more: &[String]) -> bool {
    let Some(host) = normalise(host) else { return false };
    DEFAULT.iter().copied().chain(more.iter().map(String::as_str)).any(|pattern| match pattern.strip_prefix("*.") {
        // A suffix of a name, never of an address.
        Some(domain) => {
            let domain = normalise(domain).unwrap_or_default();
            let rest = host.strip_suffix(&domain).filter(|_| !domain.is_empty() && host.parse::<IpAddr>().is_err());
            rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        None => normalise(pattern).is_some_and(|pattern| pattern == host),
    })
}

/// What a host pattern may be; the rest of the sentence says what is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    if name.contains('*') {
        return Err("may have one `*`, at its beginning: `*.example.com`".into());
    }
    if pattern.starts_with("*.") && !name.trim_end_matches('.').contains('.') {
        return Err("would trust a whole top-level domain".into());
    }
    if normalise(name).is_none() {
        return Err("must be host names without scheme and port, or `*.` and a domain".into());
    }
    Ok(())
}

/// Whether a host is this machine by every reading of its name.
fn is_loopback(host: &str) -> bool {
    normalise(host)
        .is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// One spelling for a host: lower case, no dot at the end, no brackets, IDN as `xn--`, an IPv4 address in IPv6's clothes as
/// itself. `None` for what not all programs would read as the same host: they have parsers of their own, and one that
/// decodes `%2C` first, splits at `;`, or takes `0177.0.0.1` for decimal would connect to another than we have judged.
pub fn normalise(host: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let bare = without_brackets(host.trim_end_matches('.'));
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(address.to_ipv4_mapped().map_or_else(|| address.to_string(), |address| address.to_string()));
    }
    if !bare.chars().all(|c| plain(c) || !c.is_ascii()) {
        return None;
    }
    match Host::parse(bare).ok()? {
        // Seen after the mapping: a fullwidth comma becomes a comma.
        Host::Domain(name) => name.chars().all(plain).then_some(name),
        Host::Ipv4(address) => (address.to_string() == bare).then(|| address.to_string()),
        Host::Ipv6(_) => None,
    }
}

/// An IPv6 address of a connection string, by itself.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_nothing_near_it() {
        let mine = [
            "db.example.com".to_owned(),
            "*.corp.example".to_owned(),
            "10.0.0.7".to_owned(),
            "BÜCHER.example".to_owned(),
            "*.bücher.example.".to_owned(),
        ];
        for (host, expected) in [
            ("cluster0.abc.mongodb.net", true),
            ("CLUSTER0.MongoDB.net", true),
            ("x.mongodb.net.", true),
            ("localhost", true),
            ("127.0.0.1", true),
            ("0x7f.1", false),
            ("0177.0.0.1", false),
            ("2130706433", false),
            ("evil.com%2cx.mongodb.net", false),
            ("evil.com，x.mongodb.net", false),
            ("evil.com;x.mongodb.net", false),
            ("a$(x).mongodb.net", false),
            ("::1", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
            ("0:0:0:0:0:0:0:1", true),
            ("db.example.com", true),
            ("a.b.corp.example", true),
            ("10.0.0.7", true),
            ("xn--bcher-kva.example", true),
            ("db.xn--bcher-kva.example", true),
            ("mongodb.net", false),
            (".mongodb.net", false),
            ("evilmongodb.net", false),
            ("x.mongodb.net.evil.com", false),
            ("xdb.example.com", false),
            ("corp.example", false),
            ("127.0.0.2", false),
            ("10.0.0.70", false),
            ("localhost.evil.com", false),
            ("mongоdb.net", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_allowed(host, &mine), expected, "{host}");
        }
    }

    #[test]
    fn patterns_that_would_mean_too_much_or_nothing() {
        for (pattern, good) in [
            ("db.example.com", true),
            ("*.example.com", true),
            ("::1", true),
            ("[2001:db8::1]", true),
            ("10.0.0.1", true),
            ("*", false),
            ("*.com", false),
            ("*.com.", false),
            ("a.*.com", false),
            ("db.example.com:27017", false),
            ("mongodb://db", false),
            ("", false),
        ] {
            assert_eq!(check_pattern(pattern).is_ok(), good, "{pattern}");
        }
    }

    #[test]
    fn who_could_answer_in_a_server_s_place() {
        for (uri, expected) in [
            ("mongodb://db.example.com", true),
            ("mongodb://localhost,db.example.com", true),
            ("mongodb://db.example.com/?tls=true&tlsInsecure=true", true),
            ("mongodb://db.example.com/?tls=true", false),
            ("mongodb+srv://db.example.com", false),
            ("mongodb://127.0.0.2,[::1],localhost", false),
        ] {
            assert_eq!(is_open_to_all(&Uri::parse(uri).unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn a_token_goes_to_servers_that_prove_who_they_are() {
        let judged = |uri: &str, host: &str, insecure| {
            let trust = Trust { hosts: &["db.example.com".to_owned()], insecure };
            let result = check(&Uri::parse(uri).unwrap(), &[host.to_owned()], trust);
            result.map_err(|error| error.message().to_owned())
        };
        let plain = Err("the connection would not be encrypted: everybody on the way could take the token".to_owned());
        let blind = Err("`tlsinsecure` leaves open who the server is, and it would get the token".to_owned());
        let proxied = Err("`proxyHost` lets the connection string choose who connects, and to what".to_owned());
        let stranger = Err("`other.example` is not a host that tokens may be given to".to_owned());
        for (uri, host, insecure, expected) in [
            ("mongodb://localhost", "localhost", false, Ok(())),
            ("mongodb://127.0.0.1", "127.0.0.1", false, Ok(())),
            ("mongodb://db.example.com", "db.example.com", false, plain.clone()),
            ("mongodb://db.example.com", "db.example.com", true, Ok(())),
            ("mongodb://db.example.com/?tls=true", "db.example.com", false, Ok(())),
            ("mongodb://db.example.com/?tls=true&tlsInsecure=true", "db.example.com", false, blind),
            ("mongodb+srv://db.example.com", "other.example", true, stranger),
            ("mongodb+srv://db.example.com/?tls=false", "db.example.com", false, plain),
            ("mongodb://localhost/?proxyHost=evil", "localhost", false, proxied),
        ] {
            assert_eq!(judged(uri, host, insecure), expected, "{uri} at {host}");
        }
    }
}

//! Which servers a token may be given to: the drivers' own list, and what the person trusts besides.
//!
//! On the paths by which we hand tokens to other programs no driver looks at the host, so it is done here, on the
//! addresses that the connection string leads to (authentication specification, `ALLOWED_HOSTS`).

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

use super::uri::{Protection, Uri};
use crate::error::{Error, Kind, Result};
use crate::ui::foreign;

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
    for host in hosts {
        if !is_allowed(host, trust.hosts) {
            let shown = foreign(host);
            return Err(Error::new(Kind::RuleBroken, format!("`{shown}` is not a host that tokens may be given to"))
                .hint(format!("if you trust it: give `--trust-host {shown}`, or run `mdb-login profile set PROFILE allowed_host={shown}`")));
        }
    }
    if trust.insecure {
        return Ok(());
    }
    let what = match uri.protection() {
        Protection::Verified => return Ok(()),
        Protection::None if hosts.iter().all(|host| is_loopback(host)) => return Ok(()),
        Protection::None => {
            "the connection would not be encrypted: everybody on the way could take the token".to_owned()
        }
        Protection::Unverified(option) => {
            format!("`{option}` leaves open who the server is, and it would get the token")
        }
        Protection::Proxied => "`proxyHost` lets the connection string choose who connects, and to what".to_owned(),
    };
    Err(Error::new(Kind::RuleBroken, what)
        .hint("add `tls=true` to the connection string, and `tlsCAFile=PATH` if the certificate is your company's own")
        .hint("if it must be so: run `mdb-login profile set PROFILE insecure_server=true`"))
}

/// Whether a host, as a connection string or a DNS record writes it, is on the default list or among `more`.
pub fn is_allowed(host: &str, more: &[String]) -> bool {
    let Some(host) = normalise(host) else { return false };
    DEFAULT.iter().copied().chain(more.iter().map(String::as_str)).any(|pattern| match pattern.strip_prefix("*.") {
        // A suffix of a name, never of an address.
        Some(domain) => {
            host.parse::<IpAddr>().is_err()
                && host
                    .strip_suffix(&domain.to_ascii_lowercase())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
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
    if normalise(name).is_none() || (name.contains(':') && name.parse::<Ipv6Addr>().is_err()) {
        return Err("must be host names without scheme and port, or `*.` and a domain".into());
    }
    Ok(())
}

/// Whether a host is this machine by every reading of its name.
fn is_loopback(host: &str) -> bool {
    normalise(host)
        .is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// One spelling for a host: lower case, no dot at the end, IDN as `xn--`, and every way to write an IPv4 address
/// (`0x7f.1`, `::ffff:127.0.0.1`) as that address, which is what a resolver makes of it.
fn normalise(host: &str) -> Option<String> {
    let bare = host.trim_end_matches('.');
    let bare = bare.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(bare);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(address.to_ipv4_mapped().map_or_else(|| address.to_string(), |address| address.to_string()));
    }
    Host::parse(bare).ok().map(|host| host.to_string())
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
        ];
        for (host, expected) in [
            ("cluster0.abc.mongodb.net", true),
            ("CLUSTER0.MongoDB.net", true),
            ("x.mongodb.net.", true),
            ("localhost", true),
            ("127.0.0.1", true),
            ("0x7f.1", true),
            ("2130706433", true),
            ("::1", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
            ("0:0:0:0:0:0:0:1", true),
            ("db.example.com", true),
            ("a.b.corp.example", true),
            ("10.0.0.7", true),
            ("xn--bcher-kva.example", true),
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

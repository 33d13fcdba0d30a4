//! Binding: every loopback address of the redirect host on one port, or nothing at all.
//!
//! A half-bound name is a hole: whoever listens on the other address of `localhost` receives the redirect
//! (giantswarm/muster#1280), which is why the workforce OIDC requirements make this all or nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use super::sockets::{self, Holder};
use crate::settings::{RedirectHost, RedirectUri};

/// How often a port that the system chose for one address may turn out to be taken on another.
const FREE_PORT_TRIES: u32 = 10;

/// Sockets that share one port. They listen already; nobody accepts yet.
#[derive(Debug)]
pub(super) struct Bound {
    pub sockets: Vec<TcpListener>,
    pub port: u16,
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there. The next redirect URI of the profile may be free.
    #[error("`{address}` is taken by {holder}")]
    Taken { address: SocketAddr, holder: Holder },
    /// The name leads off this machine, and the browser would carry the code there.
    #[error("`localhost` leads to `{address}` on this machine, which is not a loopback address")]
    NotLoopback { address: IpAddr },
    /// The resolver knows no address for the name, so neither may the browser.
    #[error("`localhost` has no address on this machine")]
    NoAddress(#[source] Option<io::Error>),
    /// A privileged port, or one in a range that Windows keeps for itself (WSAEACCES; `netstat` shows nothing).
    #[error("the system does not allow listening on `{address}`")]
    Denied { address: SocketAddr, source: io::Error },
    #[error("cannot listen on `{address}`")]
    Other { address: SocketAddr, source: io::Error },
}

impl BindError {
    /// What the person can look at or change, where we know it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotLoopback { .. } => Some("make `localhost` mean 127.0.0.1 and ::1 only, in the hosts file"),
            Self::NoAddress(_) => Some("add the line `127.0.0.1 localhost` to the hosts file"),
            Self::Denied { .. } if cfg!(windows) => {
                Some("run `netsh interface ipv4 show excludedportrange protocol=tcp` to see the reserved ports")
            }
            Self::Denied { .. } => Some("choose a redirect URI with a port of 1024 or above"),
            Self::Taken { holder: Holder::Sibling { .. }, .. } => Some(
                "finish the sign-in of the other mdb-login and run this again, or register a second redirect URI at the \
                 provider and add it to `redirect_uri`",
            ),
            Self::Taken { .. } => Some(
                "if that is a sign-in too (mdb-login, mongosh, Compass), finish it and run this again; otherwise end that \
                 program, or register a second redirect URI at the provider and add it to `redirect_uri`",
            ),
            Self::Other { .. } => None,
        }
    }
}

pub(super) fn bind(uri: &RedirectUri) -> Result<Bound, BindError> {
    bind_resolved(uri, &addresses(uri.host, resolve_localhost)?)
}

/// What the resolver (hosts file, then DNS) says of the name, exactly as a browser may ask it.
fn resolve_localhost() -> io::Result<Vec<IpAddr>> {
    Ok(("localhost", 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// The addresses to bind for a redirect host, each once.
///
/// For `localhost` these are 127.0.0.1 and ::1 (browsers know them without asking anybody) and every other address
/// that the resolver gives, all of which must be loopback: a poisoned hosts file or search domain must not make us
/// listen on the network, nor leave the real address to another.
fn addresses(host: RedirectHost, resolve: impl FnOnce() -> io::Result<Vec<IpAddr>>) -> Result<Vec<IpAddr>, BindError> {
    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    match host {
        RedirectHost::V4 => Ok(vec![V4]),
        RedirectHost::V6 => Ok(vec![V6]),
        RedirectHost::Localhost => {
            let resolved = resolve().map_err(|error| BindError::NoAddress(Some(error)))?;
            if resolved.is_empty() {
                return Err(BindError::NoAddress(None));
            }
            let mut all = vec![V4, V6];
            for address in resolved.iter().map(IpAddr::to_canonical) {
                if !address.is_loopback() {
                    return Err(BindError::NotLoopback { address });
                }
                if !all.contains(&address) {
                    all.push(address);
                }
            }
            Ok(all)
        }
    }
}

fn bind_resolved(uri: &RedirectUri, addresses: &[IpAddr]) -> Result<Bound, BindError> {
    let mut tries = if uri.port == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_once(uri, addresses) {
            Err(BindError::Taken { .. }) if tries > 0 => {}
            Err(error) => {
                tracing::debug!(%error, "listening failed");
                return Err(error);
            }
            Ok(bound) => {
                for socket in &bound.sockets {
                    tracing::debug!(address = ?socket.local_addr().ok(), "listening");
                }
                return Ok(bound);
            }
        }
    }
}

/// The sockets of a failed attempt are closed on the way out, so that nothing stays half bound.
fn bind_once(uri: &RedirectUri, addresses: &[IpAddr]) -> Result<Bound, BindError> {
    let mut bound = Bound { sockets: Vec::new(), port: uri.port };
    for &ip in addresses {
        let address = SocketAddr::new(ip, bound.port);
        // Each socket is bound to one loopback address, never to a wildcard: no interface but `lo` can reach it, and a
        // socket on `::1` takes no IPv4 traffic whatever IPV6_V6ONLY is. The standard library sets SO_REUSEADDR on Unix
        // (or our own TIME_WAIT would hold the port after each sign-in; a second listener is refused all the same) and
        // leaves it off on Windows, where it would allow hijacking; without it, a plain bind there is exclusive.
        match TcpListener::bind(address).and_then(|socket| Ok((socket.local_addr()?.port(), socket))) {
            Ok((port, socket)) => {
                bound.port = port;
                bound.sockets.push(socket);
            }
            Err(error) if does_not_exist(&error) && uri.host == RedirectHost::Localhost && ip.is_ipv6() => {}
            Err(error) => return Err(refusal(address, error)),
        }
    }
    Ok(bound)
}

/// An address that this machine does not have (IPv6 switched off, though `/etc/hosts` names ::1, as in most containers)
/// cannot be listened on by anybody else either.
fn does_not_exist(error: &io::Error) -> bool {
    #[cfg(unix)]
    let no_such_family = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::AFNOSUPPORT);
    #[cfg(not(unix))]
    let no_such_family = error.raw_os_error() == Some(10047); // WSAEAFNOSUPPORT
    error.kind() == io::ErrorKind::AddrNotAvailable || no_such_family
}

fn refusal(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, holder: sockets::holder(address) },
        io::ErrorKind::PermissionDenied => BindError::Denied { address, source },
        _ => BindError::Other { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localhost(port: u16) -> RedirectUri {
        RedirectUri { host: RedirectHost::Localhost, port, path: "/redirect".into() }
    }

    fn ips(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn localhost_is_every_loopback_address_once() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["127.0.0.1"], &["127.0.0.1", "::1"]),
            (&["::1", "127.0.0.1"], &["127.0.0.1", "::1"]),
            (&["127.0.0.1", "127.0.1.1", "127.0.0.1"], &["127.0.0.1", "::1", "127.0.1.1"]),
            (&["::ffff:127.0.0.1"], &["127.0.0.1", "::1"]),
        ];
        for (resolved, expected) in cases {
            assert_eq!(
                addresses(RedirectHost::Localhost, || Ok(ips(resolved))).unwrap(),
                ips(expected),
                "{resolved:?}"
            );
        }
    }

    #[test]
    fn a_name_that_leads_off_the_machine_is_refused() {
        for foreign in ["192.168.1.7", "0.0.0.0", "::", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1", "128.0.0.1"] {
            let result = addresses(RedirectHost::Localhost, || Ok(ips(&["127.0.0.1", foreign])));
            assert!(matches!(result, Err(BindError::NotLoopback { .. })), "{foreign}: {result:?}");
        }
        let nothing = addresses(RedirectHost::Localhost, || Ok(vec![]));
        assert!(matches!(nothing, Err(BindError::NoAddress(None))));
        let failed = addresses(RedirectHost::Localhost, || Err(io::Error::other("no resolver")));
        assert!(matches!(failed, Err(BindError::NoAddress(Some(_)))));
    }

    #[test]
    fn literal_hosts_ask_no_resolver() {
        let never = || panic!("asked the resolver");
        assert_eq!(addresses(RedirectHost::V4, never).unwrap(), ips(&["127.0.0.1"]));
        assert_eq!(addresses(RedirectHost::V6, never).unwrap(), ips(&["::1"]));
    }

    #[test]
    fn only_a_port_that_somebody_holds_is_to_be_freed() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let source = || io::Error::from(io::ErrorKind::PermissionDenied);
        let taken = BindError::Taken { address, holder: Holder::Unknown };
        assert!(taken.hint().unwrap().contains("end that program"));
        let sibling = BindError::Taken { address, holder: Holder::Sibling { pid: 1 } };
        assert!(sibling.hint().unwrap().starts_with("finish the sign-in of the other mdb-login"));
        for error in [
            BindError::Denied { address, source: source() },
            BindError::Other { address, source: source() },
            BindError::NotLoopback { address: address.ip() },
            BindError::NoAddress(Some(source())),
        ] {
            assert!(!error.hint().unwrap_or_default().contains("end that program"), "{error}");
        }
    }

    #[test]
    fn any_free_port_is_the_same_on_both_families() {
        let bound = bind(&localhost(0)).unwrap();
        let mut addresses: Vec<_> = bound.sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        addresses.sort();
        assert_ne!(bound.port, 0);
        assert_eq!(addresses[0], SocketAddr::from((Ipv4Addr::LOCALHOST, bound.port)));
        assert_eq!(addresses[1], SocketAddr::from((Ipv6Addr::LOCALHOST, bound.port)));
    }

    #[test]
    fn a_port_taken_on_one_family_is_taken_and_nothing_stays_bound() {
        for (squatted, other) in [("[::1]", "127.0.0.1"), ("127.0.0.1", "[::1]")] {
            let squatter = TcpListener::bind(format!("{squatted}:0")).unwrap();
            let taken = squatter.local_addr().unwrap();
            match bind(&localhost(taken.port())) {
                Err(BindError::Taken { address, .. }) => assert_eq!(address, taken),
                other => panic!("{squatted}: {other:?}"),
            }
            TcpListener::bind(format!("{other}:{}", taken.port())).unwrap();
        }
    }

    #[test]
    fn a_wildcard_listener_takes_the_port_too() {
        let squatter = TcpListener::bind("0.0.0.0:0").unwrap();
        let result = bind(&localhost(squatter.local_addr().unwrap().port()));
        assert!(matches!(result, Err(BindError::Taken { .. })), "{result:?}");
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_not_an_obstacle_but_a_literal_one_is() {
        // 2001:db8::/32 is for documentation (RFC 3849): no machine has it, so binding gives EADDRNOTAVAIL.
        let absent = ips(&["127.0.0.1", "2001:db8::1"]);
        assert_eq!(bind_resolved(&localhost(0), &absent).unwrap().sockets.len(), 1);
        let literal = RedirectUri { host: RedirectHost::V6, ..localhost(0) };
        assert!(matches!(bind_resolved(&literal, &absent[1..]), Err(BindError::Other { .. })));
    }
}

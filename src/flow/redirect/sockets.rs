//! Whose a socket is. Of a port that is taken: which window to close. Of a browser that comes: whether it is a program
//! of the person's own.
//!
//! Linux tells through `/proc`, to everybody and of everybody; elsewhere the answer is "unknown".

use std::fmt;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::{fs, net::IpAddr, path::Path};

/// As much as could be learned of the process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another sign-in of ours, where we may look into it: as root, or where it cannot hide.
    Sibling {
        pid: u32,
    },
    Process {
        pid: u32,
        name: String,
    },
    /// Its user is known but not the process: it belongs to somebody else, or hides its descriptors as we do ourselves
    /// (`PR_SET_DUMPABLE`).
    User {
        uid: u32,
    },
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sibling { pid } => write!(f, "another mdb-login (process {pid})"),
            Self::Process { pid, name } => write!(f, "`{}` (process {pid})", crate::ui::foreign(name)),
            #[cfg(unix)]
            Self::User { uid } if rustix::process::getuid().as_raw() == *uid => f.write_str("another program of yours"),
            Self::User { uid } => write!(f, "a program of user id {uid}"),
            Self::Unknown => f.write_str("another program"),
        }
    }
}

/// Whose program is at the other end of a loopback connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user that we are, or root, from whom nothing can be kept.
    Ourselves,
    Other {
        uid: u32,
    },
    Unknown,
}

/// Finds out whose the socket at `client` is, which is connected to ours at `server`.
pub(super) fn owner(client: SocketAddr, server: SocketAddr) -> Owner {
    #[cfg(target_os = "linux")]
    return owner_in(Path::new("/proc"), client, server, rustix::process::getuid().as_raw()).unwrap_or(Owner::Unknown);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (client, server);
        Owner::Unknown
    }
}

/// `we` is our user id.
#[cfg(target_os = "linux")]
fn owner_in(proc: &Path, client: SocketAddr, server: SocketAddr, we: u32) -> Option<Owner> {
    const ROOT: u32 = 0;
    /// What a user looks like whom our user namespace does not know (`/proc/sys/kernel/overflowuid`).
    const UNMAPPED: u32 = 65534;
    let client = sockets(proc).find(|socket| socket.connects(client, server))?;
    // A socket that its program has closed has no inode, and shows root as its owner.
    match client.uid {
        _ if client.inode == 0 => None,
        UNMAPPED => None,
        uid if uid == we || uid == ROOT => Some(Owner::Ourselves),
        uid => Some(Owner::Other { uid }),
    }
}

/// Finds the listener that keeps `address` from being bound. Never fails: not knowing is an answer.
pub(super) fn holder(address: SocketAddr) -> Holder {
    #[cfg(target_os = "linux")]
    return holder_in(Path::new("/proc"), address).unwrap_or(Holder::Unknown);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = address;
        Holder::Unknown
    }
}

/// `proc` is the root of a procfs (proc(5)).
#[cfg(target_os = "linux")]
fn holder_in(proc: &Path, address: SocketAddr) -> Option<Holder> {
    let socket = sockets(proc).find(|socket| socket.blocks(address))?;
    let holder = process_with_socket(proc, socket.inode).map(|pid| {
        let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
        match name.trim_end() {
            "mdb-login" | "mdb-login-full" => Holder::Sibling { pid },
            name => Holder::Process { pid, name: name.to_owned() },
        }
    });
    Some(holder.unwrap_or(Holder::User { uid: socket.uid }))
}

#[cfg(target_os = "linux")]
fn process_with_socket(proc: &Path, inode: u64) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    let holds = |process: &Path| {
        // Other users' processes cannot be looked into, and any process may be gone by now: neither is an error.
        fs::read_dir(process.join("fd")).is_ok_and(|descriptors| {
            descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == Path::new(&link)))
        })
    };
    fs::read_dir(proc).ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path()).then_some(pid)
    })
}

/// The TCP sockets of this machine (of this network namespace, to be exact).
#[cfg(target_os = "linux")]
fn sockets(proc: &Path) -> impl Iterator<Item = Socket> {
    let tables = ["net/tcp", "net/tcp6"].map(|table| fs::read_to_string(proc.join(table)).unwrap_or_default());
    tables.into_iter().flat_map(|table| table.lines().filter_map(Socket::parse).collect::<Vec<_>>())
}

/// One line of `/proc/net/tcp{,6}`. IPv4 addresses are IPv4 addresses in both.
#[cfg(target_os = "linux")]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    listens: bool,
    uid: u32,
    inode: u64,
}

#[cfg(target_os = "linux")]
impl Socket {
    fn parse(line: &str) -> Option<Self> {
        const LISTEN: &str = "0A";
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = parse_address(fields.next()?)?;
        let remote = parse_address(fields.next()?)?;
        let listens = fields.next()? == LISTEN;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Self { local, remote, listens, uid, inode })
    }

    fn blocks(&self, address: SocketAddr) -> bool {
        let ip = self.local.ip();
        self.listens && self.local.port() == address.port() && (ip == address.ip() || ip.is_unspecified())
    }

    fn connects(&self, client: SocketAddr, server: SocketAddr) -> bool {
        !self.listens && (self.local, self.remote) == (client, server)
    }
}

/// `0100007F:69D9`: the address as 32-bit words in the machine's own byte order, the port as a plain number.
#[cfg(target_os = "linux")]
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    let mut rest = ip;
    while let Some((word, tail)) = rest.split_at_checked(8).filter(|(word, _)| word.len() == 8) {
        bytes.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    let ip: IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
        _ => return None,
    };
    rest.is_empty().then_some(SocketAddr::new(ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let cases = [
            ("0100007F:69D9", Some("127.0.0.1:27097")),
            ("00000000:0050", Some("0.0.0.0:80")),
            ("00000000000000000000000001000000:69D9", Some("[::1]:27097")),
            ("0000000000000000FFFF00000100007F:69D9", Some("127.0.0.1:27097")),
            ("0100007F", None),
            ("0100007:69D9", None),
            ("0100007F00:69D9", None),
            ("0100007F:169D9", None),
            ("é100007F:69D9", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_address(text), expected.map(|address| address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_listener_of_our_own_is_found_with_pid_and_name() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(local).unwrap();
            match holder(listener.local_addr().unwrap()) {
                Holder::Process { pid, name } => assert_eq!((pid, name.is_empty()), (std::process::id(), false)),
                other => panic!("{local}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_client_of_our_own_is_known_as_such() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(local).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, from) = listener.accept().unwrap();
            assert_eq!(owner(from, server.local_addr().unwrap()), Owner::Ourselves, "{local}");
            drop(client);
            assert_eq!(owner(from, server.local_addr().unwrap()), Owner::Unknown, "{local}, closed");
        }
    }

    /// The client's line, the server's own of the same connection, and another connection to the same port.
    #[test]
    #[cfg(target_endian = "little")]
    fn whose_a_client_is_comes_from_its_own_end_of_the_connection() {
        let seen = |table: &str, uid: u32, inode: u32| {
            let proc = tempfile::tempdir().unwrap();
            fs::create_dir(proc.path().join("net")).unwrap();
            let (client, server) = match table {
                "net/tcp" => ("0100007F:C350", "0100007F:69D9"),
                _ => ("0000000000000000FFFF00000100007F:C350", "0000000000000000FFFF00000100007F:69D9"),
            };
            let text = format!(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                 \x20  0: {server} {client} 01 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 20\n\
                 \x20  1: 0100007F:C351 {server} 01 00000000:00000000 00:00000000 00000000  1002        0 42 1 0 20\n\
                 \x20  2: {client} {server} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0 20\n"
            );
            fs::write(proc.path().join(table), text).unwrap();
            owner_in(proc.path(), "127.0.0.1:50000".parse().unwrap(), "127.0.0.1:27097".parse().unwrap(), 1000)
        };
        for table in ["net/tcp", "net/tcp6"] {
            assert_eq!(seen(table, 1000, 7), Some(Owner::Ourselves), "{table}");
            assert_eq!(seen(table, 0, 7), Some(Owner::Ourselves), "{table}");
            assert_eq!(seen(table, 1001, 7), Some(Owner::Other { uid: 1001 }), "{table}");
            assert_eq!(seen(table, 65534, 7), None, "{table}");
            assert_eq!(seen(table, 0, 0), None, "{table}");
        }
    }

    /// A procfs as the kernel shows it when the holder belongs to another user, or is gone.
    #[test]
    #[cfg(target_endian = "little")]
    fn of_a_foreign_process_at_least_the_user_is_known() {
        let proc = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "net/tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  0: 0100007F:69D9 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 20\n\
             \x20  1: 0100007F:69D9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 42 1 0 20\n",
        );
        let address = "127.0.0.1:27097".parse().unwrap();
        assert_eq!(holder_in(proc.path(), address), Some(Holder::User { uid: 1001 }));
        assert_eq!(holder_in(proc.path(), "127.0.0.1:27098".parse().unwrap()), None);

        put("77/comm", "mongosh\n");
        fs::create_dir_all(proc.path().join("77/fd")).unwrap();
        symlink("socket:[42]", proc.path().join("77/fd/9")).unwrap();
        let holder = holder_in(proc.path(), address).unwrap();
        assert_eq!(holder, Holder::Process { pid: 77, name: "mongosh".into() });
        assert_eq!(holder.to_string(), "`mongosh` (process 77)");
        for name in ["mdb-login", "mdb-login-full"] {
            put("77/comm", &format!("{name}\n"));
            assert_eq!(holder_in(proc.path(), address), Some(Holder::Sibling { pid: 77 }));
        }
    }
}

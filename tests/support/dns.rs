//! A DNS server for the few records of a `mongodb+srv://` connection string (RFC 1035, RFC 2782): UDP, and TCP for answers
//! that do not fit. Resolvers ask on port 53 only, so it wants a network of its own.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Where it listens, for `resolv.conf`.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PORT: u16 = 53;

/// What UDP carries without EDNS (RFC 1035 §4.2.1).
const UDP_MAX: usize = 512;
const HEADER: usize = 12;

/// How the server takes questions of a name.
#[derive(Clone, Debug)]
enum Name {
    /// The data of its records, by type. It has no others.
    Records(BTreeMap<u16, Vec<Vec<u8>>>),
    /// Servers that cannot say.
    Failing,
    /// Nobody there.
    Silent,
}

/// The type of a record (RFC 1035 §3.2.2, RFC 2782).
mod kind {
    pub const A: u16 = 1;
    pub const TXT: u16 = 16;
    pub const SRV: u16 = 33;
}

type Zone = Arc<Mutex<BTreeMap<String, Name>>>;

/// A running server; it knows no name at first. Runs until the process ends.
pub struct Dns {
    zone: Zone,
}

impl Dns {
    pub fn start() -> Self {
        let zone = Zone::default();
        let udp = UdpSocket::bind((ADDRESS, PORT)).expect("port 53 is ours");
        let tcp = TcpListener::bind((ADDRESS, PORT)).expect("port 53 is ours");
        let theirs = Arc::clone(&zone);
        std::thread::spawn(move || serve_datagrams(&udp, &theirs));
        let theirs = Arc::clone(&zone);
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let zone = Arc::clone(&theirs);
                // Whatever ends a connection is the client's to notice.
                std::thread::spawn(move || drop(serve_stream(stream, &zone)));
            }
        });
        Self { zone }
    }

    /// Says that `name` has this address.
    pub fn a(&self, name: &str, address: Ipv4Addr) {
        self.add(name, kind::A, [address.octets().to_vec()]);
    }

    /// Lists the servers of `mongodb+srv://NAME`: host and port, in this order.
    pub fn srv<'a>(&self, name: &str, targets: impl IntoIterator<Item = (&'a str, u16)>) {
        let data = targets.into_iter().map(|(host, port)| {
            let (priority, weight) = (0_u16, 0_u16);
            [priority, weight, port].iter().flat_map(|number| number.to_be_bytes()).chain(encoded(host)).collect()
        });
        self.add(&format!("_mongodb._tcp.{name}"), kind::SRV, data);
    }

    /// Adds a text, of at most 255 bytes, to `name`.
    pub fn txt(&self, name: &str, text: &str) {
        let length = u8::try_from(text.len()).expect("a text of one string");
        self.add(name, kind::TXT, [[&[length], text.as_bytes()].concat()]);
    }

    /// Has every question about the servers of `mongodb+srv://NAME` fail (SERVFAIL).
    pub fn fail(&self, name: &str) {
        self.lock().insert(format!("_mongodb._tcp.{name}"), Name::Failing);
    }

    /// Leaves every question about the servers of `mongodb+srv://NAME` without an answer.
    pub fn ignore(&self, name: &str) {
        self.lock().insert(format!("_mongodb._tcp.{name}"), Name::Silent);
    }

    fn add(&self, name: &str, kind: u16, data: impl IntoIterator<Item = Vec<u8>>) {
        let mut zone = self.lock();
        let known = zone.entry(name.to_owned()).or_insert_with(|| Name::Records(BTreeMap::new()));
        let Name::Records(records) = known else { panic!("`{name}` does not answer") };
        records.entry(kind).or_default().extend(data);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Name>> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve_datagrams(socket: &UdpSocket, zone: &Zone) {
    let mut query = [0; UDP_MAX];
    while let Ok((length, client)) = socket.recv_from(&mut query) {
        let Some(mut reply) = answer(&query[..length], zone) else { continue };
        if reply.len() > UDP_MAX {
            // The resolver comes back over TCP.
            reply.truncate(HEADER + question_length(&query[..length]));
            reply[2] |= 0x02;
            reply[6..8].fill(0);
        }
        let _ = socket.send_to(&reply, client);
    }
}

/// Each message has its length before it (RFC 1035 §4.2.2).
fn serve_stream(mut stream: TcpStream, zone: &Zone) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let Some(reply) = answer(&query, zone) else { return Ok(()) };
        let length = u16::try_from(reply.len()).expect("an answer that TCP can carry");
        stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())?;
    }
}

/// The reply to a query of one question; `None` where there is to be none.
fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let question = &query[HEADER..HEADER + question_length(query)];
    let (name, kind) = question.split_at(question.len() - 4);
    let kind = u16::from_be_bytes([kind[0], kind[1]]);
    let known = zone.lock().unwrap_or_else(PoisonError::into_inner).get(&decoded(name)).cloned();
    let (code, records) = match known {
        Some(Name::Records(mut records)) => (0, records.remove(&kind).unwrap_or_default()),
        Some(Name::Failing) => (2, Vec::new()),
        Some(Name::Silent) => return None,
        None => (3, Vec::new()),
    };
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    // A response, authoritative, recursion as asked for and available.
    let flags = [0x84 | query[2] & 0x01, 0x80 | code];
    let mut reply = [&query[..2], &flags, &[0, 1], &count, &[0; 4], question].concat();
    for data in records {
        // The name is the question's; IN; an hour.
        reply.extend([0xc0, HEADER as u8]);
        reply.extend([kind, 1, 0, 3600, u16::try_from(data.len()).unwrap()].iter().flat_map(|n| n.to_be_bytes()));
        reply.extend(data);
    }
    Some(reply)
}

/// The bytes of the first question: its name, type and class.
fn question_length(query: &[u8]) -> usize {
    let mut end = HEADER;
    while query[end] != 0 {
        end += 1 + usize::from(query[end]);
    }
    end + 1 + 4 - HEADER
}

/// A name as labels, each with its length before it.
fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// The reverse, in lower case, since resolvers may mix it.
fn decoded(mut bytes: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((&length, rest)) = bytes.split_first().filter(|(length, _)| **length > 0) {
        let (label, after) = rest.split_at(length.into());
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        bytes = after;
    }
    labels.join(".")
}

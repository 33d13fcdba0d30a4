//! HTTP/1.1 by hand, blocking, one request a connection: nothing between a test and the bytes.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use url::Url;

/// How long to wait for anything. Final pages may be held back while a token is fetched, so not too short.
const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub status: u16,
    /// Lower-case names, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Exchange {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A plain GET, as a program does it: no redirects, no cookies, none of a browser's headers.
pub fn get(url: &str) -> Exchange {
    send("GET", &Url::parse(url).unwrap(), &[], None).unwrap()
}

/// A plain POST of a form.
pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Exchange {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    send("POST", &Url::parse(url).unwrap(), &headers, Some(body.as_bytes())).unwrap()
}

/// Sends one request and reads its answer to the end.
pub fn send(method: &str, url: &Url, headers: &[(String, String)], body: Option<&[u8]>) -> io::Result<Exchange> {
    let mut head = format!("{method} {}", &url[url::Position::BeforePath..url::Position::AfterQuery]);
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    head.push_str(&format!(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let bytes = [head.as_bytes(), body.unwrap_or_default()].concat();
    parse(&exchange(connect(url)?, &bytes)?)
}

/// Writes any bytes at all to `address`, and gives what came back until the other side closed, or went quiet for
/// `patience`.
pub fn raw(address: SocketAddr, bytes: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    exchange(stream, bytes)
}

/// IPv6 before IPv4 for `localhost`, as browsers do it: a client that listens on one of them only shall be found out.
fn connect(url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().ok_or(ErrorKind::InvalidInput)?;
    let hosts: &[&str] = match url.host_str() {
        Some("localhost") => &["::1", "127.0.0.1"],
        Some("127.0.0.1") => &["127.0.0.1"],
        Some("[::1]") => &["::1"],
        other => return Err(io::Error::other(format!("{other:?} is not on loopback"))),
    };
    let mut failure = io::Error::from(ErrorKind::InvalidInput);
    for host in hosts {
        let address = SocketAddr::new(host.parse().map_err(io::Error::other)?, port);
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn exchange(mut stream: TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    // The other side may answer and close before it has read everything; its answer counts all the same.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() && error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(answer),
    }
}

fn parse(answer: &[u8]) -> io::Result<Exchange> {
    let broken = |why: &str| io::Error::new(ErrorKind::InvalidData, why.to_owned());
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| broken("no complete answer"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut exchange =
        Exchange { status: status.ok_or_else(|| broken("no status line"))?, headers, body: answer[end + 4..].to_vec() };
    if exchange.header("transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
        exchange.body = unchunk(&exchange.body).ok_or_else(|| broken("chunked body cut short"))?;
    } else if let Some(promised) = exchange.header("content-length").and_then(|length| length.parse().ok()) {
        if exchange.body.len() < promised {
            return Err(broken("body cut short"));
        }
        exchange.body.truncate(promised);
    }
    Ok(exchange)
}

/// RFC 9112 §7.1, without trailers.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

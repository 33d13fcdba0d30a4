//! Where no platform is, and what may stand in front of one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lock;

/// An address where connections are neither taken nor refused, as a metadata address is outside of its cloud: a port whose
/// queue is full. Linux drops what comes then.
pub struct Blackhole {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Blackhole {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
            assert!(waiting.len() < 10_000, "the queue of a listening port does not fill up");
        }
        Self { listener, _waiting: waiting }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// A proxy that serves nobody and writes down what each wanted.
pub struct Recorder {
    port: Port,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seen);
        let port = Port::open(move |mut stream| {
            lock(&theirs).push(head(&mut stream).lines().next().unwrap_or_default().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        });
        Self { port, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.port.address)
    }

    /// The first line of every request so far.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }
}

/// Something that passes requests without a body on to a platform, and changes their heads on the way.
pub struct Relay(Port);

impl Relay {
    /// `change` gets all lines of a head, each with its end, and the empty one that closes it.
    pub fn start(platform: SocketAddr, change: fn(&str) -> String) -> Self {
        Self(Port::open(move |mut program| {
            // One request for each connection: the end of the answer is then the end of the platform's connection.
            let head = change(&head(&mut program)).replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
            let Ok(mut platform) = TcpStream::connect(platform) else { return };
            let _ = platform.write_all(head.as_bytes());
            let _ = std::io::copy(&mut platform, &mut program);
        }))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}

/// A port that serves one connection after the other, on a thread of its own. Closed when dropped.
struct Port {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn open(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    serve(stream);
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request's head, up to its empty line.
fn head(stream: &mut TcpStream) -> String {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

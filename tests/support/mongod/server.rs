//! Connections: taken, perhaps wrapped in TLS, and served by a thread each.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::{ServerConnection, StreamOwned};

use super::authentication::Session;
use super::behaviour::{Behaviour, Manner};
use super::commands::{self, Reply};
use super::jwks::KeySets;
use super::state::State;
use super::{certificate, wire};

/// Everything that the connections and the test share.
pub(super) struct Shared {
    pub address: SocketAddr,
    behaviour: Mutex<Behaviour>,
    state: Mutex<State>,
    keys: Mutex<KeySets>,
}

impl Shared {
    pub fn new(address: SocketAddr, behaviour: Behaviour) -> Self {
        Self { address, behaviour: Mutex::new(behaviour), state: Mutex::default(), keys: Mutex::default() }
    }

    // A test that panics while it holds a lock must not make every other thread panic for it.
    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lock of its own: fetching keys takes a while.
    pub fn keys(&self) -> MutexGuard<'_, KeySets> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes [`run`] return.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.disconnect_all();
        drop(state);
        // The thread waits in accept. Should this fail, nobody listens any more, which is what is wanted.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection, and who it belongs to.
pub(super) struct Connection {
    pub shared: Arc<Shared>,
    /// Counted from 1, as in the server's log.
    pub number: i32,
    pub session: Session,
}

impl Connection {
    /// Unix seconds by the server's clock.
    pub fn now(&self, behaviour: &Behaviour) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + behaviour.clock_ahead as f64
    }
}

/// Serves until [`Shared::stop`].
pub(super) fn run(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let mut state = shared.state();
        if state.stopped {
            return;
        }
        state.counters.connections += 1;
        let number = state.counters.connections as i32;
        state.connections.insert(number, stream.try_clone().unwrap());
        drop(state);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // Whatever ends a connection is the client's to notice.
            let _ = take(&shared, number, &stream);
            shared.state().connections.remove(&number);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn take(shared: &Arc<Shared>, number: i32, mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (manner, tls) = {
        let behaviour = shared.behaviour();
        (behaviour.manner, behaviour.tls.clone())
    };
    match manner {
        Manner::Dead => return io::copy(&mut stream, &mut io::sink()).map(drop),
        Manner::Http => return refuse_as_http(stream),
        Manner::Prompt | Manner::Slow(_) => {}
    }
    let connection = Connection { shared: Arc::clone(shared), number, session: Session::default() };
    match tls {
        None => converse(connection, stream),
        Some(names) => {
            let tls = ServerConnection::new(certificate::server(&names)).map_err(io::Error::other)?;
            converse(connection, StreamOwned::new(tls, stream))
        }
    }
}

fn converse(mut connection: Connection, mut stream: impl Read + Write) -> io::Result<()> {
    loop {
        let is_stranger = connection.session.user().is_none();
        let max = if is_stranger { wire::MESSAGE_MAX_OF_STRANGERS } else { wire::MESSAGE_MAX };
        let Some(request) = wire::read(&mut stream, max)? else { return Ok(()) };
        let manner = connection.shared.behaviour().manner;
        if let Manner::Slow(pause) = manner {
            std::thread::sleep(pause);
        }
        match commands::answer(&mut connection, &request) {
            Reply::Document(answer) => wire::write(&mut stream, &request, &answer)?,
            Reply::Bytes(bytes) => {
                stream.write_all(&bytes)?;
                return stream.flush();
            }
            Reply::Silence => {}
            Reply::Close => return Ok(()),
        }
    }
}

fn refuse_as_http(mut stream: &TcpStream) -> io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    let answer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    writeln!(stream, "{answer}Bad Request")
}

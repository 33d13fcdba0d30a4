//! Connections: taken, perhaps wrapped in TLS, and served by a thread each.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bson::oid::ObjectId;
use rustls::{ServerConnection, StreamOwned};

use super::authentication::Session;
use super::behaviour::{Behaviour, Manner};
use super::commands::{self, Reply};
use super::jwks::KeySets;
use super::state::State;
use super::{certificate, hello, wire};

/// Everything that the connections and the test share.
pub(super) struct Shared {
    pub address: SocketAddr,
    /// Which process this is, for clients that wait for a change.
    pub process: ObjectId,
    behaviour: Mutex<Behaviour>,
    state: Mutex<State>,
    keys: Mutex<KeySets>,
}

impl Shared {
    pub fn new(address: SocketAddr, behaviour: Behaviour) -> Self {
        let behaviour = Mutex::new(behaviour);
        Self { address, process: ObjectId::new(), behaviour, state: Mutex::default(), keys: Mutex::default() }
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
        None => converse(connection, stream, stream),
        Some(names) => {
            let tls = ServerConnection::new(certificate::server(&names)).map_err(io::Error::other)?;
            converse(connection, StreamOwned::new(tls, stream), stream)
        }
    }
}

/// `socket` is what carries `stream`.
fn converse(mut connection: Connection, mut stream: impl Read + Write, socket: &TcpStream) -> io::Result<()> {
    loop {
        let is_stranger = connection.session.user().is_none();
        let max = if is_stranger { wire::MESSAGE_MAX_OF_STRANGERS } else { wire::MESSAGE_MAX };
        let Some(request) = wire::read(&mut stream, max)? else { return Ok(()) };
        let manner = connection.shared.behaviour().manner;
        if let Manner::Slow(pause) = manner {
            std::thread::sleep(pause);
        }
        let mut more = true;
        while more {
            let waits = hello::waits(&connection.shared, &request);
            let undisturbed = waits.map(|pause| silent_for(socket, pause)).transpose()?;
            match commands::answer(&mut connection, &request) {
                Reply::Document(answer) => {
                    let good = answer.get_f64("ok").is_ok_and(|ok| ok == 1.0);
                    more = good && request.kind == wire::Kind::Exhaust && undisturbed == Some(true);
                    wire::write(&mut stream, &request, &answer, more)?;
                }
                Reply::Bytes(bytes) => {
                    stream.write_all(&bytes)?;
                    return stream.flush();
                }
                Reply::Silence => more = false,
                Reply::Close => return Ok(()),
            }
        }
    }
}

/// Waits for as long as nothing comes from the client, not even the end; `false` if something did.
fn silent_for(socket: &TcpStream, pause: Duration) -> io::Result<bool> {
    // None at all would be no limit.
    socket.set_read_timeout(Some(pause.max(Duration::from_millis(1))))?;
    let heard = socket.peek(&mut [0]);
    socket.set_read_timeout(None)?;
    match heard {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
        Err(error) => Err(error),
    }
}

fn refuse_as_http(mut stream: &TcpStream) -> io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    let answer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    writeln!(stream, "{answer}Bad Request")
}

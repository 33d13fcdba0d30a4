//! A MongoDB client by hand, blocking, which shares no line with the server: nothing between a test and the bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};

use crate::support::mongod::Mongod;

const OP_MSG: i32 = 2013;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

pub struct Client(Box<dyn Stream>);

impl Client {
    pub fn connect(server: &Mongod) -> Self {
        Self::connect_with_patience(server, PATIENCE)
    }

    pub fn connect_with_patience(server: &Mongod, patience: Duration) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        Self::over(stream)
    }

    pub fn over(stream: impl Stream + 'static) -> Self {
        Self(Box::new(stream))
    }

    /// Runs a command on a database.
    pub fn run(&mut self, database: &str, mut command: Document) -> Document {
        command.insert("$db", database);
        self.message(0, &section(&command)).unwrap()
    }

    /// Sends an OP_MSG with these flags and this body, and reads the answer.
    pub fn message(&mut self, flags: u32, body: &[u8]) -> io::Result<Document> {
        self.send(OP_MSG, &[&flags.to_le_bytes(), body].concat())?;
        self.receive()
    }

    /// Sends a message of any kind.
    pub fn send(&mut self, opcode: i32, body: &[u8]) -> io::Result<()> {
        let length = i32::try_from(16 + body.len()).unwrap();
        let header = [length, 77, 0, opcode].map(i32::to_le_bytes).concat();
        self.raw(&[&header, body].concat())
    }

    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads an answer and checks its framing.
    pub fn receive(&mut self) -> io::Result<Document> {
        let (header, body) = self.receive_bytes()?;
        assert_eq!(header, [16 + body.len() as i32, header[1], 77, OP_MSG]);
        assert_eq!(&body[..5], &[0; 5], "flags and the kind of the one section");
        Ok(Document::from_reader(&body[5..]).unwrap())
    }

    /// Length, request id, response to and opcode; then the rest.
    pub fn receive_bytes(&mut self) -> io::Result<([i32; 4], Vec<u8>)> {
        let mut header = [[0; 4]; 4];
        self.0.read_exact(header.as_flattened_mut())?;
        let header = header.map(i32::from_le_bytes);
        let mut body = vec![0; usize::try_from(header[0]).unwrap() - 16];
        self.0.read_exact(&mut body)?;
        Ok((header, body))
    }

    /// What comes until the server closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub fn sasl_start(&mut self, step: &Document) -> Document {
        self.run("$external", sasl_start(step))
    }

    pub fn sasl_continue(&mut self, step: &Document) -> Document {
        self.run("$external", doc! { "saslContinue": 1, "conversationId": 1, "payload": binary(step) })
    }

    /// Signs in with a token, in one step.
    pub fn present(&mut self, token: &str) -> Document {
        self.sasl_start(&doc! { "jwt": token })
    }
}

/// A section of kind 0.
pub fn section(document: &Document) -> Vec<u8> {
    [vec![0], document.to_vec().unwrap()].concat()
}

pub fn sasl_start(step: &Document) -> Document {
    doc! { "saslStart": 1, "mechanism": "MONGODB-OIDC", "payload": binary(step) }
}

pub fn binary(step: &Document) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: step.to_vec().unwrap() }
}

/// The document in an answer's `payload`.
pub fn payload(answer: &Document) -> Document {
    Document::from_reader(answer.get_binary_generic("payload").unwrap().as_slice()).unwrap()
}

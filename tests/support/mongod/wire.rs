//! The wire protocol: OP_MSG, and the OP_QUERY that some drivers still greet with.
//!
//! All integers are little-endian. A message is a header of 16 bytes (length, request id, response to, opcode) and a body.

use std::io::{self, Cursor, ErrorKind, Read, Write};

use bson::{Bson, Document};

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// OP_MSG's flags. An unknown one among the lower 16 has to be refused.
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;
const KNOWN_REQUIRED: u32 = CHECKSUM_PRESENT | MORE_TO_COME;

/// `maxMessageSizeBytes` of hello.
pub(super) const MESSAGE_MAX: i32 = 48_000_000;

/// Server parameter `preAuthMaximumMessageSizeBytes`: the limit for those who have not signed in.
pub(super) const MESSAGE_MAX_OF_STRANGERS: i32 = 16 * 1024;

/// A command as it came.
pub(super) struct Request {
    id: i32,
    pub kind: Kind,
    /// The command with its arguments; document sequences have become arrays.
    pub body: Document,
}

impl Request {
    /// The command's name.
    pub fn name(&self) -> &str {
        self.body.keys().next().map_or("", String::as_str)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    /// `exhaustAllowed`: the client takes several answers, each of which says whether another one comes.
    Exhaust,
    /// `moreToCome`: the client does not want to hear of it.
    Unanswered,
    /// OP_QUERY on a `$cmd` collection.
    Query,
}

/// Reads the next command, of at most so many bytes; `None` if the client has closed the connection.
pub(super) fn read(stream: &mut impl Read, max: i32) -> io::Result<Option<Request>> {
    let mut header = [0; 16];
    match stream.read_exact(&mut header) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut fields = Cursor::new(header);
    let (length, id) = (int(&mut fields)?, int(&mut fields)?);
    let (response_to, opcode) = (int(&mut fields)?, int(&mut fields)?);
    // Clients respond to nothing. So the real server knows a TLS handshake, whose length would have it wait for 30 MB.
    if !matches!(response_to, 0 | -1) {
        return Err(broken("response to"));
    }
    if !(16..=max).contains(&length) {
        return Err(broken("message length"));
    }
    let mut body = vec![0; length as usize - header.len()];
    stream.read_exact(&mut body)?;
    let (kind, body) = match opcode {
        OP_MSG => message(&body)?,
        OP_QUERY => (Kind::Query, query(&body)?),
        // Compression has not been agreed on; everything else is gone since 5.1.
        _ => return Err(broken("opcode")),
    };
    Ok(Some(Request { id, kind, body }))
}

/// Writes an answer to `request`, in the form in which that came; `more` if it is not the last one.
pub(super) fn write(stream: &mut impl Write, request: &Request, answer: &Document, more: bool) -> io::Result<()> {
    let (opcode, mut body) = match request.kind {
        Kind::Unanswered => return Ok(()),
        // Flags, one section of kind 0.
        Kind::Message | Kind::Exhaust => {
            let flags = if more { MORE_TO_COME } else { 0 };
            (OP_MSG, [&flags.to_le_bytes()[..], &[0]].concat())
        }
        // Flags (AwaitCapable, as always), cursor id, starting from, one document.
        Kind::Query => {
            let head = [&8_i32.to_le_bytes()[..], &0_i64.to_le_bytes(), &0_i32.to_le_bytes(), &1_i32.to_le_bytes()];
            (OP_REPLY, head.concat())
        }
    };
    answer.to_writer(&mut body).map_err(io::Error::other)?;
    let length = i32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(16 + body.len());
    // Each answer of several is to the one before it, which the same id says as well.
    for field in [length, request.id, request.id, opcode] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.append(&mut body);
    stream.write_all(&bytes)?;
    stream.flush()
}

fn message(body: &[u8]) -> io::Result<(Kind, Document)> {
    let mut rest = Cursor::new(body);
    let flags = int(&mut rest)? as u32;
    if flags & 0xffff & !KNOWN_REQUIRED != 0 {
        return Err(broken("flags"));
    }
    // The checksum may be left unlooked at, for TCP has one.
    let checksum = if flags & CHECKSUM_PRESENT == 0 { 0 } else { 4 };
    let end = body.len().checked_sub(checksum).ok_or_else(|| broken("checksum"))?;
    let mut rest = Cursor::new(&body[4..end]);
    let (mut command, mut sequences) = (None, Vec::new());
    while (rest.position() as usize) < rest.get_ref().len() {
        match byte(&mut rest)? {
            0 if command.is_none() => command = Some(document(&mut rest)?),
            1 => sequences.push(sequence(&mut rest)?),
            _ => return Err(broken("section")),
        }
    }
    let mut command = command.ok_or_else(|| broken("no body section"))?;
    for (name, documents) in sequences {
        if command.insert(name, documents).is_some() {
            return Err(broken("an argument that is there twice"));
        }
    }
    let kind = match (flags & MORE_TO_COME, flags & EXHAUST_ALLOWED) {
        (0, 0) => Kind::Message,
        (0, _) => Kind::Exhaust,
        _ => Kind::Unanswered,
    };
    Ok((kind, command))
}

/// A section of kind 1: size, name, and documents up to the size.
fn sequence(rest: &mut Cursor<&[u8]>) -> io::Result<(String, Bson)> {
    let start = rest.position();
    let size = u64::try_from(int(rest)?).map_err(|_| broken("section size"))?;
    let (name, mut documents) = (c_string(rest)?, Vec::new());
    while rest.position() < start + size {
        documents.push(Bson::Document(document(rest)?));
    }
    if rest.position() == start + size { Ok((name, Bson::Array(documents))) } else { Err(broken("section size")) }
}

fn query(body: &[u8]) -> io::Result<Document> {
    let mut rest = Cursor::new(body);
    let _flags = int(&mut rest)?;
    let collection = c_string(&mut rest)?;
    let (_skip, _return) = (int(&mut rest)?, int(&mut rest)?);
    let database = collection.strip_suffix(".$cmd").ok_or_else(|| broken("a query that is no command"))?;
    let mut command = document(&mut rest)?;
    // Drivers wrap a command to add a read preference.
    if let Some(Bson::Document(wrapped)) = command.remove("$query") {
        command = wrapped;
    }
    command.insert("$db", database);
    Ok(command)
}

fn document(rest: &mut Cursor<&[u8]>) -> io::Result<Document> {
    Document::from_reader(rest).map_err(io::Error::other)
}

fn c_string(rest: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        match byte(rest)? {
            0 => return String::from_utf8(bytes).map_err(|_| broken("a name that is not UTF-8")),
            other => bytes.push(other),
        }
    }
}

fn byte(rest: &mut impl Read) -> io::Result<u8> {
    let mut one = [0];
    rest.read_exact(&mut one)?;
    Ok(one[0])
}

fn int(rest: &mut impl Read) -> io::Result<i32> {
    let mut four = [0; 4];
    rest.read_exact(&mut four)?;
    Ok(i32::from_le_bytes(four))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

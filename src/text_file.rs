//! Text files that people write: read whole and within bounds, with each mistake named by file, line and column.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::open_file::{self, Links};
use crate::ui::foreign;

/// More than anybody writes by hand, little enough to read at every start.
pub const MAX_BYTES: u64 = 1 << 20;

/// The text of a file, and what it is called in messages.
pub struct TextFile {
    name: String,
    text: String,
}

impl TextFile {
    /// Reads a file; `-` is stdin.
    ///
    /// # Errors
    /// `Kind::Config`, naming the file.
    pub fn read(path: &Path) -> Result<Self> {
        let is_stdin = path.as_os_str() == "-";
        let name = if is_stdin { "stdin".to_owned() } else { foreign(&path.to_string_lossy()) };
        let failed = |error: io::Error| Error::new(Kind::Config, format!("cannot read `{name}`")).because(error);
        if is_stdin {
            return Self::decode(name.clone(), bytes(io::stdin().lock()).map_err(failed)?);
        }
        let file = open(path).map_err(failed)?;
        if let Some(what) = what_else(&file).map_err(failed)? {
            return Err(Error::new(Kind::Config, format!("cannot read `{name}`: {what}")));
        }
        Self::decode(name.clone(), bytes(file).map_err(failed)?)
    }

    /// Takes bytes as UTF-8 text; a byte order mark is dropped.
    pub fn decode(name: String, bytes: Vec<u8>) -> Result<Self> {
        let mut file = Self { name, text: String::new() };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(file.refusal("is larger than 1 MiB"));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(file.refusal("is written in UTF-16").hint("save it as UTF-8"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => file.text = text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                file.text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                return Err(file.error(valid, "this is not UTF-8"));
            }
        }
        if file.text.starts_with('\u{feff}') {
            file.text.remove(0);
        }
        if let Some(offset) = file.text.find('\0') {
            return Err(file.error(offset, "this is a NUL byte, not text"));
        }
        Ok(file)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, counted in characters from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// A refusal of what stands at `offset`: `file:line:column: why`.
    pub fn error(&self, offset: usize, why: impl AsRef<str>) -> Error {
        let (line, column) = self.position(offset);
        Error::new(Kind::Config, format!("{}:{line}:{column}: {}", self.name, why.as_ref()))
    }

    fn refusal(&self, why: &str) -> Error {
        Error::new(Kind::Config, format!("`{}` {why}", self.name))
    }
}

/// Opens for reading, never waiting for a writer at the other end.
pub fn open(path: &Path) -> io::Result<File> {
    open_file::open(path, OpenOptions::new().read(true), Links::Follow)
}

/// What an open file is, if it is no regular file. Judged by what was opened: nobody can put another in its place between
/// check and use.
pub fn what_else(file: &File) -> io::Result<Option<&'static str>> {
    let metadata = file.metadata()?;
    Ok(match (metadata.is_dir(), metadata.is_file()) {
        (true, _) => Some("it is a folder"),
        (_, false) => Some("it is not a regular file"),
        (_, true) => None,
    })
}

/// Everything, but one byte more than the limit at most.
pub fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

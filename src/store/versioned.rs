//! The text form of everything that is kept: JSON with a version `v`, which comes first (KWallet keeps nothing but UTF-8).
//!
//! serde's own error texts never leave this file, because they quote the value that did not fit, which may be a secret.

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use zeroize::Zeroizing;

use super::trouble::Trouble;

/// The version that is written. A reader takes this one and refuses later ones.
const VERSION: u32 = 1;

/// How everything begins that has this version.
const BEGINNING: &[u8] = br#"{"v":1,"#;

/// Enough for all of a record but its secrets.
const ROOM: usize = 8 * 1024;

/// Writes a record, with `secrets` bytes of secrets in it, into one buffer that is large enough from the start: growing
/// would leave copies of the secrets behind.
pub(super) fn write(record: &impl Serialize, secrets: usize) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        v: u32,
        #[serde(flatten)]
        record: &'a T,
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(secrets + ROOM));
    serde_json::to_writer(&mut *bytes, &Versioned { v: VERSION, record }).map_err(Trouble::refused)?;
    Ok(bytes)
}

/// Reads a record; refuses what a later version wrote, and what has no version. `item` names the place in errors, which
/// tell where it broke, never what stood there.
pub(super) fn read<T: DeserializeOwned>(item: &str, bytes: &[u8]) -> Result<T, Trouble> {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    // By itself and first: a later version may look altogether different.
    match parse::<Version>(item, bytes)?.v {
        VERSION => parse(item, bytes),
        0 => Err(Trouble::Damaged { item: item.to_owned(), why: "its version is 0".into() }),
        _ => Err(Trouble::Newer { item: item.to_owned() }),
    }
}

/// Reads in one pass what may as well not be there; `None` for what is not as [`write`] writes it.
pub(super) fn read_cached<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    // The version is always written first, so its check costs no second parse.
    bytes.starts_with(BEGINNING).then(|| serde_json::from_slice(bytes).ok()).flatten()
}

fn parse<'de, T: Deserialize<'de>>(item: &str, bytes: &'de [u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = format!("not the expected JSON at line {}, column {}", error.line(), error.column());
        Trouble::Damaged { item: item.to_owned(), why }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Kept<'a> {
        name: String,
        inner: Option<&'a str>,
    }

    /// What earlier programs have written is read, and what is written now is read by them: byte for byte.
    #[test]
    fn the_version_comes_first_and_the_record_as_it_is() {
        let kept = Kept { name: "é\n".into(), inner: None };
        let bytes = write(&kept, 0).unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), r#"{"v":1,"name":"é\n","inner":null}"#);
        assert_eq!(read_cached::<Kept<'_>>(&bytes), Some(kept));
    }

    #[test]
    fn the_buffer_never_grows() {
        let secret = "s".repeat(3 * ROOM);
        let bytes = write(&Kept { name: String::new(), inner: Some(&secret) }, secret.len()).unwrap();
        assert_eq!(bytes.capacity(), secret.len() + ROOM);
    }
}

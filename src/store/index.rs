//! What can be told about a session without touching a keyring: no secret, one small file a session.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::key::{SessionId, SessionKey};
use super::trouble::Trouble;
use super::{Backend, SessionRecord, folder, versioned};
use crate::error::{Error, Result};

/// A session as `status` shows it, and what keeps callers from asking the provider in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    pub key: SessionKey,
    /// Where the refresh token is.
    pub backend: Backend,
    pub subject: String,
    pub name: Option<String>,
    /// Unix seconds.
    pub signed_in_at: u64,
    /// Unix seconds.
    pub renewed_at: u64,
    /// Unix seconds.
    pub access_expires_at: u64,
    /// There is a refresh token.
    #[serde(default = "yes")]
    pub renewable: bool,
    /// The provider refused the session for good; nobody else needs to present the dead token.
    pub ended: Option<Ended>,
    /// The provider asked to be left alone until then (`Retry-After`). Unix seconds.
    pub not_before: Option<u64>,
    /// [`super::SessionRecord::generation`] that this describes.
    pub generation: u64,
}

impl IndexEntry {
    /// The entry of a session that has just begun.
    pub fn new(key: &SessionKey, record: &SessionRecord, backend: Backend, access_expires_at: u64) -> Self {
        Self {
            key: key.clone(),
            backend,
            subject: record.subject.clone(),
            name: record.name.clone(),
            signed_in_at: record.signed_in_at,
            renewed_at: record.renewed_at,
            access_expires_at,
            renewable: record.refresh_token.is_some(),
            ended: None,
            not_before: None,
            generation: record.generation,
        }
    }
}

fn yes() -> bool {
    true
}

/// When and why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Unix seconds.
    pub at: u64,
    pub reason: String,
}

/// All sessions of a state folder.
#[derive(Debug, Default)]
pub struct Index {
    /// In the order of their ids.
    pub entries: Vec<(SessionId, IndexEntry)>,
    /// Files that could not be read, each with its reason; they are no obstacle to the others.
    pub unreadable: Vec<(SessionId, Error)>,
}

/// Reads one session's entry; `None` if there is none.
pub fn read(state_dir: &Path, id: &SessionId) -> Result<Option<IndexEntry>, Trouble> {
    let Some(folder) = folder::sessions_if_any(state_dir)? else { return Ok(None) };
    read_file(&folder.join(file_name(id)))
}

/// Writes one session's entry as a whole.
pub fn write(state_dir: &Path, id: &SessionId, entry: &IndexEntry) -> Result<()> {
    let path = folder::sessions(state_dir)?.join(file_name(id));
    Ok(folder::write(&path, &versioned::write(entry, 0)?)?)
}

/// Removes one session's entry; one that is not there is fine.
pub fn remove(state_dir: &Path, id: &SessionId) -> Result<()> {
    let Some(folder) = folder::sessions_if_any(state_dir)? else { return Ok(()) };
    Ok(folder::remove(&folder.join(file_name(id)))?)
}

/// Reads the entries of all sessions.
pub fn all(state_dir: &Path) -> Result<Index> {
    let Some(folder) = folder::sessions_if_any(state_dir)? else { return Ok(Index::default()) };
    let list = std::fs::read_dir(&folder).map_err(|error| Trouble::file("list", &folder, error))?;
    let mut ids: Vec<SessionId> =
        list.flatten().filter_map(|file| SessionId::parse(file.file_name().to_str()?.strip_suffix(".json")?)).collect();
    ids.sort_unstable();

    let mut index = Index::default();
    for id in ids {
        match read_file(&folder.join(file_name(&id))) {
            Ok(Some(entry)) => index.entries.push((id, entry)),
            Ok(None) => {} // Signed out while we looked.
            Err(trouble) => index.unreadable.push((id, trouble.into())),
        }
    }
    Ok(index)
}

fn file_name(id: &SessionId) -> String {
    format!("{id}.json")
}

fn read_file(path: &Path) -> Result<Option<IndexEntry>, Trouble> {
    let Some(bytes) = folder::read(path)? else { return Ok(None) };
    versioned::read(&format!("`{}`", super::trouble::shown(path)), &bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::key;
    use super::*;

    fn entry(account: &str) -> IndexEntry {
        IndexEntry {
            key: SessionKey { account: Some(account.into()), ..key() },
            backend: Backend::Kernel,
            subject: "00u1".into(),
            name: None,
            signed_in_at: 1,
            renewed_at: 2,
            access_expires_at: 3,
            renewable: true,
            ended: Some(Ended { at: 4, reason: "invalid_grant".into() }),
            not_before: Some(5),
            generation: 6,
        }
    }

    #[test]
    fn entries_come_back_and_the_unreadable_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert_eq!((all(&state).unwrap().entries.len(), read(&state, &key().id()).unwrap()), (0, None));
        remove(&state, &key().id()).unwrap();
        assert!(!state.exists(), "a look made a folder");

        let mut expected: Vec<_> = ["ada", "bob", "eve"].map(|name| (entry(name).key.id(), entry(name))).into();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, entry) in &expected {
            write(dir.path(), id, entry).unwrap();
        }
        let folder = dir.path().join("sessions");
        folder::write(&folder.join(format!("{}.json", "a".repeat(32))), b"{").unwrap();
        folder::write(&folder.join(format!("{}.json", "b".repeat(32))), br#"{"v":2}"#).unwrap();
        folder::write(&folder.join("notes.json"), b"{}").unwrap();
        folder::write(&folder.join(format!("{}.secret", "c".repeat(32))), b"{}").unwrap();

        let index = all(dir.path()).unwrap();
        assert_eq!(index.entries, expected);
        let messages: Vec<_> = index.unreadable.iter().map(|(_, error)| error.message()).collect();
        assert_eq!(messages.len(), 2);
        assert!(messages[0].contains("damaged") && messages[1].contains("newer"), "{messages:?}");

        let (id, one) = &expected[0];
        assert_eq!(read(dir.path(), id).unwrap().as_ref(), Some(one));
        remove(dir.path(), id).unwrap();
        assert_eq!(read(dir.path(), id).unwrap(), None);
    }
}

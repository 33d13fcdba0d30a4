//! The store of last choice: files that every program of the same user can read. Only when asked for.
//!
//! A write is atomic (temporary file, fsync, rename, fsync of the folder), so no older generation is kept: it would
//! be one more place for a refresh token, and a rotated one is of no use.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::folder;
use super::trouble::Trouble;

pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn open(state_dir: &Path) -> Result<Self, Trouble> {
        Ok(Self { folder: folder::sessions(state_dir)? })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
        folder::read(&self.path(name))
    }

    pub(super) fn set(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        folder::write(&self.path(name), bytes)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Trouble> {
        folder::remove(&self.path(name))
    }
}

//! One item in one store: what it is called there, and the three things that can be done with it.

use zeroize::Zeroizing;

use super::file::Files;
#[cfg(target_os = "linux")]
use super::kernel;
use super::key::SessionId;
use super::keyring::Keyring;
use super::trouble::Trouble;

/// What an item holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Slot {
    /// The session record, with the refresh token.
    Session,
    /// The access token, where the kernel keyring cannot cache it.
    Access,
    /// A trial write; one a process, so that two trials do not meet.
    Probe(u32),
}

/// Names one item: a slot of a session, or a numbered part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) id: &'a SessionId,
    pub(super) slot: Slot,
    /// Which of the two sets of parts, and the part's place in it.
    pub(super) part: Option<(char, usize)>,
}

impl<'a> Item<'a> {
    pub(super) fn head(id: &'a SessionId, slot: Slot) -> Self {
        Self { id, slot, part: None }
    }

    /// The name with `session` for the session slot, in every kind of store but the keyring.
    fn suffix(&self) -> String {
        let slot = match self.slot {
            Slot::Session => "session".to_owned(),
            Slot::Access => "access".to_owned(),
            Slot::Probe(process) => format!("probe-{process}"),
        };
        match self.part {
            Some((set, part)) => format!("{slot}-{set}{part}"),
            None => slot,
        }
    }

    /// The `username` of the keyring item; the session itself is found under the bare session id.
    pub(super) fn keyring_user(&self) -> String {
        if self.slot == Slot::Session && self.part.is_none() {
            self.id.to_string()
        } else {
            format!("{}:{}", self.id, self.suffix())
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn kernel_description(&self) -> String {
        format!("mdb-login:{}:{}", self.id, self.suffix())
    }

    pub(super) fn file_name(&self) -> String {
        if self.slot == Slot::Session && self.part.is_none() {
            format!("{}.secret", self.id)
        } else {
            format!("{}.{}", self.id, self.suffix())
        }
    }
}

/// The stores that items can be in.
pub(super) enum Items {
    Keyring(Keyring),
    #[cfg(target_os = "linux")]
    Kernel,
    File(Files),
    #[cfg(test)]
    Memory(tests::Memory),
}

impl Items {
    /// Reads an item; `None` if there is none.
    pub(super) fn get(&self, item: &Item<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
        match self {
            Self::Keyring(keyring) => keyring.get(&item.keyring_user()),
            #[cfg(target_os = "linux")]
            Self::Kernel => kernel::get(&item.kernel_description()),
            Self::File(files) => files.get(&item.file_name()),
            #[cfg(test)]
            Self::Memory(memory) => memory.get(&item.keyring_user()),
        }
    }

    /// Writes an item as a whole, in place of an older one.
    pub(super) fn set(&self, item: &Item<'_>, bytes: &[u8]) -> Result<(), Trouble> {
        match self {
            Self::Keyring(keyring) => keyring.set(&item.keyring_user(), bytes),
            #[cfg(target_os = "linux")]
            Self::Kernel => kernel::set(&item.kernel_description(), bytes),
            Self::File(files) => files.set(&item.file_name(), bytes),
            #[cfg(test)]
            Self::Memory(memory) => memory.set(&item.keyring_user(), bytes),
        }
    }

    /// Removes an item; one that is not there is fine.
    pub(super) fn remove(&self, item: &Item<'_>) -> Result<(), Trouble> {
        match self {
            Self::Keyring(keyring) => keyring.remove(&item.keyring_user()),
            #[cfg(target_os = "linux")]
            Self::Kernel => kernel::remove(&item.kernel_description()),
            Self::File(files) => files.remove(&item.file_name()),
            #[cfg(test)]
            Self::Memory(memory) => memory.remove(&item.keyring_user()),
        }
    }

    /// The most bytes that one item may have; `None` where no limit is in reach.
    pub(super) fn limit(&self) -> Option<usize> {
        match self {
            // CRED_MAX_CREDENTIAL_BLOB_SIZE, wincred.h.
            Self::Keyring(_) => cfg!(windows).then_some(2560),
            #[cfg(target_os = "linux")]
            Self::Kernel => Some(kernel::MAX_PAYLOAD),
            Self::File(_) => None,
            #[cfg(test)]
            Self::Memory(memory) => memory.limit,
        }
    }

    /// What the item is called in an error.
    pub(super) fn shown(&self, item: &Item<'_>) -> String {
        match self {
            Self::Keyring(_) => format!("keyring item `{}`", item.keyring_user()),
            #[cfg(target_os = "linux")]
            Self::Kernel => format!("kernel key `{}`", item.kernel_description()),
            Self::File(files) => format!("`{}`", super::trouble::shown(&files.path(&item.file_name()))),
            #[cfg(test)]
            Self::Memory(_) => item.keyring_user(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A store in memory that can die after any number of changes, as a killed process does.
    #[derive(Clone, Default)]
    pub(crate) struct Memory {
        pub(crate) limit: Option<usize>,
        pub(crate) items: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
        pub(crate) changes_left: Arc<Mutex<Option<usize>>>,
        /// Says yes to a write and keeps nothing.
        pub(crate) forgets: bool,
    }

    impl Memory {
        fn change(&self) -> Result<(), Trouble> {
            match &mut *self.changes_left.lock().unwrap() {
                Some(0) => Err(Trouble::refused("killed")),
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }

        pub(crate) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
            Ok(self.items.lock().unwrap().get(name).cloned().map(Zeroizing::new))
        }

        pub(crate) fn set(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
            if self.limit.is_some_and(|limit| bytes.len() > limit) {
                return Err(Trouble::TooLarge { limit: self.limit.unwrap() });
            }
            self.change()?;
            if !self.forgets {
                self.items.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
            }
            Ok(())
        }

        pub(crate) fn remove(&self, name: &str) -> Result<(), Trouble> {
            if self.items.lock().unwrap().contains_key(name) {
                self.change()?;
            }
            self.items.lock().unwrap().remove(name);
            Ok(())
        }

        pub(crate) fn names(&self) -> Vec<String> {
            self.items.lock().unwrap().keys().cloned().collect()
        }
    }
}

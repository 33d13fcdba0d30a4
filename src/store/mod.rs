//! Where sessions are kept: which stores there are, which one is used, and what is in it.
//!
//! - `key`: what makes two sign-ins one session, and its name. `record`: what is kept; `versioned`: its text form.
//! - `keyring` (with `secret_service`), `kernel`, `file`: the stores. `items`: one item in any of them; `parts`: values
//!   larger than an item.
//! - `cache`: the access token, where reading it costs nothing. `index`: what can be told without a secret.
//! - `pins`: what servers have said, as the person accepted it.
//! - `lock`: one process at a time. `folder`: private files. `trouble`: what can go wrong.
//!
//! A store is touched under the session's lock only; the cache's reader and the index need none.

pub mod cache;
mod file;
mod folder;
pub mod index;
mod items;
#[cfg(target_os = "linux")]
mod kernel;
mod key;
mod keyring;
pub mod lock;
mod parts;
pub mod pins;
mod record;
#[cfg(target_os = "linux")]
mod secret_service;
mod trouble;
mod versioned;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::file::Files;
use self::items::{Item, Items, Slot};
pub use self::key::{ProgramKey, SessionId, SessionKey, SessionKind};
use self::keyring::Keyring;
use self::parts::Unreadable;
pub use self::record::{CachedToken, Endpoints, SessionRecord};
pub use self::trouble::Trouble;
use crate::error::{Error, Result};

/// The folder `name` in `base`: made if it is missing (0700), and refused if somebody else may have prepared it.
pub fn private_folder(base: &Path, name: &str) -> Result<PathBuf> {
    Ok(folder::private(base, name)?)
}

/// What the person asked for (`--store`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// The system's keyring; on Linux, where there is none, the kernel keyring
    Auto,
    /// The system's keyring: Secret Service, macOS keychain, Windows Credential Manager
    Keyring,
    /// The Linux kernel keyring, until the machine restarts
    Kernel,
    /// A file that only your user can read, and that every program of yours can
    File,
}

impl StoreChoice {
    const ALL: [Self; 4] = [Self::Auto, Self::Keyring, Self::Kernel, Self::File];

    /// The names by which `--store` knows them.
    pub const NAMES: [&str; 4] = [Self::Auto.name(), Self::Keyring.name(), Self::Kernel.name(), Self::File.name()];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Keyring => "keyring",
            Self::Kernel => "kernel",
            Self::File => "file",
        }
    }

    /// The choice called `name`, one of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

/// The name of the system's keyring, looked at without touching it: nobody is asked to unlock anything, within 3 s. An
/// item that a trial left is not looked for, so that this says something of the keyring and nothing of a session.
pub fn look_at_keyring() -> Result<String, Trouble> {
    let keyring = Keyring::open("", Patience::NobodyCanAnswer, Box::new(|| ()))?;
    Ok(keyring.name().to_owned())
}

/// Whether the Linux kernel keyring would keep a session.
pub fn look_at_kernel() -> Result<(), Trouble> {
    open_kernel().map(drop)
}

/// Looks at every file of the state folder without reading it: whether it is ours, closed to others, and no link. Gives
/// what is wrong, and how many there are.
pub fn audit(state_dir: &Path) -> Result<(Vec<Trouble>, usize), Trouble> {
    folder::audit(state_dir)
}

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    Keyring,
    Kernel,
    File,
    /// No place: a program's token that lies in a file of its own, or that the system offers no place for.
    Nowhere,
}

impl Backend {
    /// What is asked for by `--store` to get it; `None` where nothing is kept.
    pub fn choice(self) -> Option<StoreChoice> {
        match self {
            Self::Keyring => Some(StoreChoice::Keyring),
            Self::Kernel => Some(StoreChoice::Kernel),
            Self::File => Some(StoreChoice::File),
            Self::Nowhere => None,
        }
    }

    /// The name by which `--store` knows it, if it does.
    pub fn name(self) -> &'static str {
        self.choice().map_or("nowhere", StoreChoice::name)
    }

    /// The store in words, with what it is worth, without asking it anything.
    pub fn worth(self) -> String {
        match self {
            Self::Keyring => "the system's keyring, as safe as your login".to_owned(),
            #[cfg(target_os = "linux")]
            Self::Kernel => format!("the Linux kernel keyring, in memory only, {}", kernel::retention()),
            #[cfg(not(target_os = "linux"))]
            Self::Kernel => "the Linux kernel keyring".to_owned(),
            Self::File => "a file (`--store file`): every program of yours, and every backup, can read it".to_owned(),
            Self::Nowhere => "no place: each use asks for it, or reads it, anew".to_owned(),
        }
    }
}

/// Whether a keyring may ask somebody to unlock it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A script, a prompt, a credential hook: at most 3 s a call, and on Linux never a prompt.
    NobodyCanAnswer,
    /// Somebody sits at the terminal: at most 60 s a call.
    PersonMayAnswer,
}

/// Called once, after about a second without an answer, so that the person can be told to look for a prompt.
pub type OnWait = Box<dyn Fn() + Send + Sync>;

/// The store of one session.
pub struct Store {
    id: SessionId,
    items: Items,
    fell_back: Option<String>,
}

impl Store {
    /// Opens the store of a session. `known` is where the index says that it is, and that is final: looking elsewhere
    /// would leave a refresh token behind that nothing finds again. `choice` matters at sign-in only, with `None`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Store`]. `Auto` goes on to the kernel keyring only if there is no keyring at all: a locked
    /// or hanging one holds the person's secrets, and putting a session elsewhere behind their back would be a
    /// downgrade.
    pub fn open(
        state_dir: &Path,
        id: &SessionId,
        choice: StoreChoice,
        known: Option<Backend>,
        patience: Patience,
        on_wait: OnWait,
    ) -> Result<Self> {
        let store = |items| Self { id: id.clone(), items, fell_back: None };
        let keyring = || Keyring::open(id.as_str(), patience, on_wait);
        let Some(choice) = known.map_or(Some(choice), Backend::choice) else {
            return Err(Trouble::Absent { why: "the session is kept nowhere".into() }.into());
        };
        match choice {
            StoreChoice::Keyring => Ok(store(Items::Keyring(keyring()?))),
            StoreChoice::Kernel => Ok(store(open_kernel()?)),
            StoreChoice::File => Ok(store(Items::File(Files::open(state_dir)?))),
            StoreChoice::Auto => match keyring() {
                Ok(keyring) => Ok(store(Items::Keyring(keyring))),
                Err(Trouble::Absent { why }) => match open_kernel() {
                    Ok(items) => Ok(Self { fell_back: Some(why), ..store(items) }),
                    Err(kernel) => Err(nowhere(why, kernel)),
                },
                Err(trouble) => Err(trouble.into()),
            },
        }
    }

    /// The stores that hold something of a session of which the index does not say where it is, readable or not; and
    /// what kept the others from being looked into. Asks nobody to unlock anything.
    pub fn holding(state_dir: &Path, id: &SessionId) -> (Vec<Self>, Vec<Error>) {
        let keyring = Keyring::open(id.as_str(), Patience::NobodyCanAnswer, Box::new(|| ())).map(Items::Keyring);
        let file = Files::open(state_dir).map(Items::File);
        let (mut holding, mut unseen) = (Vec::new(), Vec::new());
        for items in [keyring, open_kernel(), file] {
            let looked = items.and_then(|items| {
                let store = Self { id: id.clone(), items, fell_back: None };
                match store.load() {
                    Ok(record) => Ok(record.is_some().then_some(store)),
                    Err(trouble) if trouble.is_unreadable() => Ok(Some(store)),
                    Err(trouble) => Err(trouble),
                }
            });
            match looked {
                Ok(store) => holding.extend(store),
                // A store that is not there holds nothing.
                Err(Trouble::Absent { .. } | Trouble::Kernel { .. }) => {}
                Err(trouble) => unseen.push(trouble.into()),
            }
        }
        (holding, unseen)
    }

    pub fn backend(&self) -> Backend {
        match &self.items {
            Items::Keyring(_) => Backend::Keyring,
            #[cfg(target_os = "linux")]
            Items::Kernel => Backend::Kernel,
            Items::File(_) => Backend::File,
            #[cfg(test)]
            Items::Memory(_) => Backend::File,
        }
    }

    /// The store in words, with what it is worth.
    pub fn describe(&self) -> String {
        match &self.items {
            Items::Keyring(keyring) => format!("the {}", keyring.name()),
            #[cfg(target_os = "linux")]
            Items::Kernel => format!("the Linux kernel keyring, {}", kernel::retention()),
            Items::File(files) => {
                let path = files.path(&Item::head(&self.id, Slot::Session).file_name());
                format!("the file `{}`, readable by every program of yours", trouble::shown(&path))
            }
            #[cfg(test)]
            Items::Memory(_) => "memory".to_owned(),
        }
    }

    /// Why `Auto` did not take the keyring; to be said once, together with [`Store::describe`].
    pub fn fell_back(&self) -> Option<&str> {
        self.fell_back.as_deref()
    }

    /// Writes, reads and removes a trial item, so that a store that will not keep the session says so before a person
    /// is sent to the browser.
    pub fn probe(&self) -> Result<()> {
        let item = Item::head(&self.id, Slot::Probe(std::process::id()));
        let text = format!("{{\"v\":1,\"probe\":{:?}}}", std::time::Instant::now());
        self.items.set(&item, text.as_bytes())?;
        let read = self.items.get(&item);
        let removed = self.items.remove(&item);
        match read? {
            Some(bytes) if bytes.as_slice() == text.as_bytes() => Ok(removed?),
            _ => Err(Trouble::refused("a trial item did not come back as it was written").into()),
        }
    }

    /// Reads the session; `None` if there is none.
    pub fn load(&self) -> Result<Option<SessionRecord>, Trouble> {
        let head = Item::head(&self.id, Slot::Session);
        match parts::read(&self.items, head)? {
            Some(bytes) => Ok(Some(SessionRecord::from_bytes(&self.items.shown(&head), &bytes)?)),
            None => Ok(None),
        }
    }

    /// Writes the session, and reads it back: from here on the old refresh token may be spent.
    ///
    /// # Errors
    /// Among others when what is stored is damaged or of a later version: it is then left as it is.
    pub fn save(&self, record: &SessionRecord) -> Result<()> {
        let head = Item::head(&self.id, Slot::Session);
        let bytes = record.to_bytes()?;
        parts::write(&self.items, head, &bytes, Unreadable::Keep)?;
        match parts::read(&self.items, head)? {
            Some(read) if read == bytes => Ok(()),
            _ => Err(Trouble::refused("the session did not come back as it was written").into()),
        }
    }

    /// Removes the session and the access token next to it, readable or not. Nothing there is fine.
    pub fn delete(&self) -> Result<()> {
        // The token's end must not hang on the session's, nor the other way round: try both.
        let session = parts::remove(&self.items, Item::head(&self.id, Slot::Session));
        let access = parts::remove(&self.items, Item::head(&self.id, Slot::Access));
        session.and(access).map_err(Error::from)
    }

    /// Reads the access token that [`cache::write`] had to put next to the session; `None` if there is none.
    pub fn load_access(&self) -> Result<Option<CachedToken>> {
        match parts::read(&self.items, Item::head(&self.id, Slot::Access)) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| CachedToken::from_bytes(&bytes))),
            Err(trouble) if trouble.is_unreadable() => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn save_access(&self, token: &CachedToken) -> Result<(), Trouble> {
        parts::write(&self.items, Item::head(&self.id, Slot::Access), &token.to_bytes()?, Unreadable::Replace)
    }
}

#[cfg(target_os = "linux")]
fn open_kernel() -> Result<Items, Trouble> {
    kernel::check().map(|()| Items::Kernel)
}

#[cfg(not(target_os = "linux"))]
fn open_kernel() -> Result<Items, Trouble> {
    Err(Trouble::Absent { why: "only Linux has a kernel keyring".into() })
}

/// Neither a keyring nor the kernel's: the choice is the person's.
fn nowhere(keyring: String, kernel: Trouble) -> Error {
    let kernel = match kernel {
        Trouble::Kernel { cause, .. } | Trouble::Absent { why: cause } => cause,
        other => return other.into(),
    };
    Error::new(crate::error::Kind::Store, "there is no place here that keeps a secret")
        .because_of(format!("no keyring: {keyring}"))
        .because_of(format!("no kernel keyring: {kernel}"))
        .hint("sign in where a keyring runs, or keep the session in a file that every program of yours can read: `--store file`")
}

#[cfg(test)]
mod tests {
    use super::items::tests::Memory;
    use super::key::tests::key;
    use super::record::tests::{cached, record};
    use super::*;
    use crate::error::Kind;

    fn open(dir: &Path, id: &SessionId, choice: StoreChoice, known: Option<Backend>) -> Result<Store> {
        Store::open(dir, id, choice, known, Patience::NobodyCanAnswer, Box::new(|| ()))
    }

    /// What every store must do, whatever it is made of.
    fn keeps_sessions(store: &Store) {
        let token = |store: &Store| store.load().unwrap().map(|r| r.refresh_token.unwrap().expose().to_owned());
        store.probe().unwrap();
        assert_eq!(token(store), None);
        store.delete().unwrap();
        for (generation, length) in [(1, 10), (2, 4000), (2, 4001), (3, 20), (4, 5000)] {
            let text = "r".repeat(length);
            store.save(&record(generation, &text)).unwrap();
            assert_eq!(token(store).as_deref(), Some(text.as_str()));
        }
        store.save_access(&cached("eyJ.access", 9)).unwrap();
        assert_eq!(store.load_access().unwrap().unwrap().token.expose(), "eyJ.access");
        assert_eq!(token(store).map(|text| text.len()), Some(5000));
        store.delete().unwrap();
        assert_eq!(token(store), None);
        assert!(store.load_access().unwrap().is_none());
    }

    #[test]
    fn a_file_keeps_sessions() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &key().id(), StoreChoice::File, None).unwrap();
        keeps_sessions(&store);
        assert_eq!(std::fs::read_dir(dir.path().join("sessions")).unwrap().count(), 0, "something is left");
        assert_eq!((store.backend(), store.fell_back()), (Backend::File, None));
        assert!(store.describe().contains(".secret`, readable by every program"), "{}", store.describe());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_keeps_sessions() {
        if !kernel::tests::is_here("the_kernel_keeps_sessions") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let id = SessionKey { account: Some(kernel::tests::unique()), ..key() }.id();
        // The index says where the session is, and that is where `Auto` looks, keyring or not.
        let store = open(dir.path(), &id, StoreChoice::Auto, Some(Backend::Kernel)).unwrap();
        keeps_sessions(&store);
        assert_eq!((store.backend(), store.fell_back()), (Backend::Kernel, None));
        assert!(store.describe().starts_with("the Linux kernel keyring, until "), "{}", store.describe());
    }

    #[test]
    fn a_store_of_small_items_keeps_sessions() {
        let memory = Memory { limit: Some(2560), ..Memory::default() };
        let store = Store { id: key().id(), items: Items::Memory(memory.clone()), fell_back: None };
        keeps_sessions(&store);
        assert_eq!(memory.names(), Vec::<String>::new());
    }

    #[test]
    fn a_damaged_or_newer_session_is_named_kept_and_removed_only_on_request() {
        for (stored, word) in [(&b"{\"v\":1,"[..], "damaged"), (b"", "damaged"), (b"{\"v\":2}", "newer")] {
            let dir = tempfile::tempdir().unwrap();
            let id = key().id();
            let store = open(dir.path(), &id, StoreChoice::File, None).unwrap();
            let path = dir.path().join("sessions").join(format!("{id}.secret"));
            folder::write(&path, stored).unwrap();
            for error in [store.load().map(drop).unwrap_err().into(), store.save(&record(1, "new")).unwrap_err()] {
                assert_eq!(error.kind(), Kind::Store);
                assert!(error.message().contains(word) && error.message().contains(".secret"), "{error:?}");
            }
            assert_eq!(std::fs::read(&path).unwrap(), stored);
            store.delete().unwrap();
            assert!(store.load().unwrap().is_none());
        }
    }

    /// The index has the names that `--store` takes, and a session that was kept must be found for ever.
    #[test]
    fn stores_are_called_alike_by_the_flag_and_in_the_index() {
        assert_eq!(StoreChoice::NAMES.map(StoreChoice::named), StoreChoice::ALL.map(Some));
        for backend in [Backend::Keyring, Backend::Kernel, Backend::File] {
            assert_eq!(serde_json::to_value(backend).unwrap(), backend.name());
        }
    }

    #[test]
    fn a_store_that_forgets_is_found_out() {
        let memory = Memory { forgets: true, ..Memory::default() };
        let store = Store { id: key().id(), items: Items::Memory(memory), fell_back: None };
        for error in [store.probe().unwrap_err(), store.save(&record(1, "rt")).unwrap_err()] {
            assert!(error.causes().iter().any(|cause| cause.contains("did not come back")), "{error:?}");
        }
    }

    #[test]
    fn with_no_store_at_all_the_choice_is_the_person_s() {
        let kernel = Trouble::Kernel { cause: "no keyrings (ENOSYS)".into(), hint: "" };
        let error = nowhere("no session bus".into(), kernel);
        assert_eq!(error.kind(), Kind::Store);
        assert_eq!(error.causes(), ["no keyring: no session bus", "no kernel keyring: no keyrings (ENOSYS)"]);
        assert!(error.hints().iter().any(|hint| hint.contains("`--store file`")));
    }
}

//! The access token where reading it costs nothing: no service, no file, no lock, no network.
//!
//! On Linux that is one key of the kernel keyring, which the kernel itself removes when the token expires. Where there
//! is none, the token lies next to the session, as a second item, and [`Store::load_access`] finds it.

use super::Store;
#[cfg(target_os = "linux")]
use super::items::{Item, Slot};
#[cfg(target_os = "linux")]
use super::kernel;
use super::key::SessionId;
pub use super::record::CachedToken;
use crate::error::Result;

/// Where a token went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// In the kernel keyring: [`read`] finds it.
    Kernel,
    /// Next to the session: [`Store::load_access`] finds it.
    Store,
    /// Nowhere: it has expired already, or there is no such place.
    Nowhere,
}

/// Looks for the session's access token, in three system calls. Whatever goes wrong, it is just not there.
///
/// The caller judges whether it may still be used.
#[cfg(target_os = "linux")]
pub fn read(id: &SessionId) -> Option<CachedToken> {
    let bytes = kernel::find(&Item::head(id, Slot::Access).kernel_description()).ok()?;
    CachedToken::from_bytes(&bytes)
}

/// Always `None`: there is no such place on this system.
#[cfg(not(target_os = "linux"))]
pub fn read(_: &SessionId) -> Option<CachedToken> {
    None
}

/// Keeps an access token for as long as it lives: in the kernel keyring, or in `store` if there is one. `now` in unix
/// seconds.
///
/// # Errors
/// When neither the kernel keyring nor the session's store takes it. It is only a cache: the next caller asks the
/// provider again, so this is a reason for a warning and no more.
pub fn write(id: &SessionId, token: &CachedToken, store: Option<&Store>, now: u64) -> Result<Cached> {
    let left = token.expires_at.saturating_sub(now);
    if left == 0 {
        clear(id);
        return Ok(Cached::Nowhere);
    }
    #[cfg(target_os = "linux")]
    {
        let bytes = token.to_bytes()?;
        if kernel::set_for(&Item::head(id, Slot::Access).kernel_description(), &bytes, left).is_ok() {
            return Ok(Cached::Kernel);
        }
    }
    let Some(store) = store else { return Ok(Cached::Nowhere) };
    store.save_access(token)?;
    Ok(Cached::Store)
}

/// Keeps a trial key as a token is kept, finds it, and removes it. `None` where there is no such place.
#[cfg(target_os = "linux")]
pub fn probe(id: &SessionId) -> Option<Result<()>> {
    let description = Item::head(id, Slot::Probe(std::process::id())).kernel_description();
    let bytes = b"probe";
    let tried = kernel::set_for(&description, bytes, 10).and_then(|()| {
        let found = kernel::get(&description);
        let removed = kernel::remove(&description);
        match found? {
            Some(found) if found.as_slice() == bytes => removed,
            _ => Err(super::Trouble::refused("a trial key did not come back as it was written")),
        }
    });
    Some(tried.map_err(Into::into))
}

/// Keeps a trial key; `None`, as there is no such place on this system.
#[cfg(not(target_os = "linux"))]
pub fn probe(_: &SessionId) -> Option<Result<()>> {
    None
}

/// Forgets the token that [`read`] would find. The one next to the session goes with [`Store::delete`].
pub fn clear(id: &SessionId) {
    #[cfg(target_os = "linux")]
    let _ = kernel::remove(&Item::head(id, Slot::Access).kernel_description());
    #[cfg(not(target_os = "linux"))]
    let _ = id;
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use super::super::key::{SessionKey, tests::key};
    use super::super::record::tests::cached;
    use super::super::{Patience, StoreChoice};
    use super::*;

    fn file_store(dir: &std::path::Path, id: &SessionId) -> Store {
        Store::open(dir, id, StoreChoice::File, None, Patience::NobodyCanAnswer, Box::new(|| ())).unwrap()
    }

    #[test]
    fn a_token_is_there_for_its_life_and_not_longer() {
        let dir = tempfile::tempdir().unwrap();
        let id = SessionKey { account: Some(kernel::tests::unique()), ..key() }.id();
        let store = file_store(dir.path(), &id);
        assert!(read(&id).is_none());
        let kernel = kernel::tests::is_here("a_token_is_there_for_its_life");
        let expected = if kernel { Cached::Kernel } else { Cached::Store };
        assert_eq!(write(&id, &cached("eyJ.long", 1060), Some(&store), 1000).unwrap(), expected);
        if kernel {
            assert_eq!(read(&id).unwrap().token.expose(), "eyJ.long");
            assert!(store.load_access().unwrap().is_none());
            assert_eq!(write(&id, &cached("eyJ.short", 1001), Some(&store), 1000).unwrap(), Cached::Kernel);
            assert_eq!(read(&id).unwrap().token.expose(), "eyJ.short");
            std::thread::sleep(Duration::from_millis(2100));
            assert!(read(&id).is_none());
            write(&id, &cached("eyJ.again", 1060), Some(&store), 1000).unwrap();
            clear(&id);
            assert!(read(&id).is_none());
            write(&id, &cached("eyJ.again", 1060), Some(&store), 1000).unwrap();
            assert_eq!(write(&id, &cached("eyJ.dead", 999), Some(&store), 1000).unwrap(), Cached::Nowhere);
            assert!(read(&id).is_none());
        } else {
            assert_eq!(store.load_access().unwrap().unwrap().token.expose(), "eyJ.long");
        }
    }

    #[test]
    fn a_token_too_large_for_the_kernel_goes_to_the_session_s_store() {
        let dir = tempfile::tempdir().unwrap();
        let id = SessionKey { account: Some(kernel::tests::unique()), ..key() }.id();
        let store = file_store(dir.path(), &id);
        let token = "x".repeat(kernel::MAX_PAYLOAD + 1);
        assert_eq!(write(&id, &cached(&token, 1060), Some(&store), 1000).unwrap(), Cached::Store);
        assert!(read(&id).is_none());
        assert_eq!(store.load_access().unwrap().unwrap().token.expose(), token);
        store.delete().unwrap();
        assert!(store.load_access().unwrap().is_none());
    }
}

//! The platform's keyring: Secret Service, macOS keychain, Windows Credential Manager.
//!
//! Keyring libraries wait for ever: for a prompt that nobody sees, a service that hangs, a securityd that is busy. So
//! every call runs on a thread of its own with a deadline, and a call that has hung is left behind: it cannot hold the
//! process, and no second one is sent after it.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use keyring_core::{Entry, Error as KeyringError};
use zeroize::Zeroizing;

#[cfg(target_os = "linux")]
use super::secret_service::{self, Look};
use super::trouble::Trouble;
use super::{OnWait, Patience};
use crate::mutex::lock;

const SERVICE: &str = "mdb-login";

/// Nobody has to do anything: a healthy keyring answers in milliseconds, a busy macOS one within two seconds.
const WITHOUT_A_PERSON: Duration = Duration::from_secs(3);
/// Somebody may have to type a password.
const WITH_A_PERSON: Duration = Duration::from_secs(60);
/// After this long, the person is told what we are waiting for.
const SILENCE: Duration = Duration::from_secs(1);

/// Calls that were given up and have not come back. Such a call holds the library's own lock: the next one would wait
/// in vain, for another three seconds.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

pub(super) struct Keyring {
    patience: Patience,
    on_wait: OnWait,
    /// The person is told once.
    told: AtomicBool,
    name: String,
}

impl Keyring {
    /// Looks whether there is a keyring that can be used.
    pub(super) fn open(user: &str, patience: Patience, on_wait: OnWait) -> Result<Self, Trouble> {
        let mut keyring = Self { patience, on_wait, told: AtomicBool::new(false), name: String::new() };
        keyring.name = keyring.look(user)?;
        Ok(keyring)
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn get(&self, user: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
        self.run(user, |entry| match entry.get_secret() {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    pub(super) fn set(&self, user: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let bytes = Zeroizing::new(bytes.to_vec());
        self.run(user, move |entry| entry.set_secret(&bytes))
    }

    pub(super) fn remove(&self, user: &str) -> Result<(), Trouble> {
        self.run(user, |entry| match entry.delete_credential() {
            Err(KeyringError::NoEntry) => Ok(()),
            // Two items under one name, made by other tools: both have to go.
            Err(KeyringError::Ambiguous(entries)) => entries.iter().try_for_each(Entry::delete_credential),
            other => other,
        })
    }

    #[cfg(target_os = "linux")]
    fn look(&self, user: &str) -> Result<String, Trouble> {
        let (user, patience) = (user.to_owned(), self.patience);
        // A look asks no person anything, so it never deserves a person's patience.
        let look = self.bounded(WITHOUT_A_PERSON, Silent::Always, move || checked_look(&user, patience))??;
        Ok(format!("Secret Service ({})", look.provider))
    }

    #[cfg(not(target_os = "linux"))]
    fn look(&self, _: &str) -> Result<String, Trouble> {
        Ok(if cfg!(target_os = "macos") {
            "macOS keychain"
        } else if cfg!(windows) {
            "Windows Credential Manager"
        } else {
            "Secret Service"
        }
        .to_owned())
    }

    fn run<T: Send + 'static>(
        &self,
        user: &str,
        call: impl Fn(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (user, patience) = (user.to_owned(), self.patience);
        let (limit, silent) = match patience {
            Patience::NobodyCanAnswer => (WITHOUT_A_PERSON, Silent::Always),
            Patience::PersonMayAnswer => (WITH_A_PERSON, Silent::AtFirst),
        };
        self.bounded(limit, silent, move || {
            // It may have been locked since the last look, and the library would raise a prompt.
            #[cfg(target_os = "linux")]
            checked_look(&user, patience)?;
            match entry(&user).and_then(|entry| call(&entry)) {
                #[cfg(target_os = "linux")]
                Err(error) if is_worth_a_second_try(&error) => {
                    // A crashed gnome-keyring is started anew by the bus, and locked.
                    checked_look(&user, patience)?;
                    reconnect().and_then(|()| entry(&user)).and_then(|entry| call(&entry))
                }
                result => result,
            }
            .map_err(|error| trouble(&user, error))
        })?
    }

    /// Does the work on a thread of its own and waits for it, but not longer than `limit`.
    fn bounded<T: Send + 'static>(
        &self,
        limit: Duration,
        silent: Silent,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let hanging = || Trouble::Hanging { seconds: limit.as_secs() };
        if LEFT_BEHIND.load(Ordering::SeqCst) > 0 {
            return Err(hanging());
        }
        let (sender, receiver) = sync_channel(1);
        let end = Arc::new(Mutex::new(End::Open));
        let worker_end = Arc::clone(&end);
        let worker = move || {
            let _ = sender.send(work());
            let mut end = lock(&worker_end);
            match *end {
                End::GivenUp => {
                    LEFT_BEHIND.fetch_sub(1, Ordering::SeqCst);
                }
                _ => *end = End::Answered,
            }
        };
        thread::Builder::new().name("keyring".into()).spawn(worker).map_err(Trouble::refused)?;

        let mut answer = receiver.recv_timeout(SILENCE.min(limit));
        if matches!(answer, Err(RecvTimeoutError::Timeout)) {
            if silent == Silent::AtFirst && !self.told.swap(true, Ordering::Relaxed) {
                (self.on_wait)();
            }
            answer = receiver.recv_timeout(limit.saturating_sub(SILENCE));
        }
        if matches!(answer, Err(RecvTimeoutError::Timeout)) {
            let mut end = lock(&end);
            match *end {
                End::Answered => answer = receiver.try_recv().map_err(|_| RecvTimeoutError::Disconnected),
                _ => {
                    *end = End::GivenUp;
                    LEFT_BEHIND.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        answer.map_err(|error| match error {
            RecvTimeoutError::Timeout => hanging(),
            RecvTimeoutError::Disconnected => Trouble::refused("the keyring library failed"),
        })
    }
}

/// Whether the person is told when it takes long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silent {
    Always,
    AtFirst,
}

/// How a call on a thread ended, for whichever side gets there second.
enum End {
    Open,
    Answered,
    GivenUp,
}

/// Looks at the Secret Service and, when nobody can answer a prompt, refuses to go on if there would be one.
#[cfg(target_os = "linux")]
fn checked_look(user: &str, patience: Patience) -> Result<Look, Trouble> {
    let look = secret_service::look(SERVICE, user)?;
    if look.locked && patience == Patience::NobodyCanAnswer {
        return Err(Trouble::Locked { cause: None });
    }
    Ok(look)
}

fn entry(user: &str) -> keyring_core::Result<Entry> {
    match keyring::Entry::new(SERVICE, user) {
        Ok(entry) => Ok(entry.inner),
        // The crate remembers for ever that its first connection failed; a later one may be there.
        Err(KeyringError::NoDefaultStore) => Entry::new(SERVICE, user),
        Err(error) => Err(error),
    }
}

/// A new connection with a new session: gnome-keyring dies about once in some thousand sessions that open at the same
/// time, and KWallet fails one in a hundred.
#[cfg(target_os = "linux")]
fn reconnect() -> keyring_core::Result<()> {
    keyring_core::set_default_store(zbus_secret_service_keyring_store::Store::new()?);
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_worth_a_second_try(error: &KeyringError) -> bool {
    match error {
        KeyringError::NoDefaultStore => true,
        // A person who has closed the prompt does not want to see it again.
        KeyringError::PlatformFailure(cause) => !speaks_of_a_prompt(&cause.to_string()),
        _ => false,
    }
}

fn speaks_of_a_prompt(text: &str) -> bool {
    text.contains("prompt") || text.contains("locked")
}

fn trouble(user: &str, error: KeyringError) -> Trouble {
    let damaged = |why: &str| Trouble::Damaged { item: format!("keyring item `{user}`"), why: why.to_owned() };
    match error {
        KeyringError::NoDefaultStore => match keyring::Entry::store_status() {
            Err(cause) => Trouble::refused(cause),
            Ok(()) => Trouble::refused("no keyring could be opened"),
        },
        KeyringError::NoStorageAccess(cause) => no_access(cause.as_ref()),
        KeyringError::PlatformFailure(cause) => platform_failure(cause.as_ref()),
        KeyringError::TooLong(_, limit) => Trouble::TooLarge { limit: usize::try_from(limit).unwrap_or(usize::MAX) },
        KeyringError::Ambiguous(_) => damaged("there is more than one item of that name"),
        // These carry the secret: say nothing of what they hold.
        KeyringError::BadEncoding(_) => damaged("it is not text"),
        KeyringError::BadDataFormat(..) => damaged("it is not in the keyring's own format"),
        other => Trouble::refused(other),
    }
}

fn no_access(cause: &(dyn std::error::Error + Send + Sync)) -> Trouble {
    if cfg!(windows) {
        // ERROR_NO_SUCH_LOGON_SESSION: a network logon has no credential set.
        return Trouble::Refused {
            cause: crate::ui::foreign(&cause.to_string()),
            hint: Some("over SSH, Windows has no credential store: run this at the console, or use `--store file`"),
        };
    }
    if cfg!(target_os = "macos") {
        return platform_failure(cause);
    }
    Trouble::Locked { cause: Some(crate::ui::foreign(&cause.to_string())) }
}

fn platform_failure(cause: &(dyn std::error::Error + Send + Sync)) -> Trouble {
    if cfg!(target_os = "macos") {
        // Only the Debug form of the security framework's errors has the number.
        return keychain_refusal(&format!("{cause:?}"), cause);
    }
    let text = cause.to_string();
    if speaks_of_a_prompt(&text) {
        return Trouble::Locked { cause: Some(crate::ui::foreign(&text)) };
    }
    Trouble::refused(text)
}

/// The keychain's refusals that a person can do something about (SecBase.h).
fn keychain_refusal(debug: &str, cause: impl Display) -> Trouble {
    let refused = |cause: &str, hint| Trouble::Refused { cause: cause.to_owned(), hint: Some(hint) };
    if debug.contains("-25308") {
        refused(
            "the keychain may not ask anybody in this session (errSecInteractionNotAllowed, usual over SSH)",
            "unlock it first: `security unlock-keychain ~/Library/Keychains/login.keychain-db`, or use `--store file`",
        )
    } else if debug.contains("-25293") {
        refused(
            "the keychain did not accept the password (errSecAuthFailed)",
            "unlock it first: `security unlock-keychain ~/Library/Keychains/login.keychain-db`",
        )
    } else if debug.contains("-128") {
        refused("the keychain's question was answered with no (errSecUserCanceled)", "try again and allow the access")
    } else {
        Trouble::refused(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn keyring(told: &Arc<AtomicUsize>) -> Keyring {
        let told = Arc::clone(told);
        let on_wait: OnWait = Box::new(move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
        Keyring { patience: Patience::PersonMayAnswer, on_wait, told: AtomicBool::new(false), name: String::new() }
    }

    // One test, because a call that hangs is remembered for the whole process.
    #[test]
    fn a_call_is_waited_for_as_long_as_it_deserves() {
        let told = Arc::new(AtomicUsize::new(0));
        let nap = |ms| move || thread::sleep(Duration::from_millis(ms));
        let keyring = keyring(&told);
        let bounded = |limit, silent, work| keyring.bounded(Duration::from_millis(limit), silent, nap(work));
        bounded(3000, Silent::Always, 1100).unwrap();
        bounded(3000, Silent::AtFirst, 10).unwrap();
        assert_eq!(told.load(Ordering::SeqCst), 0);
        bounded(3000, Silent::AtFirst, 1100).unwrap();
        bounded(3000, Silent::AtFirst, 1100).unwrap();
        assert_eq!(told.load(Ordering::SeqCst), 1);
        let dies = || std::panic::resume_unwind(Box::new(()));
        let failed: Result<(), _> = keyring.bounded(Duration::from_secs(3), Silent::Always, dies);
        assert!(matches!(failed, Err(Trouble::Refused { .. })), "{failed:?}");

        // What is not waited for is known by the call's still being out, however slow this machine is.
        let is_out = || LEFT_BEHIND.load(Ordering::SeqCst) == 1;
        assert!(matches!(bounded(200, Silent::Always, 3000), Err(Trouble::Hanging { .. })) && is_out());
        let sent = Arc::new(AtomicBool::new(false));
        let second = Arc::clone(&sent);
        let send = move || second.store(true, Ordering::SeqCst);
        let refused = keyring.bounded(Duration::from_secs(3), Silent::Always, send);
        assert!(matches!(refused, Err(Trouble::Hanging { .. })));
        assert!(!sent.load(Ordering::SeqCst) && is_out(), "a second call was sent after the hung one");
        let start = Instant::now();
        while is_out() {
            assert!(start.elapsed() < Duration::from_secs(20), "the hung call is still out");
            thread::sleep(Duration::from_millis(10));
        }
        bounded(3000, Silent::Always, 0).expect("the hung call has come back");
    }

    #[test]
    fn every_answer_of_the_library_has_its_words() {
        let boxed = |text: &str| -> Box<dyn std::error::Error + Send + Sync> { text.into() };
        let secret = || b"hunter2".to_vec();
        for (error, expected) in [
            (KeyringError::TooLong("secret".into(), 2560), "TooLarge { limit: 2560 }"),
            (KeyringError::Ambiguous(vec![]), "Damaged"),
            (KeyringError::BadEncoding(secret()), "Damaged"),
            (KeyringError::BadDataFormat(secret(), boxed("x")), "Damaged"),
            (KeyringError::BadStoreFormat("\u{1b}".into()), "Refused"),
            (KeyringError::PlatformFailure(boxed("connection reset")), if cfg!(unix) { "Refused" } else { "" }),
        ] {
            let shown = format!("{:?}", trouble("u", error));
            assert!(shown.starts_with(expected), "{shown}");
            assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
        }
        #[cfg(target_os = "linux")]
        for text in ["SS error: prompt dismissed", "SS Error: object locked"] {
            let shown = format!("{:?}", trouble("u", KeyringError::PlatformFailure(boxed(text))));
            assert!(shown.starts_with("Locked"), "{shown}");
            assert!(!is_worth_a_second_try(&KeyringError::PlatformFailure(boxed(text))));
        }
    }

    #[test]
    fn the_keychain_s_numbers_are_told_apart() {
        let cause = |code: &str| match keychain_refusal(&format!("Error {{ code: {code}, message: Some(..) }}"), "said")
        {
            Trouble::Refused { cause, .. } => cause,
            other => panic!("{other:?}"),
        };
        assert!(cause("-25308").contains("errSecInteractionNotAllowed"));
        assert!(cause("-25293").contains("errSecAuthFailed"));
        assert!(cause("-128").contains("errSecUserCanceled"));
        assert_eq!(cause("-50"), "said");
    }
}

//! What can go wrong with a store, told apart by what the person can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};

/// Why a store could not be used. Texts inside are already fit to be shown.
#[derive(Debug)]
pub enum Trouble {
    /// There is no such store on this machine, or not in this login.
    Absent { why: String },
    /// The keyring is locked and nobody could, or would, unlock it.
    Locked { cause: Option<String> },
    /// The keyring runs, but has no collection to put things into.
    NoDefaultCollection { provider: String },
    /// The keyring took the question and never answered.
    Hanging { seconds: u64 },
    /// The store answered, and said no.
    Refused { cause: String, hint: Option<&'static str> },
    /// The Linux kernel keyring cannot be used.
    Kernel { cause: String, hint: &'static str },
    /// One item is larger than the store takes.
    TooLarge { limit: usize },
    /// An item is there and cannot be understood. It is kept as it is.
    Damaged { item: String, why: String },
    /// An item was written by a later version in a format that we do not know. It is kept as it is.
    Newer { item: String },
    /// A folder or file of ours is not as we left it: another owner, a symbolic link, open to others.
    Unsafe { path: PathBuf, why: String, hint: Option<String> },
    /// A file operation failed.
    File { what: &'static str, path: PathBuf, error: io::Error },
}

impl Trouble {
    /// Something is stored, and cannot be understood: signing out removes it, and nothing else mends it.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Newer { .. })
    }

    pub(super) fn file(what: &'static str, path: &Path, error: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), error }
    }

    pub(super) fn refused(cause: impl std::fmt::Display) -> Self {
        Self::Refused { cause: crate::ui::foreign(&cause.to_string()), hint: None }
    }
}

const KERNEL_HINT: &str = "keep the session in the Linux kernel keyring instead: `--store kernel`";
const FILE_HINT: &str = "keep it in a file that every program of yours can read: `--store file`";

/// The ways around a keyring that cannot be used, the safer first.
fn other_stores(error: Error) -> Error {
    if cfg!(target_os = "linux") { error.hint(KERNEL_HINT).hint(FILE_HINT) } else { error.hint(FILE_HINT) }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let error = |message: String| Error::new(Kind::Store, message);
        match trouble {
            Trouble::Absent { why } => other_stores(error("there is no keyring here".into()).because_of(why)),
            Trouble::Locked { cause } => {
                let locked = error("the keyring is locked".into());
                let locked = match cause {
                    Some(cause) => locked.because_of(cause),
                    None => locked.because_of("nobody is here who could be asked to unlock it"),
                };
                other_stores(locked.hint(unlock_hint()))
            }
            Trouble::NoDefaultCollection { provider } => other_stores(
                error(format!("{provider} has no default keyring to put the session into"))
                    .hint("sign in to the desktop once, or create one in its keyring manager and make it the default"),
            ),
            Trouble::Hanging { seconds } => other_stores(
                error(format!("the keyring did not answer within {seconds} seconds"))
                    .hint("answer its prompt if there is one, or restart it; then try again"),
            ),
            Trouble::Refused { cause, hint } => {
                let refused = error("the keyring refused".into()).because_of(cause);
                match hint {
                    Some(hint) => refused.hint(hint),
                    None => other_stores(refused),
                }
            }
            Trouble::Kernel { cause, hint } => {
                error("the Linux kernel keyring cannot be used".into()).because_of(cause).hint(hint)
            }
            Trouble::TooLarge { limit } => {
                other_stores(error(format!("the session does not fit: the store takes {limit} bytes an item")))
            }
            Trouble::Damaged { item, why } => error(format!("the stored session is damaged ({item})"))
                .because_of(why)
                .hint("it was left as it is; signing out of that session removes it"),
            Trouble::Newer { item } => error(format!("the stored session was written by a newer mdb-login ({item})"))
                .hint("it was left as it is; update this mdb-login, or sign out of that session, which removes it"),
            Trouble::Unsafe { path, why, hint } => {
                let refused = error(format!("`{}` was not used: {why}", shown(&path)));
                match hint {
                    Some(hint) => refused.hint(hint),
                    None => refused,
                }
            }
            Trouble::File { what, path, error: cause } => {
                error(format!("cannot {what} `{}`", shown(&path))).because(cause)
            }
        }
    }
}

pub(super) fn shown(path: &Path) -> String {
    crate::ui::foreign(&path.display().to_string())
}

fn unlock_hint() -> &'static str {
    if cfg!(target_os = "macos") {
        "unlock it: `security unlock-keychain`"
    } else {
        // `--unlock` alone does not reach a daemon that runs already, and a newline would be part of the password.
        "unlock it at the desktop, or gnome-keyring from bash: \
         `read -rsp 'password: ' p; printf %s \"$p\" | gnome-keyring-daemon --replace --unlock; unset p`"
    }
}

#[cfg(test)]
mod tests {
    use super::Trouble;
    use crate::error::{Error, Kind};

    #[test]
    fn every_trouble_has_its_own_words_a_way_out_and_exit_code_8() {
        let all = [
            Trouble::Absent { why: "no session bus".into() },
            Trouble::Locked { cause: None },
            Trouble::NoDefaultCollection { provider: "gnome-keyring".into() },
            Trouble::Hanging { seconds: 3 },
            Trouble::refused("no"),
            Trouble::Kernel { cause: "no".into(), hint: "`--store file`" },
            Trouble::TooLarge { limit: 2560 },
            Trouble::Damaged { item: "x".into(), why: "cut short".into() },
            Trouble::Newer { item: "x".into() },
        ];
        let mut messages = Vec::new();
        for trouble in all {
            let error = Error::from(trouble);
            assert_eq!(error.kind(), Kind::Store);
            assert!(!error.hints().is_empty(), "{error:?}");
            assert!(!messages.contains(&error.message().to_owned()), "{error:?}");
            messages.push(error.message().to_owned());
        }
    }
}

//! The folder of one run: nobody else's, and gone afterwards.
//!
//! `$XDG_RUNTIME_DIR/mdb-login/exec-ID`, or `STATE_DIR/run/exec-ID` where there is no such folder or others may open it.
//! Never below a shared `/tmp`, where anybody can prepare something. The owner holds a lock as long as it lives, so that
//! the next run can tell a folder that is in use from one whose owner was killed.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::open_file::{self, Links};
use crate::settings::dirs;
use crate::store::private_folder;
use crate::ui::foreign;

/// The FIFO or file with the token.
pub const TOKEN: &str = "token";

const PREFIX: &str = "exec-";
/// Hexadecimal digits after the prefix.
const ID_LEN: usize = 16;
const LOCK: &str = "lock";
/// How often another name is tried. A name is lost only to a run that sweeps in that very moment.
const TRIES: usize = 8;

/// A folder (0700) that is removed with all that is in it when this value is dropped.
pub struct PrivateDir {
    path: PathBuf,
    _lock: File,
}

impl PrivateDir {
    /// Makes a new one, and removes those whose owners are no more.
    pub fn new() -> Result<Self> {
        Self::within(&base()?)
    }

    fn within(base: &Path) -> Result<Self> {
        sweep(base);
        let failed = |path: &Path, error: io::Error| {
            let text = format!("cannot make the folder `{}`", foreign(&path.to_string_lossy()));
            Error::new(Kind::Store, text).because(error)
        };
        for _ in 0..TRIES {
            let path = base.join(name(super::random()?));
            let mut builder = DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&path).map_err(|error| failed(&path, error))?;
            match lock(&path) {
                Ok(Some(lock)) => return Ok(Self { path, _lock: lock }),
                // Taken for an abandoned one before it was locked.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let _ = fs::remove_dir_all(&path);
                    return Err(failed(&path, error));
                }
            }
        }
        Err(failed(base, io::ErrorKind::ResourceBusy.into()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // Who is about to write a token knows the folder by its name. Under another one nothing is put into it behind the
        // back of the removal; it is one that the next run would sweep, and the lock goes with it.
        if let Ok(id) = super::random() {
            let leaving = self.path.with_file_name(name(id));
            if fs::rename(&self.path, &leaving).is_ok() {
                self.path = leaving;
            }
        }
        // What cannot be removed now is left to the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The path of a folder as it would be, with a word in place of its name.
pub fn described() -> Result<PathBuf> {
    let state = || Ok::<_, Error>(dirs::state_dir()?.join("run"));
    let base = runtime_dir().map(|dir| dir.join("mdb-login")).map_or_else(state, Ok)?;
    Ok(base.join(format!("{PREFIX}[id]")))
}

fn base() -> Result<PathBuf> {
    match runtime_dir() {
        Some(dir) => private_folder(&dir, "mdb-login"),
        None => private_folder(&dirs::state_dir()?, "run"),
    }
}

/// `XDG_RUNTIME_DIR` if it is what the XDG Base Directory Specification says: ours, and closed to all others.
fn runtime_dir() -> Option<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let dir = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
        let meta = fs::metadata(&dir).ok()?;
        let private = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 == 0;
        (dir.is_absolute() && private).then_some(dir)
    }
    #[cfg(not(unix))]
    None
}

fn name(id: [u8; ID_LEN / 2]) -> String {
    id.iter().fold(PREFIX.to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn is_name(name: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    name.strip_prefix(PREFIX).is_some_and(|id| id.len() == ID_LEN && id.bytes().all(digit))
}

/// Removes the folders of killed owners. Whatever is odd about one (a link, another owner, no access), it is let be.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_str().is_some_and(is_name)
            && is_our_folder(&path)
            && let Ok(Some(_lock)) = lock(&path)
        {
            tracing::info!(path = ?path, "removing what a killed mdb-login left");
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_our_folder(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return false;
        }
    }
    meta.is_dir()
}

/// The lock of a folder; `None` if somebody has it, or had it and has removed the folder.
fn lock(dir: &Path) -> io::Result<Option<File>> {
    let path = dir.join(LOCK);
    let file =
        open_file::open(&path, OpenOptions::new().read(true).write(true).create(true).truncate(false), Links::Refuse)?;
    match file.try_lock() {
        Ok(()) => Ok(open_file::is_at(&file, &path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn entries(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_private_and_goes_with_its_owner() {
        let base = tempfile::tempdir().unwrap();
        let one = PrivateDir::within(base.path()).unwrap();
        let two = PrivateDir::within(base.path()).unwrap();
        assert_ne!(one.path(), two.path());
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(one.path().join(TOKEN), "x").unwrap();
        drop(one);
        assert_eq!(entries(base.path()), [two.path().file_name().unwrap().to_str().unwrap()]);
    }

    #[test]
    fn nothing_is_put_into_a_folder_that_goes() {
        let base = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            let dir = PrivateDir::within(base.path()).unwrap();
            let (path, (begun, has_begun)) = (dir.path().join(TOKEN), std::sync::mpsc::channel());
            let keeper = std::thread::spawn(move || {
                while crate::atomic_file::replace(&path, b"x", None).is_ok() && begun.send(()).is_ok() {}
            });
            has_begun.recv().unwrap();
            drop(dir);
            drop(has_begun);
            keeper.join().unwrap();
            assert_eq!(entries(base.path()), Vec::<String>::new());
        }
    }

    #[test]
    fn only_abandoned_folders_of_our_own_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "x").unwrap();
        let living = PrivateDir::within(base.path()).unwrap();
        let abandoned = ["exec-0000000000000001", "exec-0123456789abcdef"];
        for name in abandoned {
            fs::create_dir(base.path().join(name)).unwrap();
            fs::write(base.path().join(name).join(TOKEN), "x").unwrap();
            symlink(elsewhere.path(), base.path().join(name).join("link")).unwrap();
        }
        let kept = ["exec-", "exec-0000000000000001x", "exec-000000000000000G", "exec-0123456789ABCDEF", "other"];
        kept.iter().for_each(|name| fs::create_dir(base.path().join(name)).unwrap());
        symlink(elsewhere.path(), base.path().join("exec-1111111111111111")).unwrap();
        fs::write(base.path().join("exec-2222222222222222"), "a file").unwrap();
        fs::create_dir(base.path().join("exec-3333333333333333")).unwrap();
        symlink(elsewhere.path().join("made"), base.path().join("exec-3333333333333333").join(LOCK)).unwrap();

        sweep(base.path());
        let mut expected: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        expected.extend(["1111111111111111", "2222222222222222", "3333333333333333"].map(|id| format!("exec-{id}")));
        expected.push(living.path().file_name().unwrap().to_str().unwrap().to_owned());
        expected.sort();
        assert_eq!(entries(base.path()), expected);
        assert_eq!(entries(elsewhere.path()), ["precious"]);
    }

    #[test]
    fn many_runs_at_once_do_not_sweep_each_other() {
        let base = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let dir = PrivateDir::within(base.path()).unwrap();
                        fs::write(dir.path().join(TOKEN), "x").unwrap();
                        assert!(dir.path().join(LOCK).exists());
                    }
                });
            }
        });
        assert_eq!(entries(base.path()), Vec::<String>::new());
    }
}

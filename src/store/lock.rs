//! One process at a time: a lock file for each session, one for renewing it and one for signing in.
//!
//! The kernel frees the lock when its holder dies, so there is no stale lock to guess about. The file is never
//! removed: two processes that hold the "same" lock on two inodes is how MSAL's lock failed.

use std::convert::Infallible;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::folder;
use super::key::SessionId;
use super::trouble::{Trouble, shown};
use crate::error::{Error, Kind, Result};
use crate::open_file::is_at;

/// Time between two tries, at first. Measured: as fast as a blocking lock for 200 waiters, and it can give up.
const POLL: Duration = Duration::from_millis(20);

/// The same after ten seconds.
const POLL_MAX: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Held while the session is read, renewed and written: seconds.
    Session,
    /// Held while a person signs in: minutes.
    SignIn,
}

impl LockKind {
    fn file_name(self, id: &SessionId) -> String {
        match self {
            Self::Session => format!("{id}.lock"),
            Self::SignIn => format!("{id}.signin.lock"),
        }
    }
}

/// What came of waiting for a lock.
#[derive(Debug)]
pub enum Waited<T> {
    /// The lock is ours. What was read before must be read again.
    Locked(SessionLock),
    /// Somebody else did the work meanwhile, and this is the answer.
    Answered(T),
}

impl Waited<Infallible> {
    /// The lock, where nobody can have answered.
    pub fn lock(self) -> SessionLock {
        match self {
            Self::Locked(lock) => lock,
            Self::Answered(never) => match never {},
        }
    }
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct SessionLock {
    file: File,
}

impl SessionLock {
    /// Takes the lock if nobody has it.
    ///
    /// # Errors
    /// [`Kind::Store`] if the file in the lock's place is not a plain file of ours, or if the file system cannot lock:
    /// going on without would let two processes spend one refresh token.
    pub fn try_acquire(state_dir: &Path, id: &SessionId, kind: LockKind) -> Result<Option<Self>> {
        let mut place = Place::open(state_dir, id, kind)?;
        Ok(place.try_lock()?.then(|| Self::held(place.file)))
    }

    /// Takes the lock, or waits for it until `deadline` has passed. Between two tries ([`pause`]), `answer` is asked
    /// whether waiting is still needed.
    ///
    /// # Errors
    /// As [`Self::try_acquire`], and [`Kind::TimedOut`], naming the holder's process id where it can be known.
    pub async fn acquire<T>(
        state_dir: &Path,
        id: &SessionId,
        kind: LockKind,
        deadline: Duration,
        mut answer: impl FnMut() -> Option<T>,
    ) -> Result<Waited<T>> {
        let start = Instant::now();
        let mut place = Place::open(state_dir, id, kind)?;
        while !place.try_lock()? {
            let waited = start.elapsed();
            if let Some(answer) = answer() {
                return Ok(Waited::Answered(answer));
            }
            if waited >= deadline {
                return Err(timed_out(&mut place.file, kind, deadline));
            }
            tokio::time::sleep(pause(waited).min(deadline - waited)).await;
        }
        Ok(Waited::Locked(Self::held(place.file)))
    }

    /// Writes down who holds the lock, for the words of those who wait in vain. Nothing depends on it.
    fn held(mut file: File) -> Self {
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Self { file }
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        // Said aloud, because a child process that inherited the file would keep the lock beyond our close.
        let _ = self.file.unlock();
    }
}

/// How long to wait for the next try after having waited for so long already. A thousand who ask fifty times a second would
/// leave the one who holds the lock no time on a small machine.
fn pause(waited: Duration) -> Duration {
    (waited / 20).clamp(POLL, POLL_MAX)
}

/// What came of a trial lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The second who wanted it did not get it.
    Held,
    /// The second got it, too: the file system only says that it locks.
    Shared,
    /// There is no folder to try it in, and this is no reason to make one.
    NoFolder,
}

/// Tries a lock as sessions are locked, on a file that is removed again.
///
/// # Errors
/// [`Kind::Store`] if the folder is not ours alone, if nothing can be written there, or if the file system cannot lock.
pub fn probe(state_dir: &Path) -> Result<Trial> {
    let Some(folder) = folder::sessions_if_any(state_dir)? else { return Ok(Trial::NoFolder) };
    let trial = tempfile::Builder::new().prefix(".trial-").suffix(".lock").tempfile_in(&folder);
    let trial = trial.map_err(|error| Trouble::file("write to", &folder, error))?;
    let second = trial.reopen().map_err(|error| Trouble::file("open", trial.path(), error))?;
    trial.as_file().try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => cannot_lock(trial.path(), std::io::ErrorKind::WouldBlock.into()),
        TryLockError::Error(error) => cannot_lock(trial.path(), error),
    })?;
    match second.try_lock() {
        Ok(()) => Ok(Trial::Shared),
        Err(TryLockError::WouldBlock) => Ok(Trial::Held),
        Err(TryLockError::Error(error)) => Err(cannot_lock(trial.path(), error)),
    }
}

/// Whether a session of this name has ever been locked here, hence used: a lock's file stays.
pub fn was_used(state_dir: &Path, id: &SessionId) -> Result<bool> {
    let Some(folder) = folder::sessions_if_any(state_dir)? else { return Ok(false) };
    Ok(folder.join(LockKind::Session.file_name(id)).symlink_metadata().is_ok())
}

/// The lock's file, open and not locked yet.
struct Place<'a> {
    state_dir: &'a Path,
    path: PathBuf,
    file: File,
}

impl<'a> Place<'a> {
    fn open(state_dir: &'a Path, id: &SessionId, kind: LockKind) -> Result<Self> {
        let path = folder::sessions(state_dir)?.join(kind.file_name(id));
        Ok(Self { state_dir, file: open(&path)?, path })
    }

    fn try_lock(&mut self) -> Result<bool> {
        loop {
            match self.file.try_lock() {
                Ok(()) if is_at(&self.file, &self.path) => return Ok(true),
                // Somebody removed the folder while we waited: this lock is on a file that nobody else will find.
                Ok(()) => {
                    folder::sessions(self.state_dir)?;
                    self.file = open(&self.path)?;
                }
                Err(TryLockError::WouldBlock) => return Ok(false),
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(cannot_lock(&self.path, error)),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, Trouble> {
    let file = folder::open(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?
        .ok_or_else(|| Trouble::file("open", path, std::io::ErrorKind::NotFound.into()))?;
    // A strange umask must not make a file that we cannot open the next time.
    #[cfg(unix)]
    let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
    Ok(file)
}

fn cannot_lock(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Store, format!("cannot lock `{}`", shown(path)))
        .because(error)
        .hint("use a state folder on a local disk: `MDB_LOGIN_STATE_DIR=/path/on/a/local/disk`")
}

fn timed_out(file: &mut File, kind: LockKind, deadline: Duration) -> Error {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) => format!("another mdb-login (process {pid})"),
        Err(_) => "another mdb-login".to_owned(),
    };
    let doing = match kind {
        LockKind::Session => "is still renewing this session",
        LockKind::SignIn => "is still signing in to this session",
    };
    let seconds = deadline.as_secs_f32();
    let error = Error::new(Kind::TimedOut, format!("{holder} {doing}"))
        .because_of(format!("waited {seconds:.0} s for its lock"));
    match kind {
        LockKind::Session => error,
        LockKind::SignIn => error.hint("finish the sign-in there, or end it with Ctrl-C, and run this again"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::super::key::tests::key;
    use super::*;

    const NONE: fn() -> Option<()> = || None;

    fn acquire<T>(
        state_dir: &Path,
        kind: LockKind,
        deadline: Duration,
        answer: impl FnMut() -> Option<T>,
    ) -> Result<Waited<T>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(SessionLock::acquire(state_dir, &key().id(), kind, deadline, answer))
    }

    fn held<T>(waited: Result<Waited<T>>) -> SessionLock {
        match waited {
            Ok(Waited::Locked(lock)) => lock,
            Ok(Waited::Answered(_)) => panic!("answered"),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn whoever_waits_long_asks_less_often() {
        for (waited, expected) in [(0, 20), (400, 20), (1000, 50), (4000, 200), (10_000, 500), (60_000, 500)] {
            assert_eq!(pause(Duration::from_millis(waited)), Duration::from_millis(expected), "{waited} ms");
        }
    }

    #[test]
    fn one_holder_at_a_time_and_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let lock = held(acquire(dir.path(), LockKind::Session, Duration::from_secs(60), NONE));
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(2));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert!(dir.path().join("sessions").join(format!("{}.lock", key().id())).is_file());
    }

    #[test]
    fn waiting_ends_at_the_deadline_with_the_holder_s_name_and_other_locks_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let acquire = |kind, ms| acquire(dir.path(), kind, Duration::from_millis(ms), NONE);
        let lock = held(acquire(LockKind::Session, 0));
        let _sign_in = held(acquire(LockKind::SignIn, 0));

        let start = Instant::now();
        let error = acquire(LockKind::Session, 150).map(drop).unwrap_err();
        let waited = start.elapsed();
        assert!((150..1000).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(error.kind(), Kind::TimedOut);
        #[cfg(unix)]
        assert!(error.message().contains(&format!("process {}", std::process::id())), "{error:?}");

        let at_once = || SessionLock::try_acquire(dir.path(), &key().id(), LockKind::Session).unwrap();
        assert!(at_once().is_none());
        drop(lock);
        held(acquire(LockKind::Session, 0));
        assert!(at_once().is_some());
    }

    #[test]
    fn a_trial_lock_is_held_by_one_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(probe(dir.path()).unwrap(), Trial::NoFolder);
        let folder = folder::sessions(dir.path()).unwrap();
        assert_eq!(probe(dir.path()).unwrap(), Trial::Held);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn waiting_ends_as_soon_as_there_is_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = held(acquire(dir.path(), LockKind::Session, Duration::ZERO, NONE));
        let start = Instant::now();
        let answer = || (start.elapsed() >= Duration::from_millis(60)).then_some("token");
        match acquire(dir.path(), LockKind::Session, Duration::from_secs(60), answer) {
            Ok(Waited::Answered("token")) => assert!(start.elapsed() < Duration::from_secs(5)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    #[cfg(unix)]
    fn something_else_in_the_lock_s_place_is_refused() {
        let prepare: [fn(&Path); 3] = [
            |path| std::fs::create_dir(path).unwrap(),
            |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
            |path| rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap(),
        ];
        for prepare in prepare {
            let dir = tempfile::tempdir().unwrap();
            let path = folder::sessions(dir.path()).unwrap().join(format!("{}.lock", key().id()));
            prepare(&path);
            let result = acquire(dir.path(), LockKind::Session, Duration::from_secs(9), NONE);
            let error = result.map(drop).unwrap_err();
            assert_eq!(error.kind(), Kind::Store);
            assert!(error.message().contains(".lock"), "{error:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_on_a_file_that_was_removed_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let id = key().id();
        let acquire = || acquire(dir.path(), LockKind::Session, Duration::from_secs(60), NONE);
        let lock = held(acquire());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| held(acquire()));
            thread::sleep(Duration::from_millis(100));
            std::fs::remove_dir_all(dir.path().join("sessions")).unwrap();
            drop(lock);
            let second = waiter.join().unwrap();
            assert!(is_at(&second.file, &dir.path().join("sessions").join(format!("{id}.lock"))));
        });
    }
}

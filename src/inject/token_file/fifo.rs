//! The gate: a FIFO in the place of a file whose token is dead.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::{GLANCE, Keeper, put_file};
use crate::open_file::open_with;
use crate::store::cache::CachedToken;

impl Keeper {
    /// Puts FIFOs into place until a reader could be given a token, which is in place then. `None` when the folder is
    /// gone, and the process is about to end.
    pub(super) fn on_demand(&mut self) -> Option<CachedToken> {
        let waiting = self.path.with_file_name("waiting");
        self.put_fifo(&waiting)?;
        loop {
            // Blocks until somebody reads.
            let mut reader = self.open(&self.path.clone(), OFlags::empty())?;
            // Whoever comes while we renew must not read from the first one's pipe.
            self.put_fifo(&waiting)?;
            let token = self.tokens.valid_blocking();
            if let Some(token) = self.note(token.and_then(|token| put_file(&self.path, &token).map(|()| token))) {
                // A reader that has gone is no loss, and none can keep us: a pipe holds more than a token.
                let _ = reader.write_all(token.token.expose().as_bytes());
                if let Ok(mut reader) = open(&waiting, OFlags::NONBLOCK) {
                    let _ = reader.write_all(token.token.expose().as_bytes());
                }
                return Some(token);
            }
            // Who waits gets an empty file, not a wait without an end.
            drop(reader);
            drop(open(&waiting, OFlags::NONBLOCK));
        }
    }

    /// Puts a FIFO that nobody has open into place, in one step; `second` is another name of it.
    fn put_fifo(&mut self, second: &Path) -> Option<()> {
        let unseen = self.path.with_file_name("new");
        self.patiently(|| {
            for stale in [&unseen, second] {
                match fs::remove_file(stale) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            rustix::fs::mknodat(CWD, second, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            fs::set_permissions(second, Permissions::from_mode(0o600))?;
            fs::hard_link(second, &unseen)?;
            fs::rename(&unseen, &self.path)
        })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Option<File> {
        self.patiently(|| open(path, flags))
    }

    /// Tries again what fails for want of memory, space or file descriptors. `None` when the folder is gone.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> io::Result<T>) -> Option<T> {
        loop {
            match attempt() {
                Ok(value) => return Some(value),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(_) => thread::sleep(GLANCE),
            }
        }
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    open_with(path, OpenOptions::new().write(true), flags | OFlags::NOFOLLOW)
}

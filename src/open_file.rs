//! Opening a file in whose place somebody may have put something else: a link, a FIFO, another file of that name.
//!
//! What is open is judged by who asked for it; a look at the name, before or after, says nothing of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// What becomes of a symbolic link in the file's place. On Windows, where making one takes a privilege, it is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Follow,
    /// Not opened: ELOOP.
    Refuse,
}

/// Opens as `options` say, and waits for nobody: without NONBLOCK, a FIFO would hold us until somebody is at its other end.
/// Nor does a terminal become ours. A file that this makes is 0600.
pub fn open(path: &Path, options: &mut OpenOptions, links: Links) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let nofollow = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
        open_with(path, options.mode(0o600), nofollow | OFlags::NONBLOCK | OFlags::NOCTTY)
    }
    #[cfg(not(unix))]
    {
        let _ = links;
        options.open(path)
    }
}

/// Opens as `options` say, with further flags of open(2).
#[cfg(unix)]
pub fn open_with(path: &Path, options: &mut OpenOptions, flags: rustix::fs::OFlags) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path)
}

/// Whether an open file is the one of that name still, and not one that was removed or renamed since.
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        match (file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true // Windows does not remove a file that is open.
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::{CWD, FileType, mknodat};
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn links_are_followed_or_refused_and_nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink(at("file"), at("link")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let errno = |name, options: &mut OpenOptions, links| {
            open(&at(name), options, links).err().and_then(|error| Errno::from_io_error(&error))
        };
        for (name, followed, refused) in [
            ("file", None, None),
            ("link", None, Some(Errno::LOOP)),
            ("fifo", None, None),
            ("none", Some(Errno::NOENT), Some(Errno::NOENT)),
        ] {
            assert_eq!(errno(name, OpenOptions::new().read(true), Links::Follow), followed, "{name}");
            assert_eq!(errno(name, OpenOptions::new().read(true), Links::Refuse), refused, "{name}");
        }
        assert_eq!(errno("fifo", OpenOptions::new().write(true), Links::Refuse), Some(Errno::NXIO));
    }

    #[test]
    fn a_file_that_is_made_is_private_and_known_again_under_its_own_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let file = open(&at("one"), OpenOptions::new().write(true).create(true), Links::Refuse).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(at("two"), "x").unwrap();
        symlink(at("one"), at("link")).unwrap();
        let found = |name| is_at(&file, &at(name));
        assert_eq!(["one", "two", "link", "none"].map(found), [true, false, false, false]);
        fs::rename(at("two"), at("one")).unwrap();
        assert!(!found("one"));
    }
}

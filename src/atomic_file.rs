//! Files that are replaced in one step: whoever reads sees the old file or the new one, whole, and so does whoever comes
//! after a crash, a full disk or a kill.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

/// Ends the name of a file that is still being written.
const UNFINISHED: &str = ".new";

/// Puts `bytes` in place of the file at `path`. A symbolic link there is replaced, not followed.
///
/// The new file gets `permissions`, or 0600 if there are none; until then, nobody but its owner can open it. After a power
/// cut the old file may be back, unless the folder has been through [`sync_folder`].
///
/// # Errors
/// The old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let mut file =
        tempfile::Builder::new().prefix(&unfinished_prefix(path)).suffix(UNFINISHED).tempfile_in(folder_of(path))?;
    // Created with 0600 at most, less what the umask takes away.
    #[cfg(unix)]
    let permissions = permissions.or_else(|| Some(std::os::unix::fs::PermissionsExt::from_mode(0o600)));
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Makes what was renamed or removed at `path` last through a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

/// Whether `name`, found beside `path`, is what a [`replace`] of `path` has not finished: a process is still at it, or was
/// killed.
pub fn is_unfinished(name: &OsStr, path: &Path) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(&unfinished_prefix(path)) && name.ends_with(UNFINISHED)
}

fn unfinished_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// A bare name has an empty parent, which is no folder to any system call.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_with_the_permissions_asked_for_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("token"), folder.path().join("other"));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        replace(&path, b"one", None).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode()), (&b"one"[..], 0o600));
        replace(&path, b"two", Some(Permissions::from_mode(0o640))).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode()), (&b"two"[..], 0o640));

        fs::rename(&path, &other).unwrap();
        symlink(&other, &path).unwrap();
        replace(&path, b"three", None).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&other).unwrap()), (b"three".to_vec(), b"two".to_vec()));
        sync_folder(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_replaced_is_left_and_so_is_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::create_dir(&path).unwrap();
        replace(&path, b"one", None).unwrap_err();
        assert!(path.is_dir() && fs::read_dir(folder.path()).unwrap().count() == 1);
    }

    #[test]
    fn a_bare_name_is_a_file_of_the_current_folder() {
        assert_eq!(folder_of(Path::new("token")), Path::new("."));
        assert_eq!(folder_of(Path::new("/token")), Path::new("/"));
    }

    #[test]
    fn unfinished_files_belong_to_one_file() {
        let path = Path::new("/state/x.secret");
        for (name, expected) in [
            (".x.secret.a1B2c3.new", true),
            ("x.secret", false),
            (".x.secret.new.lock", false),
            (".y.secret.a.new", false),
        ] {
            assert_eq!(is_unfinished(OsStr::new(name), path), expected, "{name}");
        }
    }
}

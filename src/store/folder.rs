//! Files and folders that nobody else may have prepared: private, owned by us, no links, written whole or not at all.
//!
//! On Windows the profile folder's own access list does this work, and the checks here are empty.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::trouble::{Trouble, shown};
use crate::atomic_file;
use crate::open_file::{self, Links};
use crate::ui::shell_quoted;

/// In the state folder.
const SESSIONS: &str = "sessions";
const SERVERS: &str = "servers";

/// More than any file of ours; a reader stops there.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The folder of the sessions in the state folder.
pub(super) fn sessions(state_dir: &Path) -> Result<PathBuf, Trouble> {
    private(state_dir, SESSIONS)
}

/// The same for readers: `None` if it is missing, so that a look changes nothing and works with a read-only home.
pub(super) fn sessions_if_any(state_dir: &Path) -> Result<Option<PathBuf>, Trouble> {
    private_if_any(state_dir, SESSIONS)
}

/// The folder of what servers have said, in the state folder.
pub(super) fn servers(state_dir: &Path) -> Result<PathBuf, Trouble> {
    private(state_dir, SERVERS)
}

/// The same for readers, as [`sessions_if_any`].
pub(super) fn servers_if_any(state_dir: &Path) -> Result<Option<PathBuf>, Trouble> {
    private_if_any(state_dir, SERVERS)
}

/// The folder `name` in `base`, made (0700) if it is missing, and `base` with it. Checked in any case: ours, and closed
/// to others.
pub(super) fn private(base: &Path, name: &str) -> Result<PathBuf, Trouble> {
    make(&base.join(name))?;
    checked(base, name)
}

fn private_if_any(base: &Path, name: &str) -> Result<Option<PathBuf>, Trouble> {
    match fs::symlink_metadata(base.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => checked(base, name).map(Some),
    }
}

fn checked(base: &Path, name: &str) -> Result<PathBuf, Trouble> {
    let folder = base.join(name);
    // The base itself may be a link that its owner made (to a larger disk, say); what is inside may not.
    check_folder(base, &fs::metadata(base).map_err(|error| Trouble::file("look at", base, error))?)?;
    check_ancestors(base)?;
    check_folder(&folder, &fs::symlink_metadata(&folder).map_err(|error| Trouble::file("look at", &folder, error))?)?;
    Ok(folder)
}

fn make(folder: &Path) -> Result<(), Trouble> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Trouble::file("create the folder", folder, error))
}

#[cfg(unix)]
fn check_folder(path: &Path, meta: &fs::Metadata) -> Result<(), Trouble> {
    use std::os::unix::fs::MetadataExt;
    let (why, hint) = if !meta.is_dir() {
        ("it is not a folder".to_owned(), None)
    } else if meta.uid() != rustix::process::geteuid().as_raw() {
        (format!("it belongs to user id {}", meta.uid()), Some("run mdb-login as the user who owns it".to_owned()))
    } else if meta.mode() & 0o022 != 0 {
        (
            "other users can write to it".to_owned(),
            Some(format!("close it: `chmod 700 {}`", shell_quoted(&path.to_string_lossy()))),
        )
    } else {
        return Ok(());
    };
    Err(Trouble::Unsafe { path: path.to_owned(), why, hint })
}

/// Anyone who can rename a folder on the way can put another one in its place. Group-writable ones are let be: with
/// one group a user (Debian, Fedora) and umask 002 they are everywhere and mean nothing.
#[cfg(unix)]
fn check_ancestors(folder: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::MetadataExt;
    let real = folder.canonicalize().map_err(|error| Trouble::file("look at", folder, error))?;
    for ancestor in real.ancestors().skip(1) {
        let mode = fs::metadata(ancestor).map_err(|error| Trouble::file("look at", ancestor, error))?.mode();
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            let why = format!("every user can replace it, because `{}` is open to all", shown(ancestor));
            return Err(Trouble::Unsafe { path: folder.to_owned(), why, hint: None });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_folder(path: &Path, meta: &fs::Metadata) -> Result<(), Trouble> {
    if meta.is_dir() {
        return Ok(());
    }
    Err(Trouble::Unsafe { path: path.to_owned(), why: "it is not a folder".into(), hint: None })
}

#[cfg(not(unix))]
fn check_ancestors(_: &Path) -> Result<(), Trouble> {
    Ok(())
}

/// Opens a file of ours and looks at what was opened, not at what the name says a moment before (CVE-2025-46327):
/// a regular file with one name, ours, and closed to others. `None` if there is none.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<Option<File>, Trouble> {
    let refused = |why: &str| Trouble::Unsafe { path: path.to_owned(), why: why.to_owned(), hint: None };
    let file = match open_file::open(path, options, Links::Refuse) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // ELOOP for a link; ENXIO and EISDIR for what cannot be opened like a file.
        Err(error) => {
            return Err(match fs::symlink_metadata(path) {
                Ok(meta) if meta.is_symlink() => refused("it is a symbolic link"),
                Ok(meta) if !meta.is_file() => refused("it is not a regular file"),
                _ => Trouble::file("open", path, error),
            });
        }
    };
    let meta = file.metadata().map_err(|error| Trouble::file("look at", path, error))?;
    if !meta.is_file() {
        return Err(refused("it is not a regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(refused(&format!("it belongs to user id {}", meta.uid())));
        }
        if meta.nlink() > 1 {
            return Err(refused("it has a second name (hard link)"));
        }
        if meta.mode() & 0o077 != 0 {
            let hint = Some(format!("close it: `chmod 600 {}`", shell_quoted(&path.to_string_lossy())));
            return Err(Trouble::Unsafe { path: path.to_owned(), why: "other users can open it".into(), hint });
        }
    }
    Ok(Some(file))
}

/// Reads a whole file of ours; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    let Some(file) = open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    let size = file.metadata().map_or(0, |meta| meta.len()).min(MAX_FILE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| Trouble::file("read", path, error))?;
    Ok(Some(bytes))
}

/// Writes a whole file (0600) or none: a crash or a full disk leaves the old one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let failed = |error| Trouble::file("write", path, error);
    // Renaming over it would be harmless; but a link here is somebody's attempt at something, and worth a word.
    drop(open(path, OpenOptions::new().read(true))?);
    sweep(path, Duration::from_secs(60));
    atomic_file::replace(path, bytes, None).map_err(failed)?;
    // Or a power cut could bring the old file back, with a refresh token that was spent.
    atomic_file::sync_folder(path).map_err(failed)
}

/// See [`super::audit`]. What is half written belongs to a write that is going on, or goes with the next one.
pub(super) fn audit(state_dir: &Path) -> Result<(Vec<Trouble>, usize), Trouble> {
    let (mut troubles, mut count) = (Vec::new(), 0);
    for folder in [sessions_if_any(state_dir)?, servers_if_any(state_dir)?].into_iter().flatten() {
        let entries = fs::read_dir(&folder).map_err(|error| Trouble::file("list", &folder, error))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        for name in names.filter(|name| !name.to_string_lossy().starts_with('.')) {
            count += 1;
            troubles.extend(open(&folder.join(name), OpenOptions::new().read(true)).err());
        }
    }
    Ok((troubles, count))
}

/// Removes a file and what an interrupted write of it left; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), Trouble> {
    sweep(path, Duration::ZERO);
    match fs::remove_file(path) {
        Ok(()) => atomic_file::sync_folder(path).map_err(|error| Trouble::file("remove", path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Trouble::file("remove", path, error)),
    }
}

/// Removes half-written files of earlier, killed processes: they may hold a refresh token. Younger ones may belong to
/// a process that is still writing.
fn sweep(path: &Path, older_than: Duration) {
    let Some(entries) = path.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    for entry in entries.flatten() {
        let written = entry.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let old = SystemTime::now().duration_since(written).is_ok_and(|age| age >= older_than);
        if old && atomic_file::is_unfinished(&entry.file_name(), path) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::error::{Error, Kind};

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn folders_and_files_are_private_and_come_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/state");
        let folder = sessions(&state).unwrap();
        for path in [&state, &folder, &dir.path().join("a")] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o700, "{path:?}");
        }
        let path = folder.join("x.secret");
        assert!(read(&path).unwrap().is_none());
        for text in ["one", "a second, longer text", ""] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().as_slice(), text.as_bytes());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_somebody_else_may_have_prepared_is_refused_by_name() {
        /// Puts something in the place of the first path, out of what is at the second.
        type Prepare = fn(&Path, &Path);
        let prepare: [(&str, Prepare); 5] = [
            ("symbolic link", |path, other| symlink(other, path).unwrap()),
            ("hard link", |path, other| fs::hard_link(other, path).unwrap()),
            ("not a regular file", |path, _| fs::create_dir(path).unwrap()),
            ("other users can open it", |path, _| {
                fs::write(path, "x").unwrap();
                chmod(path, 0o644);
            }),
            ("not a regular file", |path, _| {
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            }),
        ];
        for (why, prepare) in prepare {
            let dir = tempfile::tempdir().unwrap();
            let folder = sessions(dir.path()).unwrap();
            let (path, other) = (folder.join("x.secret"), folder.join("other"));
            write(&other, b"of somebody").unwrap();
            prepare(&path, &other);
            for trouble in [read(&path).map(drop).unwrap_err(), write(&path, b"secret").unwrap_err()] {
                let error = Error::from(trouble);
                assert_eq!(error.kind(), Kind::Store);
                assert!(error.message().contains(why) && error.message().contains("x.secret"), "{why}: {error:?}");
            }
            if why != "hard link" {
                assert_eq!(fs::read(&other).unwrap(), b"of somebody");
            }
        }
    }

    #[test]
    fn an_audit_names_each_file_that_is_not_as_we_left_it_and_reads_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(audit(dir.path()).map(|(troubles, count)| (troubles.len(), count)).unwrap(), (0, 0));
        let (sessions, servers) = (sessions(dir.path()).unwrap(), servers(dir.path()).unwrap());
        for path in [sessions.join("a.json"), sessions.join("a.secret"), servers.join("b.json"), servers.join("c.json")]
        {
            write(&path, b"x").unwrap();
        }
        fs::write(sessions.join(".a.json.aaaaaa.new"), "half").unwrap();
        chmod(&sessions.join("a.secret"), 0o640);
        fs::remove_file(servers.join("c.json")).unwrap();
        symlink(servers.join("b.json"), servers.join("c.json")).unwrap();
        let (troubles, count) = audit(dir.path()).unwrap();
        let texts: Vec<String> =
            troubles.into_iter().map(|trouble| Error::from(trouble).message().to_owned()).collect();
        assert_eq!((texts.len(), count), (2, 4), "{texts:?}");
        assert!(texts[0].ends_with("a.secret` was not used: other users can open it"), "{texts:?}");
        assert!(texts[1].ends_with("c.json` was not used: it is a symbolic link"), "{texts:?}");
        chmod(&sessions, 0o777);
        assert!(matches!(audit(dir.path()), Err(Trouble::Unsafe { .. })));
    }

    #[test]
    fn what_closes_it_can_be_pasted_into_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("ada's state");
        let folder = sessions(&state).unwrap();
        let file = folder.join("x.secret");
        fs::write(&file, "x").unwrap();
        chmod(&file, 0o644);
        let shared = read(&file).unwrap_err();
        chmod(&state, 0o777);
        for (trouble, path, mode) in [(shared, &file, "600"), (sessions(&state).unwrap_err(), &state, "700")] {
            let error = Error::from(trouble);
            let command = error.hints().first().unwrap().strip_prefix("close it: `").unwrap().trim_end_matches('`');
            assert_eq!(shlex::split(command).unwrap(), ["chmod", mode, path.to_str().unwrap()]);
        }
    }

    #[test]
    fn folders_open_to_others_are_refused() {
        for (open, mode) in [("state", 0o770), ("state", 0o702), ("state/sessions", 0o720), (".", 0o777)] {
            let dir = tempfile::tempdir().unwrap();
            let state = dir.path().join("state");
            sessions(&state).unwrap();
            chmod(&dir.path().join(open), mode);
            assert!(matches!(sessions(&state), Err(Trouble::Unsafe { .. })), "{open} {mode:o}");
            chmod(&dir.path().join(open), if mode == 0o777 { 0o1777 } else { 0o755 });
            sessions(&state).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), dir.path().join("sessions")).unwrap();
        assert!(matches!(sessions(dir.path()), Err(Trouble::Unsafe { .. })));
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        // As root, give one away; as anyone else, `/` is somebody else's.
        let foreign = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(54321), None).unwrap();
            dir.path()
        } else {
            Path::new("/")
        };
        let trouble = check_folder(foreign, &fs::metadata(foreign).unwrap()).unwrap_err();
        assert!(Error::from(trouble).message().contains("belongs to user id"));
    }

    #[test]
    fn half_written_files_are_swept_when_they_are_nobody_s() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.secret");
        let (old, young) = (dir.path().join(".x.secret.aaaaaa.new"), dir.path().join(".x.secret.bbbbbb.new"));
        let other = dir.path().join(".y.secret.cccccc.new");
        for file in [&old, &young, &other] {
            fs::write(file, "half").unwrap();
        }
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&old).unwrap().set_modified(hour_ago).unwrap();
        write(&path, b"x").unwrap();
        assert_eq!((old.exists(), young.exists(), other.exists()), (false, true, true));
        remove(&path).unwrap();
        assert_eq!((young.exists(), other.exists()), (false, true));
    }
}

//! The Linux kernel keyring: nothing on disk, no service, gone with the machine's power.
//!
//! Keys are in the user keyring `@u`. The session keyring `@s` will not do, because every login, ssh connection and
//! systemd service has its own.
//!
//! How long the kernel keeps `@u`: until the machine restarts. Measured on 6.18: 24 minutes after the last process of
//! a user had ended (the kernel's collector runs after 5), its `@u` and the keys in it were all there, without any
//! `loginctl enable-linger`. The kernel's persistent keyring would be no gain: what it holds is dropped after three
//! days without use (`kernel.keys.persistent_keyring_expiry`), and not every kernel has it.

use std::fs;

use linux_keyutils::{Key, KeyError, KeyPermissions, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
use zeroize::Zeroizing;

use super::trouble::Trouble;

/// The most bytes that the kernel takes for one `user` key.
pub(super) const MAX_PAYLOAD: usize = 32_767;

/// Large enough for any token in one call; the rest of the way is a second call.
const FIRST_READ: usize = 16 * 1024;

/// Who may do what with a key. The possessor (a process whose own keyrings lead to the key): everything. Other
/// processes of the same user, whose session keyring does not link `@u` (systemd services, containers, `su`): find and
/// read it. Nothing for group and others. Without the user's part those processes are refused (EACCES); writing is
/// not in it, because every writer makes itself the possessor first ([`ring_for_writing`]).
fn permissions() -> KeyPermissions {
    let user = Permission::VIEW | Permission::READ | Permission::SEARCH | Permission::LINK;
    KeyPermissionsBuilder::builder().posessor(Permission::ALL).user(user).build()
}

/// Reads a key; `None` if there is none, or if its time has run out.
pub(super) fn get(description: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    match find(description) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_missing(error) => Ok(None),
        Err(error) => Err(trouble(error)),
    }
}

/// Reads a key in the fewest system calls, for the path that must cost nothing.
pub(super) fn find(description: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key = KeyRing::from_special_id(KeyRingIdentifier::User, false)?.search(description)?;
    let mut size = FIRST_READ;
    loop {
        let mut bytes = Zeroizing::new(vec![0; size]);
        let length = key.read(&mut *bytes)?;
        if length <= bytes.len() {
            bytes.truncate(length);
            return Ok(bytes);
        }
        size = length;
    }
}

/// Writes a key that stays.
pub(super) fn set(description: &str, bytes: &[u8]) -> Result<(), Trouble> {
    write(description, bytes, None).map_err(trouble)
}

/// Writes a key that the kernel removes after `seconds`. If the kernel will not promise that, there is no key.
pub(super) fn set_for(description: &str, bytes: &[u8], seconds: u64) -> Result<(), Trouble> {
    write(description, bytes, Some(seconds)).map_err(|error| {
        let _ = remove(description);
        trouble(error)
    })
}

fn write(description: &str, bytes: &[u8], seconds: Option<u64>) -> Result<(), KeyError> {
    // An existing key is updated at once, as one step: a reader sees the old value or the new one.
    let key = ring_for_writing()?.add_key(description, bytes)?;
    key.set_perms(permissions())?;
    if let Some(seconds) = seconds {
        // The kernel takes 32 bits, and an update has just taken an older timeout away.
        key.set_timeout(usize::try_from(seconds.min(u32::MAX.into())).unwrap_or(usize::MAX))?;
    }
    Ok(())
}

/// Removes a key at once; one that is not there is fine.
pub(super) fn remove(description: &str) -> Result<(), Trouble> {
    let removed = ring_for_writing().and_then(|ring| {
        let key: Key = ring.search(description)?;
        // Unlinking alone would leave it to whoever holds another link.
        key.invalidate().or_else(|_| ring.unlink_key(key))
    });
    match removed {
        Err(error) if !is_missing(error) => Err(trouble(error)),
        _ => Ok(()),
    }
}

/// Whether the kernel keyring can be used at all.
pub(super) fn check() -> Result<(), Trouble> {
    ring_for_writing().map(drop).map_err(trouble)
}

/// `@u`, linked into this thread's own keyring, so that we are the possessor of what is in it. Changing permissions
/// and timeouts asks for that, and many processes have a session keyring that does not lead to `@u`.
fn ring_for_writing() -> Result<KeyRing, KeyError> {
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, true)?;
    // Where the session keyring leads to `@u` anyway, a failure here (quota) is of no importance.
    let _ = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).and_then(|thread| thread.link_keyring(user));
    Ok(user)
}

fn is_missing(error: KeyError) -> bool {
    matches!(error, KeyError::KeyDoesNotExist | KeyError::KeyExpired | KeyError::KeyRevoked)
}

fn trouble(error: KeyError) -> Trouble {
    /// <asm-generic/errno.h>: the kernel was built without keyrings, or a seccomp filter says so.
    const ENOSYS: i32 = 38;
    let file = "keep the session in a file that every program of yours can read: `--store file`";
    let (cause, hint) = match error {
        KeyError::QuotaExceeded => (
            "your keys there have used up their quota (EDQUOT; `cat /proc/key-users` shows it)".to_owned(),
            "raise it: `sudo sysctl kernel.keys.maxbytes=200000 kernel.keys.maxkeys=2000`, or use `--store file`",
        ),
        KeyError::Unknown(ENOSYS) => {
            ("this kernel has no keyrings, or this container hides them (ENOSYS)".into(), file)
        }
        KeyError::PermissionDenied => ("this container or sandbox forbids it (EPERM, a seccomp filter)".into(), file),
        KeyError::AccessDenied => ("its permissions do not let this process in (EACCES)".into(), file),
        other => (other.to_string(), file),
    };
    Trouble::Kernel { cause, hint }
}

/// How long a session is kept there, to be said after "kept in the Linux kernel keyring, ".
pub(super) fn retention() -> &'static str {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    retention_of(&release, &uid_map)
}

fn retention_of(release: &str, uid_map: &str) -> &'static str {
    let whole = ["0", "0", "4294967295"];
    if !uid_map.is_empty() && !uid_map.split_whitespace().eq(whole) {
        // The keyring belongs to the user namespace, and goes with it.
        return "until this container stops";
    }
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().unwrap_or(0));
    // Since Linux 5.3 (commit 0f44e4d976f9) the user namespace holds the keyring; before, the user's processes did.
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 3) {
        "until this machine restarts"
    } else {
        "until the last of your processes on this machine ends"
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A name that no other test, run or session uses.
    pub(crate) fn unique() -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        format!("mdb-login:test:{}:{:?}:{now}", std::process::id(), std::thread::current().id())
    }

    /// Whether this machine has a kernel keyring to test with. Where it has none, the reason must be one that we have
    /// words for, and the run says aloud that the test only checked that.
    pub(crate) fn is_here(test: &str) -> bool {
        match check() {
            Ok(()) => true,
            Err(Trouble::Kernel { cause, .. }) => {
                assert!(cause.contains("ENOSYS") || cause.contains("EPERM") || cause.contains("EDQUOT"), "{cause}");
                eprintln!("NOT RUN, NO KERNEL KEYRING: {test}: {cause}");
                false
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_come_back_whole_with_the_permissions_that_other_logins_need() {
        if !is_here("keys_come_back_whole") {
            return;
        }
        let name = unique();
        assert!(get(&name).unwrap().is_none());
        for size in [1, 3000, FIRST_READ, FIRST_READ + 1, MAX_PAYLOAD] {
            let bytes = vec![b'x'; size];
            match set(&name, &bytes) {
                Ok(()) => assert_eq!(get(&name).unwrap().unwrap().as_slice(), bytes),
                // A user's 20,000 bytes, of which others may be in use.
                Err(Trouble::Kernel { cause, .. }) if size > 3000 => assert!(cause.contains("EDQUOT"), "{cause}"),
                Err(other) => panic!("{size}: {other:?}"),
            }
        }
        let key = KeyRing::from_special_id(KeyRingIdentifier::User, false).unwrap().search(&name).unwrap();
        assert_eq!(key.metadata().unwrap().get_perms().bits(), 0x3f1b_0000);
        remove(&name).unwrap();
        assert!(get(&name).unwrap().is_none());
        remove(&name).unwrap();
    }

    #[test]
    fn a_key_with_a_time_is_gone_after_it_and_can_be_written_again() {
        if !is_here("a_key_with_a_time") {
            return;
        }
        let name = unique();
        for round in 0..2 {
            set_for(&name, b"token", 1).unwrap();
            assert!(get(&name).unwrap().is_some(), "round {round}");
            std::thread::sleep(Duration::from_millis(2100));
            assert!(get(&name).unwrap().is_none(), "round {round}");
        }
        // An update without a time takes the old one away.
        set_for(&name, b"token", 1).unwrap();
        set(&name, b"session").unwrap();
        std::thread::sleep(Duration::from_millis(2100));
        assert!(get(&name).unwrap().is_some());
        remove(&name).unwrap();
    }

    #[test]
    fn what_cannot_be_done_has_its_own_words() {
        let cause = |error| match trouble(error) {
            Trouble::Kernel { cause, hint } => {
                assert!(hint.contains("--store file"));
                cause
            }
            other => panic!("{other:?}"),
        };
        assert!(cause(KeyError::QuotaExceeded).contains("EDQUOT"));
        assert!(cause(KeyError::Unknown(38)).contains("ENOSYS"));
        assert!(cause(KeyError::PermissionDenied).contains("EPERM"));
        assert!(cause(KeyError::AccessDenied).contains("EACCES"));
    }

    #[test]
    fn retention_is_what_the_kernel_does() {
        let host = "         0          0 4294967295\n";
        for (release, uid_map, expected) in [
            ("6.18.44-fc\n", host, "until this machine restarts"),
            ("5.3.0", "", "until this machine restarts"),
            ("4.18.0-553.el8_10.x86_64", host, "until the last of your processes on this machine ends"),
            ("5.2.21", host, "until the last of your processes on this machine ends"),
            ("6.1.0", "0 1000 1\n1 100000 65536\n", "until this container stops"),
        ] {
            assert_eq!(retention_of(release, uid_map), expected, "{release}");
        }
    }
}

//! Keeping: is there a place for secrets, does the cache work, do locks hold, are the files as we left them, and is
//! anybody signed in. No secret is read.

use std::path::Path;

use super::Case;
use super::finding::Finding;
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::flow::surroundings::Surroundings;
use crate::settings::Settings;
use crate::store::index::{self, IndexEntry};
use crate::store::lock::{self, Trial};
use crate::store::{self, Backend, StoreChoice, Trouble, cache};
use crate::ui::report::Mark;
use crate::ui::{foreign, span};
use crate::workload::Place;

/// What was seen of the places for secrets.
struct Places {
    keyring: Result<String, Trouble>,
    kernel: Result<(), Trouble>,
}

/// The keyring, looked at without touching it, and the store that is or would be used.
pub fn stores(case: &Case) -> Vec<Finding> {
    if case.settings.kind.is_program() {
        return judge_program_stores(&case.settings, place(&case.settings).is_some(), store::look_at_kernel());
    }
    let places = Places { keyring: store::look_at_keyring(), kernel: store::look_at_kernel() };
    let known = entry(case).ok().flatten().map(|entry| entry.backend);
    judge_stores(places, case.settings.store, known, Surroundings::here().display)
}

/// The session that the settings mean.
fn entry(case: &Case) -> Result<Option<IndexEntry>> {
    let Ok(state_dir) = &case.state_dir else { return Ok(None) };
    Ok(index::read(state_dir, &case.settings.session_key().id())?)
}

/// `known`: where the session is, if there is one. `display`: whether a prompt could be seen.
fn judge_stores(places: Places, choice: StoreChoice, known: Option<Backend>, display: bool) -> Vec<Finding> {
    const KEYRING: &str = "keyring";
    const STORE: &str = "store";
    let choice = known.and_then(Backend::choice).unwrap_or(choice);
    let absent = matches!(places.keyring, Err(Trouble::Absent { .. }));
    let is_wanted = choice == StoreChoice::Keyring || (choice == StoreChoice::Auto && !absent);
    let keyring = match places.keyring {
        // Elsewhere nobody can tell without asking for something.
        Ok(name) if cfg!(target_os = "linux") => Finding::ok(KEYRING, format!("{name}, unlocked")),
        Ok(name) => Finding::ok(KEYRING, name),
        Err(Trouble::Absent { why }) if !is_wanted => Finding::skip(KEYRING, format!("there is none: {why}")),
        Err(trouble) => {
            let locked = matches!(trouble, Trouble::Locked { .. });
            let error = Error::from(trouble);
            // Somebody at a desktop is asked to unlock it.
            if !is_wanted || (locked && display) {
                Finding::warned(KEYRING, &error)
            } else {
                Finding::failed(KEYRING, &error)
            }
        }
    };
    let is_or_would_be = if known.is_some() { "the session is in" } else { "a sign-in would be kept in" };
    let in_kernel = choice == StoreChoice::Kernel || (choice == StoreChoice::Auto && absent);
    let store = match (choice, places.kernel) {
        (_, Err(trouble)) if in_kernel => Finding::failed(STORE, &trouble.into()),
        (StoreChoice::File, _) => Finding::ok(STORE, format!("{is_or_would_be} {}", Backend::File.worth())),
        (StoreChoice::Auto, _) if in_kernel => {
            Finding::warn(STORE, format!("{is_or_would_be} {}, as there is no keyring", Backend::Kernel.worth()))
        }
        (StoreChoice::Kernel, _) => Finding::ok(STORE, format!("{is_or_would_be} {}", Backend::Kernel.worth())),
        (StoreChoice::Auto | StoreChoice::Keyring, _) if keyring.mark == Mark::Ok => {
            Finding::ok(STORE, format!("{is_or_would_be} {}", Backend::Keyring.worth()))
        }
        _ => Finding::skip(STORE, "it is the keyring's to say"),
    };
    vec![keyring, store]
}

/// The file that something else keeps the session's token in.
fn place(settings: &Settings) -> Option<Place> {
    Place::of(settings, &|name| std::env::var_os(name))
}

/// A program's token is all that is kept, and nobody is there who could unlock anything. `has_file`: it is read from one.
fn judge_program_stores(settings: &Settings, has_file: bool, kernel: Result<(), Trouble>) -> Vec<Finding> {
    const STORE: &str = "store";
    let keyring = Finding::skip("keyring", "a program's session needs none");
    let store = match kernel {
        _ if has_file => Finding::ok(STORE, "nothing is kept: the token is read from its file for each use"),
        Ok(()) => Finding::ok(STORE, format!("the token would be kept in {}", Backend::Kernel.worth())),
        Err(_) if settings.store == StoreChoice::File => {
            Finding::ok(STORE, format!("the token would be kept in {}", Backend::File.worth()))
        }
        Err(trouble) => Finding::warned(STORE, &trouble.into())
            .note("each use asks for a token; to keep one in a file, set `store` to `file`"),
    };
    vec![keyring, store]
}

/// Whether access tokens are found again without asking anybody.
pub fn cache(case: &Case) -> Vec<Finding> {
    const NAME: &str = "cache";
    let finding = match cache::probe(&case.settings.session_key().id()) {
        None => Finding::skip(NAME, "there is none on this system: access tokens are next to the session"),
        Some(Ok(())) => Finding::ok(NAME, "a trial token was kept, found and removed"),
        Some(Err(error)) => {
            Finding::warned(NAME, &error).note("access tokens are next to the session instead, which is slower")
        }
    };
    vec![finding]
}

/// Files and folders: whose they are, who can open them, and whether they can be understood.
pub fn files(case: &Case) -> Vec<Finding> {
    const NAME: &str = "files";
    let state_dir = match &case.state_dir {
        Ok(state_dir) => state_dir,
        Err(error) => return vec![Finding::failed(NAME, error)],
    };
    let (mut errors, count) = match store::audit(state_dir) {
        Ok((troubles, count)) => (troubles.into_iter().map(Error::from).collect(), count),
        Err(trouble) => (vec![Error::from(trouble)], 0),
    };
    match index::all(state_dir) {
        Ok(index) => errors.extend(index.unreadable.into_iter().map(|(_, error)| error)),
        Err(error) => errors.push(error),
    }
    judge_files(state_dir, count, errors)
}

fn judge_files(state_dir: &Path, count: usize, mut errors: Vec<Error>) -> Vec<Finding> {
    const NAME: &str = "files";
    // A file that others can open is met twice: once as a file, once as a record.
    errors.sort_by(|a, b| a.message().cmp(b.message()));
    errors.dedup_by(|a, b| a.message() == b.message());
    let shown = foreign(&state_dir.to_string_lossy());
    match errors.as_slice() {
        [] if count == 0 => vec![Finding::ok(NAME, format!("nothing is kept in `{shown}` yet"))],
        [] => vec![Finding::ok(
            NAME,
            format!("{count} {} in `{shown}`, closed to others", if count == 1 { "file" } else { "files" }),
        )],
        errors => errors.iter().map(|error| Finding::failed(NAME, error)).collect(),
    }
}

/// Whether one lock can be held by one program only. On file systems of the network that is not always so.
pub fn locks(case: &Case) -> Vec<Finding> {
    const NAME: &str = "locks";
    let state_dir = match &case.state_dir {
        Ok(state_dir) => state_dir,
        Err(_) => return vec![Finding::skip(NAME, "there is no folder for them")],
    };
    let place = nearest(state_dir);
    vec![judge_locks(place.and_then(file_system), lock::probe(state_dir))]
}

/// The folder itself, or the nearest one on the way to it that is there.
fn nearest(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|ancestor| ancestor.is_dir())
}

/// `file_system`: its name, if it is one of the network.
fn judge_locks(file_system: Option<&str>, trial: Result<Trial>) -> Finding {
    const NAME: &str = "locks";
    let local = "use a state folder on a local disk: `MDB_LOGIN_STATE_DIR=/path/on/a/local/disk`";
    match (trial, file_system) {
        (Err(error), _) => Finding::failed(NAME, &error),
        (Ok(Trial::Shared), _) => Finding::fail(
            NAME,
            Kind::Store,
            "two programs can hold one lock there: each could spend the session's refresh token",
        )
        .note(local),
        (Ok(_), Some(name)) => {
            Finding::warn(NAME, format!("the state folder is on {name}: a lock may hold on this machine only"))
                .note(local)
        }
        (Ok(Trial::Held), None) => Finding::ok(NAME, "a lock is held by one program at a time"),
        (Ok(Trial::NoFolder), None) => Finding::skip(NAME, "the folder for them will be made at the first sign-in"),
    }
}

/// The name of the file system, if its files are on another machine (`statfs(2)`, <linux/magic.h>).
#[cfg(target_os = "linux")]
fn file_system(folder: &Path) -> Option<&'static str> {
    let magic = rustix::fs::statfs(folder).ok()?.f_type;
    Some(match u32::try_from(magic & 0xffff_ffff).ok()? {
        0x6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => "SMB",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "CephFS",
        0x0bd0_0bd0 => "Lustre",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Option<&'static str> {
    None
}

/// Whether anybody is signed in.
pub fn session(case: &Case) -> Vec<Finding> {
    const NAME: &str = "session";
    if !case.settings.kind.is_program() && case.settings.issuer.is_empty() {
        return vec![Finding::skip(NAME, "no provider is known")];
    }
    let login = format!("run `{}`", case.settings.command("login"));
    match entry(case) {
        // Told of under `files`.
        Err(_) => vec![Finding::skip(NAME, "what is known of it cannot be read")],
        Ok(_) if place(&case.settings).is_some() => vec![Finding::ok(NAME, "the token is what its file holds")],
        Ok(entry) if case.settings.kind.is_program() => vec![judge_program(entry.as_ref(), unix_now(), &login)],
        Ok(entry) => vec![judge_session(entry.as_ref(), unix_now(), &login)],
    }
}

/// As [`judge_session`], for a program, which needs nobody to go on.
fn judge_program(entry: Option<&IndexEntry>, now: u64, login: &str) -> Finding {
    const NAME: &str = "session";
    match entry {
        None => Finding::skip(NAME, "no token has been asked for yet").note(login),
        Some(entry) if entry.access_expires_at > now => {
            Finding::ok(NAME, "a token is at hand, and is replaced in time")
        }
        Some(_) => Finding::ok(NAME, "the token has ended, and the next use asks for another"),
    }
}

/// `login` is what to do.
fn judge_session(entry: Option<&IndexEntry>, now: u64, login: &str) -> Finding {
    const NAME: &str = "session";
    let Some(entry) = entry else { return Finding::skip(NAME, "nobody is signed in").note(login) };
    if let Some(ended) = &entry.ended {
        let ago = span(now.saturating_sub(ended.at));
        return Finding::warn(NAME, format!("the provider has ended it, {ago} ago")).note(login);
    }
    match (entry.access_expires_at > now, entry.renewable) {
        (true, true) => Finding::ok(NAME, "signed in; the token is valid, and renews by itself"),
        (false, true) => Finding::ok(NAME, "signed in; the next use renews the token"),
        (true, false) => {
            Finding::warn(NAME, "signed in; the token is valid, and there is no refresh token to renew it")
        }
        (false, false) => {
            Finding::warn(NAME, "the token has ended, and there is no refresh token to renew it").note(login)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(keyring: &str, kernel: bool) -> Places {
        let keyring = match keyring {
            "absent" => Err(Trouble::Absent { why: "no bus".into() }),
            "locked" => Err(Trouble::Locked { cause: None }),
            "hanging" => Err(Trouble::Hanging { seconds: 3 }),
            name => Ok(name.to_owned()),
        };
        let kernel = if kernel { Ok(()) } else { Err(Trouble::Kernel { cause: "no".into(), hint: "x" }) };
        Places { keyring, kernel }
    }

    #[test]
    fn a_store_is_judged_by_whether_it_is_needed() {
        use Mark::{Fail, Ok as Good, Skip, Warn};
        use StoreChoice::{Auto, File, Kernel, Keyring};
        type Row = (&'static str, bool, StoreChoice, Option<Backend>, bool, [Mark; 2]);
        let rows: [Row; 14] = [
            ("here", true, Auto, None, false, [Good, Good]),
            ("here", false, Auto, None, false, [Good, Good]),
            ("absent", true, Auto, None, false, [Skip, Warn]),
            ("absent", false, Auto, None, false, [Skip, Fail]),
            ("locked", true, Auto, None, true, [Warn, Skip]),
            ("locked", true, Auto, None, false, [Fail, Skip]),
            ("hanging", true, Auto, None, true, [Fail, Skip]),
            ("absent", true, Keyring, None, true, [Fail, Skip]),
            ("absent", true, Auto, Some(Backend::Keyring), true, [Fail, Skip]),
            ("absent", true, Auto, Some(Backend::File), true, [Skip, Good]),
            ("locked", false, File, None, false, [Warn, Good]),
            ("here", false, Kernel, None, false, [Good, Fail]),
            ("absent", true, Kernel, None, false, [Skip, Good]),
            ("here", false, Auto, Some(Backend::Kernel), false, [Good, Fail]),
        ];
        for (keyring, kernel, choice, known, display, expected) in rows {
            let found = judge_stores(places(keyring, kernel), choice, known, display);
            let marks: Vec<Mark> = found.iter().map(|finding| finding.mark).collect();
            assert_eq!(marks, expected, "{keyring} {kernel} {choice:?} {known:?}: {found:?}");
            assert!(found.iter().all(|finding| finding.mark != Fail || finding.kind == Kind::Store), "{found:?}");
        }
    }

    #[test]
    fn locks_that_lie_are_a_failure_and_far_ones_a_warning() {
        let error = || Err(Error::new(Kind::Store, "x"));
        for (file_system, trial, expected) in [
            (None, Ok(Trial::Held), Mark::Ok),
            (None, Ok(Trial::NoFolder), Mark::Skip),
            (Some("NFS"), Ok(Trial::Held), Mark::Warn),
            (Some("NFS"), Ok(Trial::NoFolder), Mark::Warn),
            (None, Ok(Trial::Shared), Mark::Fail),
            (Some("NFS"), Ok(Trial::Shared), Mark::Fail),
            (None, error(), Mark::Fail),
        ] {
            assert_eq!(judge_locks(file_system, trial).mark, expected, "{file_system:?}");
        }
    }

    #[test]
    fn a_file_that_is_met_twice_is_told_once() {
        let error = |message: &str| Error::new(Kind::Store, message);
        let texts = |errors| judge_files(Path::new("/s"), 3, errors).into_iter().map(|f| f.text).collect::<Vec<_>>();
        assert_eq!(texts(vec![]), ["3 files in `/s`, closed to others"]);
        assert_eq!(texts(vec![error("b"), error("a"), error("b")]), ["a", "b"]);
        assert_eq!(judge_files(Path::new("/s"), 0, vec![])[0].text, "nothing is kept in `/s` yet");
    }

    #[test]
    fn a_session_that_needs_a_person_says_what_to_type() {
        let key = crate::doctor::tests::settings(&[]).session_key();
        let record = |renewable, ended: Option<u64>| IndexEntry {
            key: key.clone(),
            backend: Backend::File,
            subject: "00u-ada".into(),
            name: None,
            signed_in_at: 1,
            renewed_at: 1,
            access_expires_at: 100,
            renewable,
            ended: ended.map(|at| index::Ended { at, reason: "for ada@example.com".into() }),
            not_before: None,
            generation: 1,
        };
        for (entry, now, mark, has_hint) in [
            (None, 50, Mark::Skip, true),
            (Some(record(true, None)), 50, Mark::Ok, false),
            (Some(record(true, None)), 150, Mark::Ok, false),
            (Some(record(false, None)), 50, Mark::Warn, false),
            (Some(record(false, None)), 150, Mark::Warn, true),
            (Some(record(true, Some(10))), 50, Mark::Warn, true),
        ] {
            let finding = judge_session(entry.as_ref(), now, "run `mdb-login login`");
            assert_eq!((finding.mark, finding.notes.len() == 1), (mark, has_hint), "{finding:?}");
            assert!(!format!("{finding:?}").contains("ada"), "{finding:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_s_own_files_are_not_far() {
        assert_eq!(file_system(Path::new("/proc")), None);
        assert_eq!(nearest(Path::new("/proc/self/no/such")), Some(Path::new("/proc/self")));
    }
}

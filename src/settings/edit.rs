//! Changes to `config.toml` that keep the person's comments, order and spelling.
//!
//! Two commands at once must not lose each other's change, and a crash must leave the old file or the new one: lock,
//! read again, change, write beside it, flush, rename.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::file::Source;
use super::schema::{Input, Setting, Shape};
use super::{config_file, values};
use crate::atomic_file;
use crate::error::{Error, Kind, Result};
use crate::mongo::uri::is_connection_string;
use crate::ui::{foreign, shell_quoted};

/// An edit takes milliseconds; whoever holds the lock for longer is stopped or gone wrong.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);

/// A setting, and its new value in a profile; `None` takes it away.
pub type Change<'a> = (&'static Setting, Option<Input<'a>>);

/// Changes the file by `edit`, and gives back what `edit` does. Nothing is written if it fails or changes nothing.
pub fn change<T>(edit: impl FnOnce(&mut DocumentMut) -> Result<T>) -> Result<T> {
    change_file(&config_file()?, edit)
}

fn change_file<T>(path: &Path, edit: impl FnOnce(&mut DocumentMut) -> Result<T>) -> Result<T> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let _lock = lock(folder)?;
    let before = Source::load(path)?;
    let (result, after) = draft(path, before.as_ref(), edit)?;
    if let Some(after) = after {
        replace(path, after.text().as_bytes())?;
    }
    Ok(result)
}

/// The file as `edit` would make it, and what `edit` does; no file if it would change nothing. Nothing is written.
pub(super) fn draft<T>(
    path: &Path,
    before: Option<&Source>,
    edit: impl FnOnce(&mut DocumentMut) -> Result<T>,
) -> Result<(T, Option<Source>)> {
    let text = before.map_or("", Source::text);
    let mut document: DocumentMut = match text.parse() {
        Ok(document) => document,
        // The reader's words, with file, line and column, and without an excerpt of the file.
        Err(_) => match before.map(|source| source.parse().map(drop)) {
            Some(Err(error)) => return Err(error),
            _ => return Err(Error::new(Kind::Config, format!("`{}` is not TOML", foreign(&path.to_string_lossy())))),
        },
    };
    let result = edit(&mut document)?;
    let after = with_line_ends_of(text, document.to_string());
    if after == text {
        return Ok((result, None));
    }
    // What would be refused at the next start must not be written.
    let after = Source::new(path.to_owned(), after.into_bytes())?;
    after.parse()?;
    Ok((result, Some(after)))
}

/// The editor writes `\n`; a file from Windows keeps its `\r\n` throughout.
fn with_line_ends_of(before: &str, after: String) -> String {
    if before.contains("\r\n") { after.replace("\r\n", "\n").replace('\n', "\r\n") } else { after }
}

fn create_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| cannot("create", folder, error))
}

/// Takes the lock that makes edits follow one another. The file stays: unlinking it would let two hold "the" lock.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(".config.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| cannot("open", &path, error))?;
    let deadline = Instant::now() + LOCK_DEADLINE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(
                    Kind::TimedOut,
                    "another mdb-login has been changing the configuration for 5 s",
                )
                .hint("look for a stopped `mdb-login profile` command, then try again"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", &path, error)),
        }
    }
}

/// Puts `bytes` in place of the file in one step. A symbolic link stays one, and its target is replaced, with its mode.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = if path.is_symlink() {
        path.canonicalize().map_err(|error| cannot("follow", path, error))?
    } else {
        path.to_owned()
    };
    let permissions = fs::metadata(&target).ok().map(|metadata| metadata.permissions());
    atomic_file::replace(&target, bytes, permissions).map_err(|error| cannot("write", &target, error))?;
    // The change is made and visible; a file system that cannot flush a folder does not undo it.
    let _ = atomic_file::sync_folder(&target);
    Ok(())
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot {what} `{}`", foreign(&path.to_string_lossy()))).because(error)
}

/// Sets values in a profile, which is made if there is none. Comments beside a value stay.
pub fn set(document: &mut DocumentMut, name: &str, settings: &[(&'static Setting, Input<'_>)]) -> Result<()> {
    check_name(name)?;
    let profiles = document.entry("profile").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let inline = profiles.is_inline_table();
    let profiles = profiles.as_table_like_mut().ok_or_else(|| Error::new(Kind::Config, "`profile` is not a table"))?;
    if !profiles.contains_key(name) {
        let new = if inline { Item::Value(InlineTable::new().into()) } else { Item::Table(Table::new()) };
        profiles.insert(name, new);
    }
    let profile = find(profiles, name)?;
    for (setting, input) in settings {
        let mut value = toml_value(setting, input);
        match profile.get_mut(setting.key) {
            Some(Item::Value(old)) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            // A table of its own, `[profile.prod.auth_param]`, becomes one line.
            _ => drop(profile.insert(setting.key, Item::Value(value))),
        }
    }
    Ok(())
}

/// Removes keys from a profile, and gives back which of them were there. Keys that no setting has can be removed too,
/// which is how a file that is refused for one gets well again.
pub fn unset<'k>(document: &mut DocumentMut, name: &str, keys: &'k [String]) -> Result<Vec<&'k str>> {
    let profile = find(profiles(document, name)?, name)?;
    Ok(keys.iter().map(String::as_str).filter(|key| profile.remove(key).is_some()).collect())
}

/// Sets those of `changes` that have a value, and removes the others.
pub fn update(document: &mut DocumentMut, name: &str, changes: &[Change<'_>]) -> Result<()> {
    let values: Vec<_> = changes.iter().filter_map(|(setting, input)| Some((*setting, input.clone()?))).collect();
    set(document, name, &values)?;
    let profile = find(profiles(document, name)?, name)?;
    for (setting, _) in changes.iter().filter(|(_, input)| input.is_none()) {
        profile.remove(setting.key);
    }
    Ok(())
}

/// Makes a profile the default.
pub fn choose(document: &mut DocumentMut, name: &str) -> Result<()> {
    find(profiles(document, name)?, name)?;
    match document.get_mut("default_profile").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = name.into();
            *old.decor_mut() = decor;
        }
        None => drop(document.insert("default_profile", Item::Value(name.into()))),
    }
    Ok(())
}

/// Gives a profile another name. If it was the default, it still is.
pub fn rename(document: &mut DocumentMut, old: &str, new: &str) -> Result<()> {
    check_name(new)?;
    let profiles = profiles(document, old)?;
    if profiles.contains_key(new) {
        if old == new {
            // Not to be removed first.
            return Err(Error::new(Kind::Usage, format!("the profile is called `{new}` already")));
        }
        return Err(Error::new(Kind::Usage, format!("there is a profile called `{new}` already"))
            .hint(format!("run `mdb-login profile remove {new}` first, if it is not needed")));
    }
    // The comments above `prod.issuer = …` or `prod = { … }` belong to the key and not to the value.
    let decor = profiles.key(old).map(|key| (key.leaf_decor().clone(), key.dotted_decor().clone()));
    let Some(item) = profiles.remove(old) else { return Err(missing(old)) };
    profiles.insert(new, item);
    if let (Some(mut key), Some((leaf, dotted))) = (profiles.key_mut(new), decor) {
        *key.leaf_decor_mut() = leaf;
        *key.dotted_decor_mut() = dotted;
    }
    if default(document).as_deref() == Some(old) {
        choose(document, new)?;
    }
    Ok(())
}

/// Removes a profile, and its being the default.
pub fn remove(document: &mut DocumentMut, name: &str) -> Result<()> {
    if profiles(document, name)?.remove(name).is_none() {
        return Err(missing(name));
    }
    if default(document).as_deref() == Some(name) {
        document.remove("default_profile");
    }
    Ok(())
}

/// The value of `default_profile`.
pub fn default(document: &DocumentMut) -> Option<String> {
    document.get("default_profile").and_then(Item::as_str).map(str::to_owned)
}

fn profiles<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut dyn TableLike> {
    document.get_mut("profile").and_then(Item::as_table_like_mut).ok_or_else(|| missing(name))
}

fn find<'d>(profiles: &'d mut dyn TableLike, name: &str) -> Result<&'d mut dyn TableLike> {
    profiles.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| missing(name))
}

/// What a new name may be.
fn check_name(name: &str) -> Result<()> {
    if is_connection_string(name) {
        return Err(connection_string());
    }
    values::profile_name(name).map_err(|reason| Error::new(Kind::Usage, format!("a profile's name {reason}")))
}

/// Does not repeat it: it may hold a password.
fn connection_string() -> Error {
    Error::new(Kind::Usage, "a profile's name must not be a connection string")
        .hint("to keep one in a profile: `mdb-login profile set NAME uri=URI`")
}

fn missing(name: &str) -> Error {
    if is_connection_string(name) {
        return connection_string();
    }
    Error::new(Kind::Config, format!("there is no profile called `{}`", foreign(name)))
        .hint("run `mdb-login profile list` to see the profiles")
}

fn toml_value(setting: &Setting, input: &Input<'_>) -> Value {
    match input {
        Input::Text(text) => text.as_ref().into(),
        Input::Switch(on) => (*on).into(),
        Input::Number(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
        // `browser = "firefox"` is what a person would write; only what a shell would split or quote needs a list.
        Input::List(words) if setting.shape == Shape::Command => match words.as_slice() {
            [word] if shell_quoted(word) == *word => word.as_ref().into(),
            words => words.iter().map(AsRef::as_ref).collect::<Array>().into(),
        },
        Input::List(words) => words.iter().map(AsRef::as_ref).collect::<Array>().into(),
        Input::Pairs(pairs) => {
            pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect::<InlineTable>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::schema;

    const HAND_WRITTEN: &str = "\
# Ours since 2024.
default_profile = \"prod\" # not staging!

[defaults]
http_timeout = \"10s\"

# The real one.
[profile.prod]
# registered by Ada
issuer = \"https://login.example.com\" # no slash
client_id   =   \"0oa1\"

[profile.prod.auth_param] # for Keycloak
kc_idp_hint = \"corp\"

[profile.staging]
issuer = 'https://staging.example.com'
";

    fn input<'a>(key: &str, text: &'a str) -> (&'static Setting, Input<'a>) {
        let setting = schema::find(key).unwrap();
        (setting, setting.shape.read_text(text).unwrap())
    }

    fn edited(text: &str, edit: impl FnOnce(&mut DocumentMut) -> Result<()>) -> String {
        let mut document = text.parse().unwrap();
        edit(&mut document).unwrap();
        let text = document.to_string();
        Source::new("config.toml".into(), text.clone().into_bytes()).unwrap().parse().unwrap();
        text
    }

    #[test]
    fn a_changed_value_changes_its_own_line_only() {
        let after = edited(HAND_WRITTEN, |d| set(d, "prod", &[input("issuer", "https://new.example.com")]));
        assert_eq!(after, HAND_WRITTEN.replace("https://login.example.com", "https://new.example.com"));
        let after = edited(HAND_WRITTEN, |d| set(d, "prod", &[input("timeout", "10m")]));
        assert_eq!(after, HAND_WRITTEN.replace("\"0oa1\"\n", "\"0oa1\"\ntimeout = \"10m\"\n"));
        let after = edited(HAND_WRITTEN, |d| choose(d, "staging"));
        assert_eq!(after, HAND_WRITTEN.replace("\"prod\" #", "\"staging\" #"));
        let after = edited(HAND_WRITTEN, |d| unset(d, "prod", &["client_id".to_owned()]).map(drop));
        assert_eq!(after, HAND_WRITTEN.replace("client_id   =   \"0oa1\"\n", ""));
        let after = edited(HAND_WRITTEN, |d| rename(d, "prod", "live.eu"));
        let expected =
            HAND_WRITTEN.replace("\"prod\" #", "\"live.eu\" #").replace("[profile.prod", "[profile.\"live.eu\"");
        assert_eq!(after, expected);
        let after = edited(HAND_WRITTEN, |d| remove(d, "staging"));
        assert_eq!(after, HAND_WRITTEN.split("\n[profile.staging]").next().unwrap());
        assert!(!edited(HAND_WRITTEN, |d| remove(d, "prod")).contains("default_profile"));
    }

    #[test]
    fn every_way_to_write_a_profile_can_be_edited() {
        for text in [
            "",
            "[profile]\n",
            "# above\nprofile.prod.issuer = \"https://a\"\n",
            "profile = { prod = { issuer = \"https://a\" } }\n",
            "[profile]\n# above\nprod = { issuer = \"https://a\" }\n",
        ] {
            let after = edited(text, |d| {
                set(d, "prod", &[input("client_id", "0oa1"), input("auth_param", "a=b c=d"), input("nonce", "false")])?;
                set(d, "other", &[input("browser", "firefox %s"), input("scope", "openid x"), input("max_age", "60")])?;
                choose(d, "prod")?;
                rename(d, "prod", "live")
            });
            let source = Source::new("config.toml".into(), after.clone().into_bytes()).unwrap();
            let config = source.parse().unwrap();
            let get = |name: &str, key: &str| {
                config.profile(name).unwrap().get(schema::find(key).unwrap()).map(|item| item.input.clone())
            };
            assert_eq!(get("live", "auth_param"), Some(input("auth_param", "a=b c=d").1), "{after}");
            assert_eq!(get("other", "browser"), Some(input("browser", "firefox %s").1), "{after}");
            assert_eq!(config.default_profile.as_ref().unwrap().0, "live");
            assert_eq!(after.contains("# above"), text.contains("# above"), "{after}");
        }
    }

    #[test]
    fn edits_that_mean_nothing_are_refused() {
        let failed = |edit: fn(&mut DocumentMut) -> Result<()>| {
            format!("{:?}", edit(&mut HAND_WRITTEN.parse().unwrap()).unwrap_err())
        };
        let missing = "[configuration] there is no profile called `x` / hint: run `mdb-login profile list` to see the \
                       profiles";
        assert_eq!(failed(|d| choose(d, "x")), missing);
        assert_eq!(failed(|d| remove(d, "x")), missing);
        assert_eq!(failed(|d| rename(d, "x", "y")), missing);
        assert_eq!(failed(|d| unset(d, "x", &[]).map(drop)), missing);
        assert!(failed(|d| rename(d, "prod", "staging")).contains("there is a profile called `staging` already"));
        assert!(failed(|d| set(d, "..", &[])).contains("must not start with"));
    }

    #[test]
    fn edits_at_once_do_not_lose_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let issuer = format!("https://{number}.example.com");
                    change_file(path, |d| set(d, &format!("p{number}"), &[input("issuer", &issuer)])).unwrap();
                });
            }
        });
        let source = Source::load(&path).unwrap().unwrap();
        assert_eq!(source.parse().unwrap().profiles.len(), 16);
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "only the file and its lock stay: {names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn mode_symbolic_link_and_line_ends_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, real) = (folder.path().join("config.toml"), folder.path().join("dotfiles.toml"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let edit = |key: &str| change_file(&path, |d| set(d, "prod", &[input("issuer", key)]));
        edit("https://a").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::remove_file(&path).unwrap();

        fs::write(&real, "# mine\r\n[profile.prod]\r\nissuer = \"https://a\"\r\n").unwrap();
        fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("dotfiles.toml", &path).unwrap();
        edit("https://b").unwrap();
        assert!(path.is_symlink());
        assert_eq!(mode(&real), 0o640);
        assert_eq!(fs::read_to_string(&real).unwrap(), "# mine\r\n[profile.prod]\r\nissuer = \"https://b\"\r\n");
    }

    #[test]
    fn what_would_be_refused_later_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let broken = "[profile.a]\nbad = 1\n";
        fs::write(&path, broken).unwrap();
        let error = change_file(&path, |d| set(d, "a", &[input("issuer", "https://a")])).unwrap_err();
        assert!(error.message().ends_with("config.toml:2:1: unknown key `bad`"), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        change_file(&path, |d| unset(d, "a", &["bad".to_owned()]).map(drop)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[profile.a]\n");
    }

    proptest! {
        /// set → read gives the value, whatever is in it; and the comments are where they were.
        #[test]
        fn what_is_set_is_read(hint in "\\PC{1,20}", words in prop::collection::vec("\\PC{1,9}", 1..4), value in "\\PC{0,9}") {
            let given = vec![
                (&schema::LOGIN_HINT, Input::Text(hint.into())),
                (&schema::BROWSER, Input::List(words.into_iter().map(Into::into).collect())),
                (&schema::AUTH_PARAM, Input::Pairs(vec![("a".into(), value.into())])),
            ];
            let after = edited(HAND_WRITTEN, |d| set(d, "staging", &given));
            prop_assert!(after.starts_with(HAND_WRITTEN), "{}", after);
            let source = Source::new("config.toml".into(), after.into_bytes()).unwrap();
            let config = source.parse().unwrap();
            for (setting, input) in given {
                prop_assert_eq!(&config.profile("staging").unwrap().get(setting).unwrap().input, &input);
            }
        }
    }
}

//! `config.toml`: read once, from a file that only its owner can have written, and taken apart with every mistake named
//! by file, line and column.
//!
//! Nothing of the file's text is ever repeated in a message except the names of keys: whatever else stands there may
//! be a secret that somebody put in the wrong place.

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::schema::{self, Input, Setting};
use super::values;
use crate::error::{Error, Kind, Result};
use crate::text_file::{self, TextFile};
use crate::ui::{foreign, nearest, shell_quoted};

/// The version of the format that this program writes and understands.
const VERSION: i64 = 1;

/// The text of the file.
pub struct Source(TextFile);

/// The file's content, its structure checked: known keys, right types, good names, no secrets.
pub struct Config<'a> {
    source: &'a Source,
    /// The profile to use unless one is named, and where that is said.
    pub default_profile: Option<(Cow<'a, str>, usize)>,
    pub defaults: Section<'a>,
    pub profiles: Vec<(Cow<'a, str>, Section<'a>)>,
}

/// The settings of one table.
#[derive(Default)]
pub struct Section<'a>(Vec<Item<'a>>);

/// One setting as the file has it.
pub struct Item<'a> {
    setting: &'static Setting,
    pub input: Input<'a>,
    /// Where the value stands, in bytes from the start.
    pub offset: usize,
}

impl<'a> Section<'a> {
    pub fn get(&self, setting: &Setting) -> Option<&Item<'a>> {
        self.0.iter().find(|item| std::ptr::eq(item.setting, setting))
    }
}

impl<'a> Config<'a> {
    pub fn profile(&self, name: &str) -> Option<&Section<'a>> {
        self.profiles.iter().find(|(known, _)| known == name).map(|(_, section)| section)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.iter().map(|(name, _)| name.as_ref())
    }

    pub fn source(&self) -> &'a Source {
        self.source
    }
}

impl Source {
    /// Reads the file; `None` if there is none.
    ///
    /// Opened without blocking and judged by what was opened: neither a FIFO nor `/dev/zero` can hold the program up,
    /// and nobody can swap the file between check and use.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let shown = || foreign(&path.to_string_lossy());
        let file = match text_file::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::new(Kind::Config, format!("cannot open `{}`", shown())).because(error));
            }
        };
        let bytes = trusted(&file, path)
            .and_then(|()| text_file::bytes(file).map_err(|error| (error.to_string(), None)))
            .map_err(|(why, hint)| {
                let error = Error::new(Kind::Config, format!("`{}` is not used: {}", shown(), foreign(&why)));
                if let Some(hint) = hint { error.hint(hint) } else { error }
            })?;
        Self::new(path.to_owned(), bytes).map(Some)
    }

    /// Takes the bytes of a file as TOML's UTF-8.
    pub fn new(path: PathBuf, bytes: Vec<u8>) -> Result<Self> {
        TextFile::decode(foreign(&path.to_string_lossy()), bytes).map(Self)
    }

    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Line and column of a byte offset, counted in characters from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        self.0.position(offset)
    }

    /// A refusal of what stands at `offset`: `file:line:column: why`.
    pub fn error(&self, offset: usize, why: impl AsRef<str>) -> Error {
        self.0.error(offset, why)
    }

    /// Takes the file apart.
    pub fn parse(&self) -> Result<Config<'_>> {
        let root = DeTable::parse(self.text()).map_err(|error| self.syntax_error(&error))?.into_inner();
        // Before anything else: a newer file may hold keys that only a newer program knows.
        for (_, value) in root.iter().filter(|(key, _)| key.get_ref() == "version") {
            self.check_version(value.span().start, value.get_ref())?;
        }
        let mut config =
            Config { source: self, default_profile: None, defaults: Section::default(), profiles: Vec::new() };
        for (key, value) in root {
            let offset = value.span().start;
            match (key.get_ref().as_ref(), value.into_inner()) {
                ("version", _) => {}
                ("default_profile", DeValue::String(name)) => {
                    self.check_name(offset, "`default_profile`", &name)?;
                    config.default_profile = Some((name, offset));
                }
                ("default_profile", other) => {
                    let what = schema::type_name(&other);
                    return Err(self.error(offset, format!("`default_profile` must be a string, not {what}")));
                }
                ("defaults", DeValue::Table(table)) => config.defaults = self.section(table)?,
                ("profile", DeValue::Table(table)) => {
                    for (name, value) in table {
                        let (at, offset) = (name.span().start, value.span().start);
                        self.check_name(at, "a profile's name", name.get_ref())?;
                        let DeValue::Table(section) = value.into_inner() else {
                            let shown = foreign(name.get_ref());
                            return Err(self
                                .error(offset, format!("profile `{shown}` must be a table"))
                                .hint(format!("write `[profile.{shown}]`, then a line for each setting")));
                        };
                        let section = self.section(section)?;
                        config.profiles.push((name.into_inner(), section));
                    }
                }
                (table @ ("defaults" | "profile"), other) => {
                    let what = schema::type_name(&other);
                    return Err(self.error(offset, format!("`{table}` must be a table, not {what}")));
                }
                (name, value) => return Err(self.unknown(key.span().start, name, &value, true)),
            }
        }
        config.profiles.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(config)
    }

    fn section<'a>(&self, table: DeTable<'a>) -> Result<Section<'a>> {
        let mut items = Vec::new();
        for (key, value) in table {
            let offset = value.span().start;
            let Some(setting) = schema::find(key.get_ref()) else {
                return Err(self.unknown(key.span().start, key.get_ref(), value.get_ref(), false));
            };
            let input = setting
                .shape
                .read_toml(value.get_ref())
                .map_err(|reason| self.error(offset, format!("`{}` {reason}", setting.key)))?;
            items.push(Item { setting, input, offset });
        }
        Ok(Section(items))
    }

    /// A key that means nothing here. Ignoring it would run with settings that the person did not choose.
    fn unknown(&self, offset: usize, key: &str, value: &DeValue<'_>, top: bool) -> Error {
        let shown = foreign(key);
        if values::is_secret_name(key) && matches!(value, DeValue::String(_)) {
            return self
                .error(offset, format!("`{shown}` is a secret, and secrets do not belong in this file"))
                .hint("remove the line and have the secret replaced: backups and editors may have kept it")
                .hint("for a client secret, name a file that only you can read: `client_secret_file = \"/path\"`");
        }
        let error = self.error(offset, format!("unknown key `{shown}`"));
        if top && schema::find(key).is_some() {
            return error.hint(format!("`{shown}` belongs under `[profile.NAME]` or `[defaults]`"));
        }
        let nearest = if top {
            nearest(key, ["version", "default_profile", "defaults", "profile"])
        } else {
            nearest(key, schema::ALL.iter().map(|setting| setting.key))
        };
        match nearest {
            Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
            None => error.hint("run `mdb-login profile set --help` to see every key"),
        }
    }

    fn check_version(&self, offset: usize, value: &DeValue<'_>) -> Result<()> {
        let number = value.as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        match number {
            Some(VERSION) => Ok(()),
            Some(number) if number > VERSION => {
                Err(self.error(offset, format!("a file of version {number} needs a newer mdb-login")))
            }
            _ => Err(self.error(offset, format!("`version` must be {VERSION}"))),
        }
    }

    fn check_name(&self, offset: usize, what: &str, name: &str) -> Result<()> {
        values::profile_name(name).map_err(|reason| self.error(offset, format!("{what} {reason}")))
    }

    /// The parser's own message without its excerpt of the file.
    fn syntax_error(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let mut why = foreign(error.message());
        if why.starts_with("duplicate key")
            && let Some(key) = self.text().get(span.clone())
        {
            why = format!("`{}` is here for the second time", foreign(key));
            if let Some(first) = self.first_of(key, span.start) {
                why = format!("{why}; the first is on line {}", self.position(first).0);
            }
        }
        self.error(span.start, why)
    }

    /// Where the key stood before: the last one of that spelling above, for TOML tables cannot be interleaved. Of a
    /// table that is opened twice the parser keeps only the second, so its header is looked for as a line.
    fn first_of(&self, key: &str, second: usize) -> Option<usize> {
        fn visit(table: &DeTable<'_>, text: &str, key: &str, second: usize, found: &mut Option<usize>) {
            for (name, value) in table {
                let span = name.span();
                if span.start < second && text.get(span.clone()) == Some(key) && Some(span.start) > *found {
                    *found = Some(span.start);
                }
                if let DeValue::Table(inner) = value.get_ref() {
                    visit(inner, text, key, second, found);
                }
            }
        }
        let (root, _) = DeTable::parse_recoverable(self.text());
        let mut found = None;
        visit(root.get_ref(), self.text(), key, second, &mut found);
        found.or_else(|| {
            let (before, rest) = self.text().split_at_checked(second)?;
            let start = before.rfind('\n')? + 1;
            let line = self.text().get(start..second + rest.find('\n').unwrap_or(rest.len()))?.trim();
            let mut lines = before.get(..start)?.split_inclusive('\n').scan(0, |next, line| {
                let start = *next;
                *next += line.len();
                Some((start, line.trim()))
            });
            lines.find(|(_, earlier)| *earlier == line).map(|(start, _)| start)
        })
    }
}

/// Why a file is not to be believed, and what mends it.
type Distrust = (String, Option<String>);

/// Whoever can write this file can choose the provider that sees the person's password, so it must be a regular file
/// that nobody else can change.
fn trusted(file: &File, path: &Path) -> Result<(), Distrust> {
    let failed = |error: std::io::Error| (error.to_string(), None);
    if let Some(what) = text_file::what_else(file).map_err(failed)? {
        return Err((what.into(), None));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata().map_err(failed)?;
        let me = rustix::process::geteuid().as_raw();
        let shown = shell_quoted(&path.to_string_lossy());
        if metadata.uid() != me && metadata.uid() != 0 {
            let why = format!("it belongs to another user (uid {}, you are {me})", metadata.uid());
            return Err((why, Some(format!("run `sudo chown {me} {shown}` after reading what is in it"))));
        }
        if metadata.mode() & 0o022 != 0 {
            let why = format!("other users may write to it (mode {:04o})", metadata.mode() & 0o7777);
            return Err((why, Some(format!("run `chmod go-w {shown}` after reading what is in it"))));
        }
        // In a folder that all may write to and that lacks the sticky bit, anybody can put another file in its place.
        let folder = path.parent().and_then(|folder| folder.metadata().ok());
        if folder.is_some_and(|folder| folder.mode() & 0o1002 == 0o002) {
            let shown = shell_quoted(&path.parent().map(Path::to_string_lossy).unwrap_or_default());
            return Err(("all users may write to its folder".into(), Some(format!("run `chmod o-w {shown}`"))));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        let outcome = Source::new("config.toml".into(), bytes.to_vec()).and_then(|source| source.parse().map(drop));
        format!("{:?}", outcome.expect_err("must be refused"))
    }

    #[test]
    fn whole_files_that_are_refused() {
        let big = vec![b'#'; text_file::MAX_BYTES as usize + 1];
        let name_hint = "hint: run `mdb-login profile set --help` to see every key";
        let secret = |place: &str, key: &str| {
            format!(
                "{place}: `{key}` is a secret, and secrets do not belong in this file / hint: remove the line and have \
                 the secret replaced: backups and editors may have kept it / hint: for a client secret, name a file \
                 that only you can read: `client_secret_file = \"/path\"`"
            )
        };
        let rows: Vec<(&[u8], String)> = vec![
            (
                b"[profile.prod]\nissuer = \"https://a\nclient_id = \"b\"",
                "2:20: invalid basic string, expected `\"`".into(),
            ),
            (b"[profile.prod\n", "1:14: unclosed table, expected `]`".into()),
            (b"profile.a.issuer =\n", "1:19: string values must be quoted, expected literal string".into()),
            (
                b"[profile.prod]\ncleint_id = \"x\"",
                "2:1: unknown key `cleint_id` / hint: did you mean `client_id`?".into(),
            ),
            (b"[defaults]\nscopes = []", "2:1: unknown key `scopes` / hint: did you mean `scope`?".into()),
            (b"[profile.prod]\ninclude = \"x\"", format!("2:1: unknown key `include` / {name_hint}")),
            (b"profiles = 1", "1:1: unknown key `profiles` / hint: did you mean `profile`?".into()),
            (
                b"issuer = \"https://a\"",
                "1:1: unknown key `issuer` / hint: `issuer` belongs under `[profile.NAME]` or `[defaults]`".into(),
            ),
            (b"[profile.a]\n\"x\\u001b[31m\" = 1", format!("2:1: unknown key `x\\u{{1b}}[31m` / {name_hint}")),
            (
                b"[profile.a]\nhttp_timeout = 30",
                "2:16: `http_timeout` must be a string with a unit, such as \"30s\", not a number".into(),
            ),
            (b"[profile.a]\nnonce = \"false\"", "2:9: `nonce` must be true or false, not a string".into()),
            (b"[profile.a]\nmax_age = -1", "2:11: `max_age` must not be negative".into()),
            (b"[profile.a]\nmax_age = 1.5", "2:11: `max_age` must be a whole number, not a fraction".into()),
            (b"[profile.a]\nscope = [\"a\", 1]", "2:9: `scope` must be a list of strings; one item is a number".into()),
            (
                b"[profile.a]\nstore = \"plain\"",
                "2:9: `store` must be one of `auto`, `keyring`, `kernel`, `file`".into(),
            ),
            (
                b"[profile.a.auth_param]\nx = true",
                "1:1: `auth_param` must be a table of strings; one value is a boolean".into(),
            ),
            (
                b"[profile.a]\nissuer = \"x\"\nclient_id = \"y\"\nissuer = \"z\"",
                "4:1: `issuer` is here for the second time; the first is on line 2".into(),
            ),
            (
                b"[profile.a]\n[profile.b]\n[profile.a]\n",
                "3:10: `a` is here for the second time; the first is on line 1".into(),
            ),
            (b"[profile.a]\nclient_secret = \"hunter2\"", secret("2:1", "client_secret")),
            (b"[profile.a]\nrefresh_token = \"hunter2\"", secret("2:1", "refresh_token")),
            (b"password = \"hunter2\"", secret("1:1", "password")),
            (b"[defaults]\naccess-token = \"hunter2\"", secret("2:1", "access-token")),
            (b"version = 2\nnew_things = true", "1:11: a file of version 2 needs a newer mdb-login".into()),
            (b"new_things = true\nversion = 2", "2:11: a file of version 2 needs a newer mdb-login".into()),
            (b"version = \"1\"", "1:11: `version` must be 1".into()),
            (b"default_profile = 1", "1:19: `default_profile` must be a string, not a number".into()),
            (b"default_profile = \"../x\"", "1:19: `default_profile` must be 1 to 64 letters, digits and `._-`".into()),
            (b"[profile.\"a b\"]", "1:10: a profile's name must be 1 to 64 letters, digits and `._-`".into()),
            (b"[profile.nul]", "1:10: a profile's name is the name of a Windows device".into()),
            (b"[[profile]]", "1:1: `profile` must be a table, not a list".into()),
            (
                b"profile.a = 1",
                "1:13: profile `a` must be a table / hint: write `[profile.a]`, then a line for each setting".into(),
            ),
            (b"# \xff", "1:3: this is not UTF-8".into()),
            (b"a = 1\n\0", "2:1: this is a NUL byte, not text".into()),
            (b"\xff\xfea\0", "`config.toml` is written in UTF-16 / hint: save it as UTF-8".into()),
            (&big, "`config.toml` is larger than 1 MiB".into()),
        ];
        for (bytes, expected) in rows {
            let shown = refusal(bytes);
            let prefix = if expected.starts_with('`') { "" } else { "config.toml:" };
            assert_eq!(shown, format!("[configuration] {prefix}{expected}"));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn byte_order_mark_and_windows_line_ends_are_no_mistakes() {
        let bytes = b"\xef\xbb\xbfdefault_profile = \"a\"\r\n[profile.a]\r\nissuer = \"https://a\"\r\nbad = 1\r\n";
        let source = Source::new("config.toml".into(), bytes.to_vec()).unwrap();
        assert!(format!("{:?}", source.parse().err().unwrap()).contains("config.toml:4:1: unknown key `bad`"));
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let text =
            "version = 1\n[profile.a]\nscope = 'x y'\nbrowser = ['b', '%s']\nauth_param.k = 'v'\nmax_age = 0x10\n";
        let source = Source::new("config.toml".into(), text.into()).unwrap();
        let config = source.parse().unwrap();
        let get = |setting| config.profile("a").unwrap().get(setting).unwrap().input.clone();
        assert_eq!(get(&schema::SCOPE), Input::List(vec!["x".into(), "y".into()]));
        assert_eq!(get(&schema::BROWSER), Input::List(vec!["b".into(), "%s".into()]));
        assert_eq!(get(&schema::AUTH_PARAM), Input::Pairs(vec![("k".into(), "v".into())]));
        assert_eq!(get(&schema::MAX_AGE), Input::Number(16));
    }

    #[cfg(unix)]
    #[test]
    fn files_that_somebody_else_could_have_written_are_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let shown = |path: &Path| match Source::load(path) {
            Ok(found) => format!("{}", found.is_some()),
            Err(error) => format!("{error:?}").replace(&*folder.path().to_string_lossy(), ""),
        };
        let path = folder.path().join("config.toml");
        assert_eq!(shown(&path), "false");
        for (mode, expected) in [
            (0o600, "true"),
            (0o644, "true"),
            (0o620, "other users may write to it (mode 0620)"),
            (0o666, "other users may write to it (mode 0666)"),
        ] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert!(shown(&path).contains(expected), "{mode:o}: {}", shown(&path));
        }
        assert!(shown(&path).ends_with("hint: run `chmod go-w /config.toml` after reading what is in it"));
        let spaced = folder.path().join("it's mine.toml");
        std::fs::copy(&path, &spaced).unwrap();
        assert!(shown(&spaced).ends_with("hint: run `chmod go-w \"/it's mine.toml\"` after reading what is in it"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(shown(&path).contains("all users may write to its folder"));
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();

        let fifo = folder.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        // On a thread of its own: an open that waits for a writer would otherwise hold the test up for ever.
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(Source::load(&fifo).map(drop)));
        let refused =
            receiver.recv_timeout(std::time::Duration::from_secs(5)).expect("a FIFO must not hang").unwrap_err();
        assert!(refused.message().ends_with("/fifo` is not used: it is not a regular file"), "{refused:?}");
        assert_eq!(shown(Path::new("/dev/zero")), "[configuration] `/dev/zero` is not used: it is not a regular file");
        assert_eq!(shown(folder.path()), "[configuration] `` is not used: it is a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert_eq!(shown(&link), "[configuration] `/link` is not used: it is not a regular file");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Source::new("config.toml".into(), bytes).and_then(|source| source.parse().map(drop));
        }

        #[test]
        fn any_toml_is_read_or_refused(text in "(\\[(profile|defaults)(\\.[a\"b.]{0,3})?\\]\n|(issuer|scope|version|x) = (\"[a\\\\\"]{0,2}\"|1|\\[1?\\]|\\{\\})\n){0,6}") {
            let _ = Source::new("config.toml".into(), text.into()).and_then(|source| source.parse().map(drop));
        }
    }
}

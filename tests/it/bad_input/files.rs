//! What can stand in files, and in the place of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Given, Row, row};
use crate::support::cmd::Sandbox;
use crate::support::idp::CLIENT_ID;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = config();
    rows.extend(authorities());
    rows.extend(state());
    rows
}

/// A `config.toml` of these bytes.
fn file(number: u32, bytes: impl AsRef<[u8]>, exit: i32, says: &'static str) -> Row {
    let bytes = bytes.as_ref().to_vec();
    let input = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    let make = move |_: &_, sandbox: &mut Sandbox| {
        let path = sandbox.write_config("");
        fs::write(path, &bytes).unwrap();
    };
    row(number, format!("config.toml: {input:?}"), Given::Nobody, make, exit, says)
}

fn config() -> Vec<Row> {
    let good = "[profile.p]\nissuer = \"https://idp.example.com\"\nclient_id = \"x\"\n";
    let mut rows = vec![
        file(17, "[profile.p]\nissuer = \n", 3, "/config.toml:2:10: "),
        file(17, "[profile.p\n", 3, "/config.toml:1:"),
        file(17, "nonsense", 3, "/config.toml:1:"),
        file(
            18,
            "[profile.p]\ncleint_id = \"x\"\n",
            3,
            "/config.toml:2:1: unknown key `cleint_id`\nhint: did you mean `client_id`?",
        ),
        file(18, "isuer = \"x\"\n", 3, "/config.toml:1:1: unknown key `isuer`"),
        file(18, "issuer = \"x\"\n", 3, "`issuer` belongs under `[profile.NAME]` or `[defaults]`"),
        file(19, "[profile.p]\ntimeout = 5\n", 3, "/config.toml:2:11: `timeout` must be a string with a unit"),
        file(19, "[profile.p]\nnonce = \"no\"\n", 3, "/config.toml:2:9: `nonce` must be true or false, not a string"),
        file(19, "[profile.p]\nscope = [1]\n", 3, "must be a list of strings; one item is a number"),
        file(19, "profile = 5\n", 3, "`profile` must be a table, not a number"),
        file(
            19,
            "[profile.p]\nissuer = \"a\"\nissuer = \"b\"\n",
            3,
            "/config.toml:3:1: `issuer` is here for the second time; the first is on line 2",
        ),
        file(19, "[profile.p]\n[profile.q]\n[profile.p]\n", 3, "/config.toml:3:"),
        file(11, "[profile.\"../x\"]\n", 3, "a profile's name must be 1 to 64 letters"),
        file(11, "default_profile = \"p\"\n", 3, "`default_profile` names `p`, which does not exist"),
        file(21, format!("#{}\n", "x".repeat(10 << 20)), 3, "is larger than 1 MiB"),
        file(21, "[profile.p]\n\0", 3, "/config.toml:2:1: this is a NUL byte, not text"),
        file(21, b"\xff\xfe[\0", 3, "is written in UTF-16"),
        file(21, b"[profile.p]\n# \xff\n", 3, "/config.toml:2:3: this is not UTF-8"),
        file(21, format!("\u{feff}{}", good.replace('\n', "\r\n")), 4, "not signed in"),
        file(24, "[profile.p]\nrefresh_token = \"hunter2\"\n", 3, "/config.toml:2:1: `refresh_token` is a secret"),
        file(
            24,
            "[profile.p]\nclient_secret = \"hunter2\"\n",
            3,
            "hint: for a client secret, name a file that only you can read",
        ),
        file(24, "[profile.p]\nissuer = \"hunter2\"\n", 4, "not signed in"),
        file(26, "include = \"other.toml\"\n", 3, "unknown key `include`"),
        file(27, "version = 2\nwhatever = 1\n", 3, "/config.toml:1:11: a file of version 2 needs a newer mdb-login"),
    ];
    let here = |make: fn(&Path), says| {
        let make = move |_: &_, sandbox: &mut Sandbox| make(&sandbox.config_dir().join("config.toml"));
        row(22, "something else in the file's place", Given::Nobody, make, 3, says)
    };
    rows.push(here(|path| fs::create_dir(path).unwrap(), "it is a folder"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        rows.push(here(fifo, "it is not a regular file"));
        rows.push(here(|path| symlink("/dev/zero", path).unwrap(), "it is not a regular file"));
        let open_file = move |_: &_, sandbox: &mut Sandbox| mode(&sandbox.write_config(good), 0o666);
        rows.push(row(
            20,
            "the file is open to all",
            Given::Nobody,
            open_file,
            3,
            "other users may write to it (mode 0666)",
        ));
        let open_folder = move |_: &_, sandbox: &mut Sandbox| {
            sandbox.write_config(good);
            mode(&sandbox.config_dir(), 0o777);
        };
        rows.push(row(20, "the folder is open to all", Given::Nobody, open_folder, 3, "hint: run `chmod o-w "));
    }
    rows
}

#[cfg(unix)]
fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// Files that the settings name.
fn authorities() -> Vec<Row> {
    let key = include_bytes!("../../support/idp/keys/first.pem").as_slice();
    let named = |number, variable: &'static str, content: Option<&'static [u8]>, says| {
        let make = move |_: &_, sandbox: &mut Sandbox| {
            let path = sandbox.home().join("named");
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
                private(&path);
            }
            sandbox.env(variable, path);
        };
        row(number, format!("{variable}: {:?}", content.map(<[u8]>::len)), Given::Login, make, 3, says)
    };
    vec![
        named(25, "MDB_LOGIN_CA_FILE", None, "error: cannot read the CA file `[HOME]/named`"),
        named(25, "MDB_LOGIN_CA_FILE", Some(b""), "the CA file `[HOME]/named` holds no PEM certificate"),
        named(25, "MDB_LOGIN_CA_FILE", Some(b"nonsense"), "the CA file `[HOME]/named` holds no PEM certificate"),
        named(25, "MDB_LOGIN_CA_FILE", Some(key), "the CA file `[HOME]/named` holds no PEM certificate"),
        named(25, "MDB_LOGIN_CLIENT_SECRET_FILE", None, "cannot read the client secret file `[HOME]/named`"),
        named(
            25,
            "MDB_LOGIN_CLIENT_SECRET_FILE",
            Some(b""),
            "must give the client secret and nothing else, on one line",
        ),
        named(
            25,
            "MDB_LOGIN_CLIENT_SECRET_FILE",
            Some(b"hunter2\nhunter2"),
            "must give the client secret and nothing else",
        ),
        named(25, "MDB_LOGIN_CLIENT_SECRET_FILE", Some(&[b'x'; 5000]), "gave more than 4096 bytes"),
    ]
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &Path) {}

/// `STATE/sessions/ID.EXTENSION`.
fn of_session(sandbox: &Sandbox, extension: &str) -> PathBuf {
    let id = sandbox.session_ids().pop().unwrap();
    sandbox.state_dir().join("sessions").join(format!("{id}.{extension}"))
}

fn state() -> Vec<Row> {
    let stored = |number, input: &'static str, change: fn(String) -> String, says| {
        let make = move |_: &_, sandbox: &mut Sandbox| {
            let path = of_session(sandbox, "secret");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, change(text)).unwrap();
        };
        row(number, format!("the stored session is {input}"), Given::Renewal, make, 8, says)
    };
    let damaged = "error: the stored session is damaged (";
    let mut rows = vec![
        stored(90, "empty", |_| String::new(), damaged),
        stored(90, "nonsense", |_| "hunter2".into(), damaged),
        stored(91, "cut short", |text| text[..text.len() / 2].into(), damaged),
        stored(91, "without a version", |text| text.replacen("\"v\":1,", "", 1), damaged),
        stored(
            91,
            "of a later version",
            |text| text.replacen("\"v\":1,", "\"v\":2,", 1),
            "was written by a newer mdb-login",
        ),
        stored(
            91,
            "another client's",
            |text| text.replace(&format!("\"client_id\":\"{CLIENT_ID}\""), "\"client_id\":\"x\""),
            "is another session",
        ),
        stored(
            91,
            "another provider's",
            |text| text.replace("\"issuer\":\"http://127.0.0.1:", "\"issuer\":\"http://127.0.0.2:"),
            "is another session",
        ),
    ];
    let gone = |_: &_, sandbox: &mut Sandbox| fs::remove_file(of_session(sandbox, "secret")).unwrap();
    rows.push(row(91, "the stored session is gone", Given::Renewal, gone, 4, "is no longer in the file `"));
    let index = |_: &_, sandbox: &mut Sandbox| fs::write(of_session(sandbox, "json"), "{").unwrap();
    rows.push(row(91, "the index is damaged", Given::Renewal, index, 8, damaged));
    let leftover = |_: &_, sandbox: &mut Sandbox| {
        let path = of_session(sandbox, "secret");
        let name = format!(".{}.x.new", path.file_name().unwrap().to_str().unwrap());
        let left = path.with_file_name(name);
        fs::write(&left, "{}").unwrap();
        private(&left);
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    };
    rows.push(row(94, "a half-written file of a killed process", Given::Renewal, leftover, 0, "[JWT]"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let instead = |what: &'static str, extension: &'static str, put: fn(&Path), says| {
            let make = move |_: &_, sandbox: &mut Sandbox| {
                let path = of_session(sandbox, extension);
                fs::remove_file(&path).unwrap();
                put(&path);
            };
            row(93, format!("{what} in place of the session's {extension} file"), Given::Renewal, make, 8, says)
        };
        let link: fn(&Path) = |path| symlink("/dev/null", path).unwrap();
        let folder: fn(&Path) = |path| fs::create_dir(path).unwrap();
        for extension in ["lock", "secret", "json"] {
            rows.push(instead("a link", extension, link, "was not used: it is a symbolic link"));
            rows.push(instead("a folder", extension, folder, "was not used: it is not a regular file"));
            rows.push(instead("a FIFO", extension, fifo, "was not used: it is not a regular file"));
        }
        let mode = |what: &'static str, path: fn(&Sandbox) -> PathBuf, mode: u32, says| {
            let make = move |_: &_, sandbox: &mut Sandbox| {
                fs::set_permissions(path(sandbox), fs::Permissions::from_mode(mode)).unwrap();
            };
            row(93, format!("{what} with mode {mode:o}"), Given::Renewal, make, 8, says)
        };
        rows.push(mode(
            "the stored session",
            |sandbox| of_session(sandbox, "secret"),
            0o644,
            "other users can open it",
        ));
        rows.push(mode("the state folder", Sandbox::state_dir, 0o777, "hint: close it: `chmod 700 [HOME]/state`"));
    }
    rows
}

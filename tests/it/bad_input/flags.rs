//! What can be typed, and what the environment can hold.

use super::{Given, Row, row, typed};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        typed(1, ["token", "--min-tll", "5m"], 2, "--min-ttl"),
        typed(1, ["tokn"], 3, "hint: did you mean `mdb-login token`?"),
        typed(1, ["token", "-o", "xml"], 2, "[possible values: raw, json, header, env]"),
        typed(1, ["token", "--json", "--nonsense"], 2, "\"exit_code\":2"),
        typed(1, ["token", "--min-tll", "5m", "--json"], 2, "\"hints\":[\"a similar argument exists: '--min-ttl'\""),
        typed(1, ["setup", "azure", "--json"], 2, "\"hints\":[\"possible values: entra, okta,"),
        typed(
            1,
            ["setup", "azure", "--json"],
            2,
            "generic\",\"run `mdb-login setup --help`\"],\"message\":\"invalid value",
        ),
        typed(1, ["setup", "--json"], 2, "were not provided: <VENDOR>\""),
        typed(1, ["uri", "--json"], 2, "were not provided: <URI>\""),
        typed(1, ["completions", "--json"], 2, "were not provided: <SHELL>\""),
        typed(
            1,
            ["server", "check", "--json"],
            2,
            "\"hints\":[\"run `mdb-login server check --help`\"],\"message\":\"the following",
        ),
        typed(1, ["--json", "profile", "set"], 2, "were not provided: <NAME> <KEY=VALUE>...\""),
        typed(1, ["--json", "profile"], 2, "\"message\":\"`mdb-login profile` takes a command, and none is given\""),
        typed(1, ["--json", "exec"], 2, "\"hints\":[\"run `mdb-login --json exec -- mongosh mongodb+srv://HOST`\"]"),
        typed(1, ["exec", "mongosh", "--version"], 2, "hint: run `mdb-login exec -- mongosh --version`"),
        typed(
            1,
            ["exec", "mongosh", "mongodb://localhost"],
            2,
            "hint: run `mdb-login exec -- mongosh mongodb://localhost`",
        ),
        typed(1, ["exec", "mongosh"], 2, "the program of `exec` has to stand behind `--`\nhint: run"),
        typed(1, ["exec", "mongosh", "--password", "hunter2"], 2, "hint: run `mdb-login exec -- PROGRAM ARGS…`"),
        typed(1, ["exec", "--injekt", "file"], 2, "tip: a similar argument exists: '--inject'"),
        typed(
            1,
            ["profile", "set", "prod", "--issuer", "https://x.example"],
            2,
            "hint: settings have no dashes: `mdb-login profile set prod issuer=https://x.example`",
        ),
        typed(2, ["token", "--issuer", "https://a.example.com", "--issuer", "https://b.example.com"], 2, "--issuer"),
        typed(2, ["token", "one", "--profile", "two"], 2, "TARGET `one` and `--profile two` name different profiles"),
        typed(2, ["login", "--browser", "x", "--no-browser"], 2, "cannot be used with"),
        typed(2, ["logout", "--all", "one"], 2, "cannot be used with"),
        typed(3, ["token", "--issuer", ""], 2, "`--issuer` is empty"),
        typed(3, ["token", "--issuer", "https://idp.example.com /x"], 2, "contains a space"),
        typed(3, ["token", "--issuer", "https://idp.example.com\n"], 2, "`--issuer` "),
        typed(3, ["token", "--issuer", "idp.example.com"], 2, "is not a URL such as `https://login.example.com`"),
        typed(3, ["token", "--issuer", "ftp://idp.example.com"], 2, "must start with `https://`"),
        typed(3, ["token", "--client-id", ""], 2, "`--client-id` is empty"),
        typed(4, ["token", "--issuer", "http://idp.example.com"], 2, "must use https"),
        typed(4, ["token", "--issuer", "http://localhost.example.com"], 2, "must use https"),
        typed(
            5,
            ["token", "--issuer", "https://u:hunter2@idp.example.com"],
            2,
            "must not contain a user name or password",
        ),
        typed(6, ["token", "--issuer", "https://idp.example.com/?x"], 2, "must not contain a query (`?`)"),
        typed(6, ["token", "--issuer", "https://idp.example.com/#y"], 2, "must not contain a fragment (`#`)"),
        typed(7, ["login", "--client-secret", "hunter2"], 2, "`--client-secret` is refused"),
        typed(7, ["token", "--client-secret=hunter2"], 2, "give `--client-secret-file PATH`"),
        typed(8, ["login", "--redirect-uri", "http://example.com:1/redirect"], 2, "must be on `localhost`"),
        typed(8, ["login", "--redirect-uri", "https://localhost:27097/redirect"], 2, "must start with `http://`"),
        typed(8, ["login", "--redirect-uri", "http://localhost:27097/redirect?x"], 2, "must not contain a query"),
        typed(8, ["login", "--redirect-uri", "http://localhost:99999/redirect"], 2, "between 0 and 65535"),
        typed(8, ["login", "--redirect-uri", "http://localhost/redirect"], 2, "needs a port, such as `:27097`"),
        typed(8, ["login", "--redirect-uri", "http://localhost:1/../x"], 2, "needs a path of letters"),
        typed(9, ["login", "--timeout", "30"], 2, "has no unit; write `30s`"),
        typed(9, ["login", "--timeout", "0"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["login", "--timeout", "0s"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["login", "--timeout", "-1"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["login", "--timeout", "1e9"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["login", "--timeout", "5x"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["login", "--timeout", "2h"], 2, "must be a duration between 5s and 1h"),
        typed(9, ["token", "--http-timeout", "1ms"], 2, "must be a duration between 1s and 2m"),
        typed(9, ["token", "--min-ttl", "25h"], 2, "must be a duration between 0s and 1day"),
        typed(9, ["login", "--max-age", "-1"], 2, "must be a whole number, not negative"),
        typed(10, ["login", "--scope", "a\"b"], 2, "visible ASCII characters only"),
        typed(10, ["login", "--scope", "a\u{7}b"], 2, "visible ASCII characters only"),
        typed(10, ["login", "--scope", ""], 2, "`--scope` "),
        typed(10, ["login", "--auth-param", "state=x"], 2, "must not set `state`, which the protocol sets itself"),
        typed(10, ["login", "--auth-param", "code_challenge_method=plain"], 2, "must not set `code_challenge_method`"),
        typed(10, ["login", "--auth-param", "client_secret=hunter2"], 2, "must not carry a secret"),
        typed(10, ["login", "--auth-param", "x"], 2, "must be written `name=value`"),
        typed(11, ["discover", "prod"], 3, "there is no profile called `prod`"),
        typed(15, ["login", "--store", "plaintext"], 2, "invalid value 'plaintext'"),
        typed(16, ["login", "--browser", "system"], 4, "`--device`, `--no-browser`"),
        typed(16, ["login", "--no-input"], 4, "`--no-input` says that nobody is there"),
    ];
    let scopes = (0..2000).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" ");
    rows.push(typed(10, ["login", "--scope", &scopes], 2, "is longer than 1024 bytes in all"));
    for name in ["../../x", "CON", "", "\u{1f600}", "a b", "-x", &"x".repeat(300)] {
        let says = if name == "CON" { "Windows device" } else { "a profile's name " };
        rows.push(typed(11, ["token".to_owned(), format!("--profile={name}")], 2, says));
    }
    #[cfg(unix)]
    {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = OsString::from_vec(b"abc\xff".to_vec());
        rows.push(typed(
            12,
            ["token".into(), "--profile".into(), bytes.clone()],
            2,
            "argument 3 is not UTF-8 (byte 4)",
        ));
        rows.push(variable(12, "MDB_LOGIN_ISSUER", bytes, 3, "`MDB_LOGIN_ISSUER` is not UTF-8"));
    }
    rows.extend(environment());
    rows
}

fn variable(
    number: u32,
    name: &'static str,
    value: impl Into<std::ffi::OsString>,
    exit: i32,
    says: &'static str,
) -> Row {
    let value = value.into();
    let input = format!("{name}={}", value.display());
    row(
        number,
        input,
        Given::Nobody,
        move |_, sandbox| {
            sandbox.env(name, &value);
        },
        exit,
        says,
    )
}

fn environment() -> Vec<Row> {
    let mut rows = vec![
        variable(3, "MDB_LOGIN_ISSUER", "", 3, "hint: run `unset MDB_LOGIN_ISSUER`, or give it a value"),
        variable(4, "MDB_LOGIN_ISSUER", "http://idp.example.com", 3, "`MDB_LOGIN_ISSUER` must use https"),
        variable(7, "MDB_LOGIN_CLIENT_SECRET", "hunter2", 3, "`MDB_LOGIN_CLIENT_SECRET` is not read"),
        variable(9, "MDB_LOGIN_TIMEOUT", "5", 3, "`MDB_LOGIN_TIMEOUT` has no unit"),
        variable(11, "MDB_LOGIN_PROFILE", "../x", 3, "`MDB_LOGIN_PROFILE` must be 1 to 64 letters"),
        variable(11, "MDB_LOGIN_PROFILE", "nope", 3, "there is no profile called `nope`"),
        variable(15, "MDB_LOGIN_STORE", "plain", 3, "`MDB_LOGIN_STORE` must be one of `auto`, `keyring`"),
        variable(28, "MDB_LOGIN_STATE_DIR", "state", 3, "`MDB_LOGIN_STATE_DIR` is not an absolute path: `state`"),
        variable(28, "MDB_LOGIN_STATE_DIR", "", 3, "`MDB_LOGIN_STATE_DIR` is empty"),
        variable(28, "MDB_LOGIN_CONFIG_DIR", "config", 3, "`MDB_LOGIN_CONFIG_DIR` is not an absolute path"),
        variable(32, "MDB_LOGIN_PROXY", "proxy.example.com", 3, "`MDB_LOGIN_PROXY` is not a URL"),
        variable(
            32,
            "MDB_LOGIN_PROXY",
            "ftp://proxy.example.com",
            3,
            "must start with `http://`, `https://`, `socks5://`",
        ),
        variable(32, "MDB_LOGIN_PROXY", "http://u:hunter2@p.example.com", 3, "put such a URL in `HTTPS_PROXY`"),
        variable(35, "COLUMNS", "1", 4, "not signed in"),
    ];
    rows.push(row(
        3,
        "a variable that is almost one of ours",
        Given::Nobody,
        |idp, sandbox| {
            sandbox.unset("MDB_LOGIN_ISSUER").env("MDB_LOGIN_ISSUER_URL", idp.issuer());
        },
        3,
        "`MDB_LOGIN_ISSUER_URL` means nothing; did you mean `MDB_LOGIN_ISSUER`?",
    ));
    rows.push(row(
        28,
        "HOME is relative, and nothing else is set",
        Given::Nobody,
        |_, sandbox| {
            for name in ["MDB_LOGIN_CONFIG_DIR", "MDB_LOGIN_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "APPDATA"]
            {
                sandbox.unset(name);
            }
            sandbox.env("HOME", "home");
        },
        3,
        if cfg!(windows) { "`APPDATA` is not set" } else { "`HOME` is not an absolute path: `home`" },
    ));
    rows.push(row(
        29,
        "XDG_RUNTIME_DIR is open to all, of no use, or gone",
        Given::Renewal,
        |_, sandbox| {
            sandbox.env("XDG_RUNTIME_DIR", "/nowhere");
        },
        0,
        "[JWT]",
    ));
    rows.push(row(
        32,
        "HTTPS_PROXY with a password, and nobody there",
        Given::Login,
        |_, sandbox| {
            sandbox.env("MDB_LOGIN_ISSUER", "https://idp.example.com");
            sandbox.env("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:9/");
        },
        7,
        "cannot reach https://idp.example.com/",
    ));
    rows.push(row(
        35,
        "no language, no colours, a dumb terminal",
        Given::Renewal,
        |_, sandbox| {
            sandbox.env("TERM", "dumb").env("NO_COLOR", "1").env("LANG", "C").env("COLUMNS", "1");
        },
        0,
        "[JWT]",
    ));
    #[cfg(target_os = "linux")]
    for address in ["garbage", "unix:path=/nowhere/bus", "tcp:host=127.0.0.1,port=9", "unixexec:path=/bin/sh"] {
        rows.push(row(
            30,
            format!("DBUS_SESSION_BUS_ADDRESS={address}"),
            Given::Login,
            move |_, sandbox| {
                sandbox.env("DBUS_SESSION_BUS_ADDRESS", address).env("MDB_LOGIN_STORE", "keyring");
            },
            8,
            "error: there is no keyring here",
        ));
    }
    rows
}

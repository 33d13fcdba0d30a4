//! What a line that clap refuses was meant to be: the complete command to type.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory as _;

use super::Cli;
use super::parse::{command_position, global_words};
use crate::mongo::arguments::is_tool;
use crate::mongo::uri::is_connection_string;
use crate::settings::schema::{self, Setting, Shape};
use crate::ui::{foreign, shell_quoted};

/// A program that needs no explanation, for who has named none.
const PROGRAM: &str = "mongosh mongodb+srv://HOST";

/// What to say of an `exec` whose program does not stand behind `--`. `None` for any other line, and where an option of
/// `exec`'s own is what is wrong.
pub(super) fn exec(args: &[OsString]) -> Option<String> {
    let start = command_position(args);
    if args.get(start)? != "exec" || args.iter().any(|arg| arg == "--") {
        return None;
    }
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let command = |own: &[&str], program: &[&str]| match [own, program].concat() {
        words if words.iter().any(|word| may_be_secret(word)) => "mdb-login exec -- PROGRAM ARGS…".to_owned(),
        _ if program.is_empty() => format!("mdb-login {} -- {PROGRAM}", quoted(own)),
        _ => format!("mdb-login {} -- {}", quoted(own), quoted(program)),
    };
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let slice = |from: usize, to: usize| words.get(from..to).unwrap_or_default();
    let runs = |index: usize| words.get(index).is_some_and(|word| *word == "npx" || is_tool(OsStr::new(word)));

    let first = after_options(&words, start + 1);
    let next = after_options(&words, first + 1);
    let text = "the program of `exec` has to stand behind `--`\nhint: run";
    let hint = match words.get(first) {
        None => command(slice(1, first), &[]),
        Some(option) if option.starts_with('-') => return None,
        // Nothing but where to connect to: mongosh takes it, and whatever follows.
        Some(uri) if is_connection_string(uri) && words.get(next).is_none_or(|word| word.starts_with('-')) => {
            command(slice(1, first), &[&["mongosh"], slice(first, words.len())].concat())
        }
        Some(target) if is_connection_string(target) || !runs(first) && runs(next) => {
            command(slice(1, next), slice(next, words.len()))
        }
        Some(word) => {
            let is_profile = next >= words.len() && !runs(first) && !word.contains(['/', '.']);
            let run = command(slice(1, first), slice(first, words.len()));
            match is_profile.then(|| command(slice(1, words.len()), &[])) {
                Some(other) => {
                    return Some(format!("{text} `{run}`\nhint: if `{}` is a profile: `{other}`", foreign(word)));
                }
                None => run,
            }
        }
    };
    Some(format!("{text} `{hint}`"))
}

/// What to say of settings that were given to `profile set` as options. `None` for any other line, and for options that
/// are no settings.
pub(super) fn profile_set(args: &[OsString]) -> Option<String> {
    let start = command_position(args);
    let words: Vec<_> = args.iter().skip(start).map(|arg| arg.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let ["profile", "set", typed @ ..] = words.as_slice() else { return None };
    let (mut flags, mut shown, mut secret) = (Vec::new(), Vec::new(), false);
    let mut typed = typed.iter().copied();
    while let Some(word) = typed.next() {
        if !word.starts_with("--") || global_words(OsStr::new(word)) > 0 {
            secret |= may_be_secret(word);
            shown.push(match word.split_once('=') {
                Some((key, value)) => format!("{}={}", shell_quoted(key), shell_quoted(value)),
                None => shell_quoted(word),
            });
            continue;
        }
        let (flag, given) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        let setting = setting(flag)?;
        let value = match given.or_else(|| switch(setting, flag)) {
            Some(value) => value,
            None => typed.next()?,
        };
        // A path that speaks of a secret is none.
        secret |= setting.shape != Shape::Path && may_be_secret(value);
        flags.push(flag);
        shown.push(format!("{}={}", setting.key, shell_quoted(value)));
    }
    if !words.get(2).is_some_and(|name| !name.starts_with('-') && !name.contains('=')) {
        shown.insert(0, "NAME".to_owned());
    }
    let shown = if secret { "NAME KEY=VALUE".to_owned() } else { shown.join(" ") };
    let flag = foreign(flags.first()?);
    Some(format!("unexpected argument '{flag}' found\nhint: settings have no dashes: `mdb-login profile set {shown}`"))
}

/// The setting that a flag sets elsewhere, or whose key was typed as one.
fn setting(flag: &str) -> Option<&'static Setting> {
    let key = flag.trim_start_matches('-').replace('-', "_");
    let by_flag = schema::ALL.iter().copied().find(|setting| setting.flag == Some(flag));
    by_flag.or_else(|| schema::find(&key))
}

/// What a flag without a value sets.
fn switch<'a>(setting: &Setting, flag: &'a str) -> Option<&'a str> {
    let login = Cli::command();
    let login = login.find_subcommand("login")?;
    let takes_value = |name: &str| {
        let arg = login.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        Some(arg.get_action().takes_values())
    };
    let name = flag.strip_prefix("--")?;
    match (takes_value(name)?, setting.shape, setting.default) {
        (true, ..) => None,
        (false, Shape::Switch, Some("true")) => Some("false"),
        (false, Shape::Switch, _) => Some("true"),
        (false, ..) => Some(name),
    }
}

/// Where the options of `exec` end that start at `from`.
fn after_options(words: &[&str], from: usize) -> usize {
    let exec = Cli::command();
    let own = |word: &str| {
        let (name, value) =
            word.strip_prefix("--")?.split_once('=').map_or((word.strip_prefix("--")?, false), |(n, _)| (n, true));
        let arg = exec.find_subcommand("exec")?.get_arguments().find(|arg| arg.get_long() == Some(name))?;
        Some(if arg.get_action().takes_values() && !value { 2 } else { 1 })
    };
    let mut at = from;
    while let Some(word) = words.get(at) {
        match global_words(OsStr::new(word)) {
            0 => match own(word) {
                Some(words) => at += words,
                None => break,
            },
            words => at += words,
        }
    }
    at.min(words.len().max(from))
}

/// Whether a word is, or is likely to be followed by, what nobody should see twice.
fn may_be_secret(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    // mongosh's `-p PASSWORD`, too.
    ["password", "passwd", "pwd", "secret", "token"].iter().any(|name| lower.contains(name)) || lower.starts_with("-p")
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| shell_quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        format!("mdb-login {line}").split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn an_exec_without_dashes_is_shown_with_them() {
        for (line, expected) in [
            ("exec", "exec -- mongosh mongodb+srv://HOST"),
            ("exec mongosh", "exec -- mongosh"),
            ("exec mongosh --version", "exec -- mongosh --version"),
            ("exec mongosh mongodb://localhost", "exec -- mongosh mongodb://localhost"),
            ("exec mongosh mongodb://h/?tls=true", "exec -- mongosh 'mongodb://h/?tls=true'"),
            ("exec npx -y mongosh", "exec -- npx -y mongosh"),
            ("exec prod mongosh --quiet", "exec prod -- mongosh --quiet"),
            ("exec prod --inject file mongodump", "exec prod --inject file -- mongodump"),
            ("-q exec --inject=file mongosh", "-q exec '--inject=file' -- mongosh"),
            ("exec --print-env ./report.py x", "exec --print-env -- ./report.py x"),
            ("exec --inject file", "exec --inject file -- mongosh mongodb+srv://HOST"),
            ("exec mongodb://h", "exec -- mongosh mongodb://h"),
            ("exec mongodb://h --eval 1", "exec -- mongosh mongodb://h --eval 1"),
            ("exec mongodb://h ./report.py", "exec mongodb://h -- ./report.py"),
            ("exec mongosh -p x", "exec -- PROGRAM ARGS…"),
            ("exec mongosh --password=x", "exec -- PROGRAM ARGS…"),
            (
                "exec python3",
                "exec -- python3`\nhint: if `python3` is a profile: `mdb-login exec python3 -- mongosh mongodb+srv://HOST",
            ),
        ] {
            let expected = format!("the program of `exec` has to stand behind `--`\nhint: run `mdb-login {expected}`");
            assert_eq!(exec(&args(line)).as_deref(), Some(&*expected), "for `{line}`");
        }
        for line in ["exec --injekt file", "exec --injekt -- mongosh", "exec --", "token mongosh", "login exec"] {
            assert_eq!(exec(&args(line)), None, "for `{line}`");
        }
    }

    #[test]
    fn options_of_profile_set_are_shown_as_settings() {
        for (line, expected) in [
            ("prod --issuer https://x.example", "prod issuer=https://x.example"),
            ("prod --issuer=https://x.example timeout=5m", "prod issuer=https://x.example timeout=5m"),
            ("prod --trust-host db.example.com --no-nonce", "prod allowed_host=db.example.com nonce=false"),
            ("prod --id-token --device", "prod id_token_as_access_token=true flow=device"),
            ("prod --insecure-server true", "prod insecure_server=true"),
            ("prod --client_id 0oa1 --json", "prod client_id=0oa1 --json"),
            ("--issuer https://x.example", "NAME issuer=https://x.example"),
            ("prod --client-secret-file /etc/secret", "prod client_secret_file=/etc/secret"),
            ("prod --auth-param client_secret=hunter2", "NAME KEY=VALUE"),
        ] {
            let hint = format!("settings have no dashes: `mdb-login profile set {expected}`");
            let said = profile_set(&args(&format!("profile set {line}"))).unwrap_or_else(|| panic!("for `{line}`"));
            assert!(said.starts_with("unexpected argument '--") && said.ends_with(&hint), "{said}");
        }
        for line in
            ["profile set prod --nonsense x", "profile set prod --issuer", "profile use --issuer x", "profile set x"]
        {
            assert_eq!(profile_set(&args(line)), None, "for `{line}`");
        }
    }
}

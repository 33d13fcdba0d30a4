//! This program: which one it is, whether its two files belong together, and what it has been told.

use std::env;

use super::Case;
use super::finding::Finding;
use crate::error::{Error, Kind};
use crate::settings::{self, Request, Settings, StoreChoice, schema};
use crate::ui::{foreign, nearest};

/// The platform as Rust names it.
pub fn target() -> String {
    let system = match env::consts::OS {
        "macos" => "apple-darwin".to_owned(),
        "windows" => format!("pc-windows-{}", if cfg!(target_env = "gnu") { "gnu" } else { "msvc" }),
        "linux" => format!("unknown-linux-{}", if cfg!(target_env = "musl") { "musl" } else { "gnu" }),
        other => format!("unknown-{other}"),
    };
    format!("{}-{system}", env::consts::ARCH)
}

pub fn version(_: &Case) -> Vec<Finding> {
    vec![Finding::ok("version", format!("{} ({})", env!("CARGO_PKG_VERSION"), target()))]
}

/// On Linux a small program hands out cached tokens, and starts this one for everything else.
pub fn programs(_: &Case) -> Vec<Finding> {
    #[cfg(target_os = "linux")]
    return vec![judge_small_program(&ask_small_program())];
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

/// The version that the file `mdb-login` beside this one gives.
#[cfg(target_os = "linux")]
fn ask_small_program() -> Result<String, String> {
    use std::process::{Command, Stdio};
    let path = env::current_exe().map_err(|error| error.to_string())?.with_file_name("mdb-login");
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    Ok(foreign(String::from_utf8_lossy(&output.stdout).trim()))
}

#[cfg(target_os = "linux")]
fn judge_small_program(answer: &Result<String, String>) -> Finding {
    const NAME: &str = "programs";
    const OWN: &str = concat!("mdb-login ", env!("CARGO_PKG_VERSION"));
    let install = "install `mdb-login` and `mdb-login-full` of one version into one folder";
    match answer {
        Ok(version) if version == OWN => Finding::ok(NAME, "`mdb-login` and `mdb-login-full` are of one version"),
        Ok(version) => {
            let what = format!("`mdb-login` beside this program says `{version}`, and this one is `{OWN}`");
            Finding::fail(NAME, Kind::Failed, what).note(install)
        }
        Err(why) => {
            Finding::warn(NAME, format!("there is no `mdb-login` beside this program: {}", foreign(why))).note(install)
        }
    }
}

/// The file, the profile, and whether they name a provider.
pub fn settings(case: &Case) -> Vec<Finding> {
    const NAME: &str = "settings";
    if !case.wrong.is_empty() {
        return case.wrong.iter().map(|error| Finding::failed(NAME, error)).collect();
    }
    let complete = settings::resolve(&case.request).map(drop);
    let mut findings = vec![judge_settings(&case.settings, config_file().as_deref(), complete)];
    findings.extend(other_profiles(case));
    findings
}

/// The file, if there is one.
fn config_file() -> Option<String> {
    let path = settings::config_file().ok().filter(|path| path.exists())?;
    Some(foreign(&path.to_string_lossy()))
}

/// `complete` is what a command that needs the provider would say.
fn judge_settings(settings: &Settings, file: Option<&str>, complete: Result<(), Error>) -> Finding {
    const NAME: &str = "settings";
    let file = file.map_or_else(|| "no config.toml".to_owned(), |file| format!("`{file}`"));
    let source = match &settings.profile {
        Some(profile) => format!("profile `{profile}` of {file}"),
        None => format!("no profile; {file}, variables and flags"),
    };
    match complete {
        Ok(()) => Finding::ok(NAME, source),
        // Nobody has begun yet, or the server has not been asked yet: no fault of anybody's.
        Err(error)
            if error.kind() == Kind::LoginRequired || (settings.issuer.is_empty() && settings.profile.is_none()) =>
        {
            Finding::warned(NAME, &error)
        }
        Err(error) => Finding::failed(NAME, &error),
    }
}

/// Profiles that are not in use have to be right, too: the day on which they are needed is a bad one to find out.
fn other_profiles(case: &Case) -> Vec<Finding> {
    let names = settings::profiles().unwrap_or_default().into_iter().map(|profile| profile.name);
    let others = names.filter(|name| Some(name) != case.settings.profile.as_ref());
    let errors =
        others.filter_map(|name| settings::preview(&Request { profile: Some(name), ..Request::default() }).err());
    errors.map(|error| Finding::warned("profile", &error)).collect()
}

/// Settings that give up some protection.
pub fn choices(case: &Case) -> Vec<Finding> {
    const NAME: &str = "choices";
    let weak = weak_choices(&case.settings);
    match weak.as_slice() {
        [] => vec![Finding::ok(NAME, "no setting gives up any protection")],
        _ => weak.into_iter().map(|text| Finding::warn(NAME, text)).collect(),
    }
}

fn weak_choices(settings: &Settings) -> Vec<String> {
    let weak = [
        (
            settings.insecure_server,
            &schema::INSECURE_SERVER,
            "tokens may go to servers that do not prove who they are, or where everybody on the way can read them",
        ),
        (
            settings.store == StoreChoice::File,
            &schema::STORE,
            "the session is in a file, which every program of yours and every backup can read",
        ),
        (!settings.nonce, &schema::NONCE, "nothing ties the ID token to the sign-in that it is given for"),
    ];
    let said = |(is_weak, setting, why): (bool, &schema::Setting, &str)| {
        is_weak.then(|| {
            let origin = settings.origin(setting.key);
            let value = setting.show(settings).to_string();
            format!("`{} = {value}` ({origin}): {why}", setting.key)
        })
    };
    weak.into_iter().filter_map(said).collect()
}

const PREFIX: &str = concat!("MDB_LOGIN", "_");

/// Names of ours that are no settings.
const OTHER_VARIABLES: [&str; 9] = [
    "MDB_LOGIN_CONFIG_DIR",
    "MDB_LOGIN_STATE_DIR",
    "MDB_LOGIN_PROFILE",
    "MDB_LOGIN_NO_INPUT",
    "MDB_LOGIN_COMPLETE",
    "MDB_LOGIN_CLIENT_SECRET",
    "MDB_LOGIN_EXEC",
    "MDB_LOGIN_TOKEN_FILE",
    "MDB_LOGIN_TOKEN_EXPIRES_AT",
];

/// Variables in our name, known and unknown. Their values are nobody's business.
pub fn variables(_: &Case) -> Vec<Finding> {
    let mut names: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort_unstable();
    judge_variables(&names)
}

fn judge_variables(names: &[String]) -> Vec<Finding> {
    const NAME: &str = "variables";
    let known = || schema::ALL.iter().map(|setting| setting.env).chain(OTHER_VARIABLES);
    let (right, wrong): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| known().any(|known| known == *name));
    let set: Vec<String> = right.iter().map(|name| format!("`{name}`")).collect();
    let mut findings = vec![match set.as_slice() {
        [] => Finding::ok(NAME, "no `MDB_LOGIN_*` variable is set"),
        set => Finding::ok(NAME, format!("set: {}", set.join(", "))),
    }];
    findings.extend(wrong.into_iter().map(|name| {
        let finding = Finding::warn(NAME, format!("`{}` means nothing", foreign(name)));
        // What all of them begin with says nothing of how near two of them are.
        let own = |name: &'static str| name.strip_prefix(PREFIX).unwrap_or(name);
        match nearest(name.strip_prefix(PREFIX).unwrap_or(name), known().map(own)) {
            Some(meant) => finding.note(format!("did you mean `{PREFIX}{meant}`?")),
            None => finding,
        }
    }));
    // Programs of `exec` have it, and an mdb-login inside them is somebody's mistake more often than not.
    if names.iter().any(|name| name == "MDB_LOGIN_EXEC") {
        findings.push(Finding::warn(NAME, "this runs inside of `mdb-login exec`, which has set some of them"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::settings;
    use crate::ui::report::Mark;

    #[test]
    #[cfg(target_os = "linux")]
    fn two_files_of_one_version_belong_together() {
        let own = format!("mdb-login {}", env!("CARGO_PKG_VERSION"));
        for (answer, expected) in [
            (Ok(own), Mark::Ok),
            (Ok("mdb-login 0.0.9".to_owned()), Mark::Fail),
            (Ok(String::new()), Mark::Fail),
            (Err("No such file".to_owned()), Mark::Warn),
        ] {
            assert_eq!(judge_small_program(&answer).mark, expected, "{answer:?}");
        }
    }

    #[test]
    fn a_beginning_is_no_fault_and_half_a_profile_is() {
        let error = |kind| Err(Error::new(kind, "x"));
        let judged = |settings: &Settings, complete| judge_settings(settings, None, complete).mark;
        let mut begun = settings(&[]);
        begun.profile = Some("prod".to_owned());
        assert_eq!(judged(&begun, Ok(())), Mark::Ok);
        assert_eq!(judged(&settings(&[]), error(Kind::Config)), Mark::Warn);
        assert_eq!(judged(&begun, error(Kind::LoginRequired)), Mark::Warn);
        assert_eq!(judged(&begun, error(Kind::Config)), Mark::Fail);
    }

    #[test]
    fn weak_choices_are_told_with_who_made_them() {
        assert_eq!(weak_choices(&settings(&[])), Vec::<String>::new());
        let weak = weak_choices(&settings(&[
            (&schema::STORE, "file"),
            (&schema::NONCE, "false"),
            (&schema::INSECURE_SERVER, "true"),
        ]));
        let begins =
            ["`insecure_server = true` (--flag): ", "`store = \"file\"` (--flag): ", "`nonce = false` (--flag): "];
        assert_eq!(weak.len(), begins.len());
        assert!(weak.iter().zip(begins).all(|(text, begin)| text.starts_with(begin)), "{weak:?}");
    }

    #[test]
    fn a_variable_that_means_nothing_is_told_with_the_one_that_was_meant() {
        let judge = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let all = judge_variables(&names).into_iter();
            all.map(|finding| format!("{} {} {:?}", finding.mark.name(), finding.text, finding.notes))
                .collect::<Vec<_>>()
        };
        assert_eq!(judge(&[]), ["ok no `MDB_LOGIN_*` variable is set []"]);
        assert_eq!(
            judge(&["MDB_LOGIN_CLIENTID", "MDB_LOGIN_STORE", "MDB_LOGIN_XYZ"]),
            [
                "ok set: `MDB_LOGIN_STORE` []",
                "warn `MDB_LOGIN_CLIENTID` means nothing [\"did you mean `MDB_LOGIN_CLIENT_ID`?\"]",
                "warn `MDB_LOGIN_XYZ` means nothing []",
            ]
        );
    }
}

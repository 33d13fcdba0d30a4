//! Completion by the program itself: the shell's script calls back with the words typed so far, and gets candidates.
//!
//! So profile names complete without the script knowing where the configuration is, and a script stays good when a
//! flag is added.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::{CompleteEnv, Shells};

use super::{Cli, parse};
use crate::error::{Error, Kind, Result};
use crate::settings::{self, schema};

/// Set by the completion scripts, to the shell's name. Not clap's usual `COMPLETE`: a variable of that name in
/// somebody's environment would have `mdb-login token` print a script where a token is expected.
const VARIABLE: &str = "MDB_LOGIN_COMPLETE";

/// The name that scripts complete and call: whatever `mdb-login` is on the PATH, not where this one happens to be.
const PROGRAM: &str = "mdb-login";

/// Whether a completion script is asking.
pub fn is_asked() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Answers a completion script; `None` if none asked, which costs one look at the environment.
pub fn complete() -> Option<ExitCode> {
    if !is_asked() {
        return None;
    }
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let word_count = args.iter().skip_while(|arg| *arg != "--").count().saturating_sub(1);
    // The word to complete is empty, and has been lost on the way: Windows PowerShell drops such arguments.
    if std::env::var("_CLAP_COMPLETE_INDEX").is_ok_and(|index| index == word_count.to_string()) {
        args.push(OsString::new());
    }
    let words: Vec<OsString> = args.iter().skip_while(|arg| *arg != "--").skip(1).cloned().collect();
    let folder = std::env::current_dir().ok();
    let answer = CompleteEnv::with_factory(|| command_for(&words))
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM)
        .try_complete(args, folder.as_deref());
    match answer {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(error) => Some(super::report(&error)),
    }
}

/// The script that makes `shell` ask this program.
pub fn script(shell: clap_complete::Shell) -> Result<Vec<u8>> {
    if shell == clap_complete::Shell::PowerShell {
        return Ok(POWERSHELL.to_vec());
    }
    let failed = || Error::new(Kind::Failed, format!("there is no completion script for `{shell}`"));
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or_else(failed)?;
    completer
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| failed().because(error))?;
    // clap's templates begin and end with empty lines.
    let mut script = script.trim_ascii().to_vec();
    script.push(b'\n');
    if shell == clap_complete::Shell::Zsh {
        script.extend_from_slice(ZSH_AUTOLOAD);
    }
    Ok(script)
}

/// In place of clap's script, which gives the line typed so far to `Invoke-Expression`: a TAB would run what stands
/// between `$(` and `)`, of a pasted command for instance.
const POWERSHELL: &[u8] = include_bytes!("complete.ps1");

/// Found by compinit in a file of this name, the whole script is the function that was asked, and must answer too;
/// without this the first TAB of a session would complete nothing.
const ZSH_AUTOLOAD: &[u8] = b"
if [[ ${funcstack[1]-} == _mdb-login ]]; then
    _clap_dynamic_completer_mdb_login \"$@\"
fi
";

/// The command line as it is understood for `words`, which start with the program's name and end with the word to
/// complete. `login` may be left out, so where no command is named its TARGET and flags belong to the program itself.
fn command_for(words: &[OsString]) -> Command {
    let root = Cli::command();
    let last = words.len().saturating_sub(1);
    let position = parse::command_position(words);
    let login: Vec<clap::Arg> =
        root.find_subcommand("login").into_iter().flat_map(Command::get_arguments).cloned().collect();
    let command = if position >= last {
        // A command or a TARGET: either may stand here.
        root.args(login)
    } else if words.get(position).is_some_and(|word| parse::is_command(word)) {
        root
    } else {
        // Commands cannot follow any more.
        let global: Vec<clap::Arg> = root.get_arguments().cloned().collect();
        Command::new(PROGRAM).args(login).args(global)
    };
    if words.last().is_none_or(|word| word.is_empty()) { without_flags(command) } else { command }
}

/// Hides the flags: forty of them between the commands are no answer to a TAB on nothing. Hidden candidates are still
/// offered where there are no others, and those that are typed with `-` are not hidden.
fn without_flags(command: Command) -> Command {
    command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_args(|arg| if arg.is_positional() { arg } else { arg.hide(true) })
        .mut_subcommands(without_flags)
}

/// Names of profiles; none where the file cannot be read.
pub fn profiles() -> Vec<CompletionCandidate> {
    let profiles = settings::profiles().unwrap_or_default();
    let candidate = |profile: settings::ProfileSummary| {
        let help = profile.provider().map(|provider| crate::ui::foreign(provider).into());
        CompletionCandidate::new(profile.name).help(help)
    };
    profiles.into_iter().map(candidate).collect()
}

/// Names of profiles, then files.
pub fn profiles_and_files(word: &OsStr) -> Vec<CompletionCandidate> {
    let typed = word.to_string_lossy();
    let mut found = profiles();
    found.retain(|profile| profile.get_value().to_string_lossy().starts_with(typed.as_ref()));
    found.extend(PathCompleter::file().complete(word));
    found
}

/// Keys of settings.
pub fn keys() -> Vec<CompletionCandidate> {
    schema::ALL.iter().map(|setting| CompletionCandidate::new(setting.key).help(Some(setting.help.into()))).collect()
}

/// Keys of settings, each with the `=` that must follow.
pub fn assignments() -> Vec<CompletionCandidate> {
    let assignment = |setting: &&'static schema::Setting| {
        CompletionCandidate::new(format!("{}=", setting.key)).help(Some(setting.help.into()))
    };
    schema::ALL.iter().map(assignment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell would be offered for `line`, the last word of which is the one to complete.
    ///
    /// Not for a TARGET: that would offer the profiles of whoever runs the tests. tests/it/completions.rs has those.
    fn offered(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let last = words.len() - 1;
        let mut command = command_for(&words);
        let candidates = clap_complete::engine::complete(&mut command, words, last, None).unwrap();
        candidates.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn flags_are_offered_after_a_dash_or_where_there_is_nothing_else() {
        assert_eq!(
            offered("mdb-login profile "),
            ["list", "show", "set", "unset", "use", "rename", "trust", "remove", "help"]
        );
        assert_eq!(offered("mdb-login profile re"), ["rename", "remove"]);
        assert_eq!(offered("mdb-login completions "), ["bash", "elvish", "fish", "powershell", "zsh"]);
        assert_eq!(offered("mdb-login token -o "), ["raw", "json", "header", "env"]);
        assert_eq!(offered("mdb-login token --min"), ["--min-ttl"]);
        assert_eq!(offered("mdb-login token --store k"), ["keyring", "kernel"]);
        let flags = offered("mdb-login man ");
        assert!(flags.iter().all(|flag| flag.starts_with('-')) && flags.contains(&"--dir".to_owned()), "{flags:?}");
    }

    #[test]
    fn login_s_flags_complete_without_its_name() {
        assert_eq!(offered("mdb-login --dev"), ["--device"]);
        assert_eq!(offered("mdb-login prod --dev"), ["--device"]);
        assert_eq!(offered("mdb-login prod --no-in"), ["--no-input"]);
        assert_eq!(offered("mdb-login -p x --dev"), ["--device"]);
        assert_eq!(offered("mdb-login token --dev"), Vec::<String>::new());
    }

    #[test]
    fn settings_complete_by_key() {
        assert_eq!(offered("mdb-login profile set prod iss"), ["issuer="]);
        assert_eq!(offered("mdb-login profile set prod issuer=x client_i"), ["client_id="]);
        assert_eq!(offered("mdb-login profile unset prod timeout ca"), ["ca_file"]);
    }

    #[test]
    fn scripts_name_no_place() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(*shell).unwrap()).unwrap();
            assert!(script.contains("MDB_LOGIN_COMPLETE") && !script.contains("/mdb-login"), "{shell}: {script}");
        }
    }
}

//! Where a confidential client's secret comes from: a file or a command, never an argument or the configuration.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::settings::ClientSecretSource;
use crate::ui::{foreign, shell_quoted};

/// Bytes. A secret is shorter; a longer file is another file.
const MAX: usize = 4096;

/// How long a command has. It may have to ask a person for a passphrase, while others wait for the session.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// Reads the secret. One trailing line break is dropped, as editors and `echo` add one. A command that is still running
/// when this is dropped is killed.
///
/// # Errors
/// [`Kind::TimedOut`] for a command that does not end, [`Kind::Config`] for all else.
pub async fn read(source: &ClientSecretSource) -> Result<Secret> {
    let (bytes, origin) = match source {
        ClientSecretSource::File(path) => {
            (from_file(path)?, format!("the client secret file `{}`", foreign(&path.display().to_string())))
        }
        ClientSecretSource::Command(argv) => (
            from_command(argv, COMMAND_DEADLINE).await?,
            format!("the client secret command `{}`", foreign(&argv.join(" "))),
        ),
    };
    let bad = |why: &str| Error::new(Kind::Config, format!("{origin} {why}"));
    if bytes.len() > MAX {
        return Err(bad("gave more than 4096 bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("did not give text"))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(bad("must give the secret and nothing else, on one line"));
    }
    Ok(Secret::new(secret))
}

fn from_file(path: &Path) -> Result<Vec<u8>> {
    check_file(path)?;
    std::fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let shown = foreign(&path.display().to_string());
    Error::new(Kind::Config, format!("cannot read the client secret file `{shown}`")).because(error)
}

/// That a secret may be read from this file: nobody else can.
pub fn check_file(path: &Path) -> Result<()> {
    let shown = foreign(&path.display().to_string());
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Config, format!("the client secret file `{shown}` is not a file")));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::new(Kind::Config, format!("the client secret file `{shown}` can be read by others"))
                .hint(format!("run `chmod 600 {}`", shell_quoted(&path.to_string_lossy()))));
        }
    }
    Ok(())
}

async fn from_command(argv: &[String], deadline: Duration) -> Result<Vec<u8>> {
    let shown = foreign(&argv.join(" "));
    let failed = || Error::new(Kind::Config, format!("the client secret command `{shown}` failed"));
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::new(Kind::Config, "`client_secret_command` is empty"))?;
    let mut command = Command::new(program);
    // A password manager may ask for a passphrase: stdin and stderr stay the person's.
    command.args(arguments).stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    #[cfg(unix)]
    let own_group = !has_terminal();
    #[cfg(unix)]
    if own_group {
        command.process_group(0);
    }
    let child = command.spawn().map_err(|error| failed().because(error))?;
    #[cfg(unix)]
    let group = Group(child.id().filter(|_| own_group));
    let Ok(output) = tokio::time::timeout(deadline, child.wait_with_output()).await else {
        let seconds = deadline.as_secs();
        return Err(Error::new(
            Kind::TimedOut,
            format!("the client secret command `{shown}` did not end within {seconds} s"),
        )
        .because_of("it was killed")
        .hint("it has to print the secret and end; try it by itself at a terminal"));
    };
    #[cfg(unix)]
    group.leave_alone();
    let output = output.map_err(|error| failed().because(error))?;
    if !output.status.success() {
        return Err(failed().because_of(output.status.to_string()));
    }
    Ok(output.stdout)
}

/// Whether a person may be asked on a terminal. A command in a process group of its own would be stopped there as soon as
/// it asks; in ours it gets the person's Ctrl-C as well, and then only the command itself is killed, not what it started.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// A command and all that it started; killed when this is dropped.
#[cfg(unix)]
struct Group(Option<u32>);

#[cfg(unix)]
impl Group {
    /// The command has ended by itself. What it left running (an agent that keeps a passphrase) is meant to stay.
    fn leave_alone(mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let leader = self.0.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(leader) = leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn run(script: &str, deadline: Duration) -> Result<Vec<u8>> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(from_command(&argv, deadline))
    }

    #[test]
    fn a_command_that_ends_gives_what_it_prints() {
        assert_eq!(run("printf s3cret", Duration::from_secs(10)).unwrap(), b"s3cret");
        let error = run("printf s3cret; exit 3", Duration::from_secs(10)).unwrap_err();
        assert_eq!((error.kind(), error.causes()), (Kind::Config, &["exit status: 3".to_owned()][..]));
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let start = Instant::now();
        let script = format!("sleep 50 & echo $! > {}; wait", file.display());
        let error = run(&script, Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
        assert!(error.message().ends_with("did not end within 1 s"), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        if has_terminal() {
            return;
        }
        let started: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let is_alive = || {
            let state = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        while cfg!(target_os = "linux") && is_alive() {
            assert!(start.elapsed() < Duration::from_secs(5), "process {started} is still running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

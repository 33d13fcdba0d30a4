//! Secrets that somebody else keeps for us: in a file, behind a command, or at the other end of a pipe. Never in an
//! argument or the configuration.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::Secret;
use crate::error::{Error, Kind, Result};
use crate::text_file;
use crate::ui::{foreign, shell_quoted};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// A program and its arguments; its stdout is the secret.
    Command(Vec<String>),
    Stdin(Piped),
}

/// What stdin held, once it has been read: it is read once, and the secret may be needed again.
#[derive(Clone, Debug, Default)]
pub struct Piped(Arc<OnceLock<Secret>>);

impl PartialEq for Piped {
    /// There is one stdin.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Piped {}

/// What is looked for there.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// As in "the client secret file".
    pub name: &'static str,
    /// Bytes. What is longer is something else.
    pub max: usize,
    pub readers: Readers,
}

/// A confidential client's secret.
pub const CLIENT_SECRET: Wanted = Wanted { name: "client secret", max: 4096, readers: Readers::Nobody };

/// Who else may read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody: what is in it is good for as long as nobody replaces it.
    Nobody,
    /// Anybody, but nobody else may write to it. Tokens expire, and who writes them decides who reads them: a kubelet
    /// makes its files 0644.
    Anybody,
}

/// How long a command, or who writes to stdin, has. It may have to ask a person for a passphrase, while others wait for the session.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What reading `source` may take.
pub fn longest(source: &Source) -> Duration {
    match source {
        Source::File(_) => Duration::ZERO,
        Source::Command(_) | Source::Stdin(_) => DEADLINE,
    }
}

/// Reads one line of text. One trailing line break is dropped, as editors and `echo` add one. A command that is still
/// running when this is dropped is killed.
///
/// # Errors
/// [`Kind::TimedOut`] for a command or a pipe that does not end, [`Kind::Usage`] where stdin is a terminal,
/// [`Kind::Config`] for all else.
pub async fn read(source: &Source, wanted: &Wanted) -> Result<Secret> {
    match source {
        Source::File(path) => read_line(path, wanted),
        Source::Command(argv) => {
            let bytes = from_command(argv, wanted, DEADLINE).await?;
            line(&bytes, wanted, &format!("the {} command `{}`", wanted.name, foreign(&argv.join(" "))))
        }
        Source::Stdin(piped) => {
            if let Some(secret) = piped.0.get() {
                return Ok(secret.clone());
            }
            let secret = line(&from_stdin(wanted, DEADLINE).await?, wanted, "stdin")?;
            Ok(piped.0.get_or_init(|| secret).clone())
        }
    }
}

/// What stdin holds, and one byte more than is wanted if it holds more.
async fn from_stdin(wanted: &Wanted, deadline: Duration) -> Result<Zeroizing<Vec<u8>>> {
    let name = wanted.name;
    if io::stdin().is_terminal() {
        // It would stay on the screen.
        return Err(Error::new(Kind::Usage, format!("stdin is a terminal, and a {name} does not belong there"))
            .hint(format!("pipe it: `PROGRAM | mdb-login …`, or put the {name} into a file that only you can read")));
    }
    let max = wanted.max + 1;
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(max));
        stdin()?.take(u64::try_from(max).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    });
    match tokio::time::timeout(deadline, reading).await.map(|read| read.unwrap_or_else(|error| Err(error.into()))) {
        Err(_) => {
            let seconds = deadline.as_secs();
            Err(Error::new(Kind::TimedOut, format!("the {name} did not come from stdin within {seconds} s"))
                .hint("whoever writes it there has to close it"))
        }
        Ok(Err(error)) => Err(Error::new(Kind::Config, format!("cannot read the {name} from stdin")).because(error)),
        Ok(Ok(bytes)) => Ok(bytes),
    }
}

/// Stdin without the standard library's buffer, which nobody overwrites.
#[cfg(unix)]
fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn stdin() -> io::Result<io::StdinLock<'static>> {
    Ok(io::stdin().lock())
}

/// As [`read`], from a file.
pub fn read_line(path: &Path, wanted: &Wanted) -> Result<Secret> {
    line(&read_file(path, wanted)?, wanted, &format!("the {} file `{}`", wanted.name, shown(path)))
}

fn line(bytes: &[u8], wanted: &Wanted, origin: &str) -> Result<Secret> {
    let bad = |why: &str| Error::new(Kind::Config, format!("{origin} {why}"));
    if bytes.len() > wanted.max {
        return Err(bad(&format!("gave more than {} bytes", wanted.max)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| bad("did not give text"))?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(bad(&format!("must give the {} and nothing else, on one line", wanted.name)));
    }
    Ok(Secret::new(line))
}

/// Reads a whole file.
///
/// # Errors
/// [`Kind::Config`] for what cannot be read, is no file, is open to more than [`Wanted::readers`], or is too long.
pub fn read_whole(path: &Path, wanted: &Wanted) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read_file(path, wanted)?;
    if bytes.len() > wanted.max {
        let what = format!("the {} file `{}` is longer than {} KiB", wanted.name, shown(path), wanted.max / 1024);
        return Err(Error::new(Kind::Config, what));
    }
    Ok(bytes)
}

/// Reads a file, and one byte more than is wanted if it is longer.
///
/// # Errors
/// [`Kind::Config`] for what cannot be read, is no file, or is open to more than [`Wanted::readers`].
fn read_file(path: &Path, wanted: &Wanted) -> Result<Zeroizing<Vec<u8>>> {
    let file = open(path, wanted)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(wanted.max + 1));
    let limit = u64::try_from(wanted.max + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(path, wanted, error))?;
    Ok(bytes)
}

/// That a file is there, and open to nobody that it must not be open to. It is not read.
///
/// # Errors
/// As [`read_line`].
pub fn check_file(path: &Path, wanted: &Wanted) -> Result<()> {
    open(path, wanted).map(drop)
}

fn unreadable(path: &Path, wanted: &Wanted, error: io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot read the {} file `{}`", wanted.name, shown(path))).because(error)
}

fn open(path: &Path, wanted: &Wanted) -> Result<File> {
    let (name, shown) = (wanted.name, shown(path));
    let failed = |error| unreadable(path, wanted, error);
    // What was opened is looked at, and not what the name says a moment before.
    let file = text_file::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Config, format!("the {name} file `{shown}` is not a file")));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let (loose, what, mode) = match wanted.readers {
            Readers::Nobody => (0o077, "can be read by others", "600"),
            Readers::Anybody => (0o022, "can be written by others", "go-w"),
        };
        if metadata.permissions().mode() & loose != 0 {
            return Err(Error::new(Kind::Config, format!("the {name} file `{shown}` {what}"))
                .hint(format!("run `chmod {mode} {}`", shell_quoted(&path.to_string_lossy()))));
        }
    }
    Ok(file)
}

fn shown(path: &Path) -> String {
    foreign(&path.display().to_string())
}

/// What the command prints, and one byte more than is wanted if it prints more.
async fn from_command(argv: &[String], wanted: &Wanted, deadline: Duration) -> Result<Zeroizing<Vec<u8>>> {
    let name = wanted.name;
    let shown = foreign(&argv.join(" "));
    let failed = || Error::new(Kind::Config, format!("the {name} command `{shown}` failed"));
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::new(Kind::Config, format!("the {name} command is empty")))?;
    let mut command = Command::new(program);
    // A password manager may ask for a passphrase: stdin and stderr stay the person's.
    command.args(arguments).stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    #[cfg(unix)]
    let own_group = !has_terminal();
    #[cfg(unix)]
    if own_group {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|error| failed().because(error))?;
    #[cfg(unix)]
    let group = Group(child.id().filter(|_| own_group));
    let mut bytes = Zeroizing::new(Vec::with_capacity(wanted.max + 1));
    let output = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(u64::try_from(wanted.max + 1).unwrap_or(u64::MAX)).read_to_end(&mut bytes).await?;
        }
        // One that goes on for ever is not waited for.
        if bytes.len() > wanted.max { Ok(None) } else { child.wait().await.map(Some) }
    };
    let Ok(status) = tokio::time::timeout(deadline, output).await else {
        let seconds = deadline.as_secs();
        return Err(Error::new(Kind::TimedOut, format!("the {name} command `{shown}` did not end within {seconds} s"))
            .because_of("it was killed")
            .hint(format!("it has to print the {name} and end; try it by itself at a terminal")));
    };
    let Some(status) = status.map_err(|error: io::Error| failed().because(error))? else { return Ok(bytes) };
    #[cfg(unix)]
    group.leave_alone();
    if !status.success() {
        return Err(failed().because_of(status.to_string()));
    }
    Ok(bytes)
}

/// Whether a person may be asked on a terminal. A command in a process group of its own would be stopped there as soon as
/// it asks; in ours it gets the person's Ctrl-C as well, and then only the command itself is killed, not what it started.
#[cfg(unix)]
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
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

    fn run(script: &str, deadline: Duration) -> Result<Zeroizing<Vec<u8>>> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wanted = Wanted { name: "token", max: 100, readers: Readers::Nobody };
        runtime.block_on(from_command(&argv, &wanted, deadline))
    }

    #[test]
    fn a_command_that_ends_gives_what_it_prints() {
        assert_eq!(run("printf s3cret", Duration::from_secs(10)).unwrap().as_slice(), b"s3cret");
        let error = run("printf s3cret; exit 3", Duration::from_secs(10)).unwrap_err();
        assert_eq!((error.kind(), error.causes()), (Kind::Config, &["exit status: 3".to_owned()][..]));
    }

    #[test]
    fn a_command_that_prints_without_an_end_is_not_waited_for() {
        let start = Instant::now();
        assert_eq!(run("yes", Duration::from_secs(10)).unwrap().len(), 101);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
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

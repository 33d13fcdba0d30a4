//! Opening the start link, and knowing when there is no browser that could.
//!
//! Only a link that this program made gets here. A provider's or server's URL never does: launchers pass their argument
//! through shells and option parsers, and that has been exploited again and again (CVE-2025-6514, CVE-2023-34233,
//! RUSTSEC-2026-0257).

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::settings::BrowserChoice;

/// A launcher that still runs after this has handed the link over, or is the browser itself.
const FAILURE_WINDOW: Duration = Duration::from_secs(1);

/// Why no browser was started. The link has been printed, so none of these ends a sign-in.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error("the browser command is empty")]
    Empty,
    #[error("`{0}` is in no directory of PATH")]
    NotFound(String),
    #[error("`{program}` could not be started")]
    Spawn { program: String, source: io::Error },
    #[error("`{program}` failed ({status})")]
    Exit { program: String, status: ExitStatus },
    #[error("the desktop has no program that opens links")]
    NoLauncher(#[source] Option<io::Error>),
    /// A link that did not come from the listener. A defect of ours, refused rather than launched.
    #[error("only a local link may be opened")]
    ForeignLink,
}

/// Opens `link` in the chosen browser, which stays when this program ends. Gives `false` if none is wanted.
///
/// Takes at most a second for each launcher that fails; one that keeps running counts as opened. Needs no runtime
/// threads: a launcher that hangs cannot hold up the end of the program.
pub async fn open(choice: &BrowserChoice, link: &str) -> Result<bool, BrowserError> {
    if !is_local(link) {
        return Err(BrowserError::ForeignLink);
    }
    let (report, opened) = oneshot::channel();
    let link = link.to_owned();
    match choice {
        BrowserChoice::None => return Ok(false),
        BrowserChoice::System => _ = thread::spawn(move || report.send(open_by_system(&link))),
        BrowserChoice::Command(argv) => {
            let mut command = command(argv, &link, env::var_os("PATH").as_deref())?;
            thread::spawn(move || report.send(launch(&mut command)));
        }
    }
    let result = opened.await.unwrap_or(Err(BrowserError::NoLauncher(None)));
    match &result {
        Ok(()) => tracing::debug!("browser started"),
        Err(error) => tracing::debug!(%error, "no browser started"),
    }
    result.map(|()| true)
}

/// The program that would open a link: found, and not started. `None` if none is wanted.
pub fn launcher(choice: &BrowserChoice) -> Result<Option<String>, BrowserError> {
    let path = env::var_os("PATH");
    let shown = |program: &Path| crate::ui::foreign(&program.to_string_lossy());
    match choice {
        BrowserChoice::None => Ok(None),
        BrowserChoice::Command(argv) => {
            let command = command(argv, "http://localhost:1/", path.as_deref())?;
            let program = Path::new(command.get_program());
            // A path is taken as it stands, and looked at when it is run.
            if is_executable(program) { Ok(Some(shown(program))) } else { Err(BrowserError::NotFound(shown(program))) }
        }
        #[cfg(not(any(windows, target_os = "macos")))]
        BrowserChoice::System => open::commands("http://localhost:1/")
            .iter()
            .find_map(|launcher| {
                find(launcher.get_program().to_str()?, path.as_deref()).filter(|file| is_executable(file))
            })
            .map(|file| Some(shown(&file)))
            .ok_or(BrowserError::NoLauncher(None)),
        #[cfg(any(windows, target_os = "macos"))]
        BrowserChoice::System => Ok(Some("the desktop".to_owned())),
    }
}

/// The listener's own links: loopback, and made of characters that no shell, option parser or URL parser treats
/// specially. The brackets are those of `[::1]`.
fn is_local(link: &str) -> bool {
    let local = ["http://localhost:", "http://127.0.0.1:", "http://[::1]:"];
    let rest = local.iter().find_map(|prefix| link.strip_prefix(prefix));
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/._-".contains(&byte)))
}

/// The desktop's own launchers in `open`'s order, each searched for in absolute directories only: `open` itself would
/// also run an `xdg-open` that lies in the current directory if PATH says so.
#[cfg(not(any(windows, target_os = "macos")))]
fn open_by_system(link: &str) -> Result<(), BrowserError> {
    let path = absolute_directories(env::var_os("PATH").as_deref());
    let mut first_failure = None;
    for mut launcher in open::commands(link) {
        // The launchers are scripts that start further programs, so they get the cleaned PATH too.
        match launch(launcher.env("PATH", &path)) {
            Ok(()) => return Ok(()),
            Err(failure @ BrowserError::Exit { .. }) => _ = first_failure.get_or_insert(failure),
            Err(_) => {}
        }
    }
    Err(first_failure.unwrap_or(BrowserError::NoLauncher(None)))
}

/// `/usr/bin/open` and ShellExecuteW: neither is searched for.
#[cfg(any(windows, target_os = "macos"))]
fn open_by_system(link: &str) -> Result<(), BrowserError> {
    open::that_detached_with_timeout(link, FAILURE_WINDOW).map_err(|error| BrowserError::NoLauncher(Some(error)))
}

/// The person's own browser command: no shell, the link as one argument or part of one.
fn command(argv: &[String], link: &str, path: Option<&OsStr>) -> Result<Command, BrowserError> {
    let (program, arguments) =
        argv.split_first().filter(|(program, _)| !program.is_empty()).ok_or(BrowserError::Empty)?;
    let found = find(program, path).ok_or_else(|| BrowserError::NotFound(crate::ui::foreign(program)))?;
    let mut command = Command::new(found);
    command.args(arguments.iter().map(|argument| argument.replace("%s", link)));
    if !arguments.iter().any(|argument| argument.contains("%s")) {
        command.arg(link);
    }
    Ok(command)
}

/// Starts a program that outlives us and gets nothing of our terminal, and watches it for a second.
fn launch(command: &mut Command) -> Result<(), BrowserError> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0); // Ctrl-C here must not close the person's browser
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt as _;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
    }
    let program = crate::ui::foreign(&command.get_program().to_string_lossy());
    // Chromium writes to its stdout; what it says must not get into ours, where a script expects a token.
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|source| BrowserError::Spawn { program: program.clone(), source })?;
    let deadline = Instant::now() + FAILURE_WINDOW;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(BrowserError::Exit { program, status }),
            // It has started; not being able to watch it is no reason to start another.
            Err(_) => return Ok(()),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
        }
    }
    Ok(())
}

/// Where a program is, as a shell would find it, except that directories which depend on where one stands (empty or
/// relative entries) are passed over: they let whoever owns that directory run a program of his own.
fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return Some(PathBuf::from(program));
    }
    let extensions: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat", ""] } else { &[""] };
    env::split_paths(&absolute_directories(path))
        .flat_map(|directory| extensions.iter().map(move |extension| directory.join(format!("{program}{extension}"))))
        .find(|file| is_executable(file))
}

/// PATH without its empty and relative entries. Never empty, because an empty PATH means the current directory.
fn absolute_directories(path: Option<&OsStr>) -> OsString {
    let entries = env::split_paths(path.unwrap_or_default()).filter(|entry| entry.is_absolute());
    match env::join_paths(entries) {
        Ok(path) if !path.is_empty() => path,
        _ => OsString::from("/usr/local/bin:/usr/bin:/bin"),
    }
}

fn is_executable(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    file.is_file()
}

#[cfg(test)]
#[cfg(unix)]
#[path = "browser_tests.rs"]
mod tests;

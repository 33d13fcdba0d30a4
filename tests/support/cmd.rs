//! The real program, run in an environment that has nothing of this machine's, and what came of it as one value.

mod render;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::idp::{CLIENT_ID, Idp};

pub use render::assert_text;

/// How long a command may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home of its own for the program: empty folders, an environment with the least in it, `MDB_LOGIN_STORE=file`.
///
/// Gone when dropped.
pub struct Sandbox {
    program: PathBuf,
    home: TempDir,
    environment: Vec<(OsString, OsString)>,
    hidden: Vec<(String, String)>,
}

/// How a command ended.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
    shown: String,
}

/// A command that is still going on.
pub struct Running {
    child: Child,
    started: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    lines: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    hidden: Vec<(String, String)>,
}

impl Sandbox {
    /// A sandbox that knows of no provider.
    pub fn new() -> Self {
        Self::of(program())
    }

    /// A sandbox for another program than the one under test.
    pub fn of(program: PathBuf) -> Self {
        let home = tempfile::Builder::new().prefix("mdb-login-test-").tempdir().unwrap();
        // Paths are compared as text, and macOS has a symbolic link in front of its temporary folder.
        let root = home.path().canonicalize().unwrap();
        let mut sandbox = Self { program, environment: Vec::new(), hidden: Vec::new(), home };
        sandbox.hide(&root.to_string_lossy(), "[HOME]");
        sandbox.env("HOME", &root).env("USERPROFILE", &root);
        for (name, folder) in [
            ("XDG_CONFIG_HOME", "xdg-config"),
            ("XDG_STATE_HOME", "xdg-state"),
            ("XDG_CACHE_HOME", "xdg-cache"),
            ("XDG_DATA_HOME", "xdg-data"),
            ("XDG_RUNTIME_DIR", "xdg-runtime"),
            ("APPDATA", "appdata"),
            ("LOCALAPPDATA", "localappdata"),
            ("MDB_LOGIN_CONFIG_DIR", "config"),
            ("MDB_LOGIN_STATE_DIR", "state"),
        ] {
            let folder = root.join(folder);
            std::fs::create_dir(&folder).unwrap();
            private(&folder);
            sandbox.env(name, folder);
        }
        for kept in ["PATH", "SystemRoot", "TMPDIR", "TEMP", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                sandbox.env(kept, value);
            }
        }
        sandbox.env("LANG", "C.UTF-8").env("MDB_LOGIN_STORE", "file").env("MDB_LOGIN_BROWSER", "none");
        sandbox
    }

    /// A sandbox set up for a provider through the environment, with any free port for the redirect: the usual one
    /// cannot be shared by tests that run at the same time.
    pub fn with(idp: &Idp) -> Self {
        let mut sandbox = Self::new();
        sandbox.hide(idp.issuer(), "[ISSUER]");
        sandbox
            .env("MDB_LOGIN_ISSUER", idp.issuer())
            .env("MDB_LOGIN_CLIENT_ID", CLIENT_ID)
            .env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
        sandbox
    }

    /// Runs another program from now on.
    pub fn use_program(&mut self, program: PathBuf) -> &mut Self {
        self.program = program;
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.unset(name.as_ref());
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.retain(|(known, _)| known != name.as_ref());
        self
    }

    /// Shows `text` as `placeholder` in what is compared.
    pub fn hide(&mut self, text: &str, placeholder: &str) -> &mut Self {
        self.hidden.push((text.to_owned(), placeholder.to_owned()));
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn config_dir(&self) -> PathBuf {
        self.folder("MDB_LOGIN_CONFIG_DIR")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder("MDB_LOGIN_STATE_DIR")
    }

    fn folder(&self, variable: &str) -> PathBuf {
        let set = self.environment.iter().find(|(name, _)| name == variable);
        PathBuf::from(&set.unwrap_or_else(|| panic!("`{variable}` is not set")).1)
    }

    /// Writes `config.toml`, as private as the program wants it.
    pub fn write_config(&self, text: &str) -> PathBuf {
        let path = self.config_dir().join("config.toml");
        std::fs::write(&path, text).unwrap();
        private(&path);
        path
    }

    /// Runs the program to its end, with nothing on stdin.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.spawn(arguments).wait()
    }

    /// Runs the program to its end, with `input` on stdin.
    pub fn run_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> Outcome {
        self.start(self.command(arguments).stdin(Stdio::piped()), Some(input)).wait()
    }

    /// Starts the program.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        self.start(self.command(arguments).stdin(Stdio::null()), None)
    }

    /// Starts the program, with somebody else's end of a pipe as its stdin.
    pub fn spawn_with<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        stdin: impl Into<Stdio>,
    ) -> Running {
        self.start(self.command(arguments).stdin(stdin), None)
    }

    /// The program in this sandbox, for tests that need more say in how it is started.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.tool(&self.program);
        command.args(arguments);
        command
    }

    /// Another program in this sandbox, with nothing on stdin.
    pub fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.home()).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a terminal has shown, with what differs from run to run replaced, as [`Outcome::text`] has it.
    pub fn shown(&self, status: ExitStatus, screen: &str) -> String {
        render::render_screen(status, screen, &self.hidden)
    }

    fn start(&self, command: &mut Command, input: Option<&[u8]>) -> Running {
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `{}`: {error}", self.program.display()));
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // A program that ends without reading its input is no failure of the test's.
            let _ = stdin.write_all(input);
        }
        let mut stdout = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        });
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while matches!(stderr.read_until(b'\n', &mut line), Ok(1..)) {
                if send.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Running { child, started, stdout: Some(stdout), lines, seen: Vec::new(), hidden: self.hidden.clone() }
    }

    /// The names of the sessions that have been used here, signed out or not: each has a lock file, which stays.
    pub fn session_ids(&self) -> Vec<String> {
        let state_dir = self.environment.iter().find(|(name, _)| name == "MDB_LOGIN_STATE_DIR");
        let Some((_, folder)) = state_dir else { return Vec::new() };
        let entries = std::fs::read_dir(Path::new(folder).join("sessions")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".lock")?.split('.').next().map(str::to_owned)).collect()
    }

    /// Every file below the sandbox's folders with its bytes, for tests that look for what must not be there.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.home().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found
    }

    /// The files below the sandbox's folders whose bytes contain `needle`.
    pub fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        assert!(!needle.is_empty());
        let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        self.files().into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
    }
}

/// What is in the kernel keyring outlives the folder, and a person's keyring has room for some twenty sessions.
#[cfg(target_os = "linux")]
impl Drop for Sandbox {
    fn drop(&mut self) {
        for (_, key) in self.session_ids().iter().flat_map(|id| kernel_keys(id)) {
            let _ = key.invalidate();
        }
    }
}

/// The key of the Linux kernel keyring that holds a session's access token, if there is one.
#[cfg(target_os = "linux")]
pub fn kernel_key(session_id: &str) -> Option<linux_keyutils::Key> {
    let access = format!("mdb-login:{session_id}:access");
    kernel_keys(session_id).into_iter().find(|(description, _)| *description == access).map(|(_, key)| key)
}

/// Every key of the Linux kernel keyring that is of this session, with its description.
#[cfg(target_os = "linux")]
pub fn kernel_keys(session_id: &str) -> Vec<(String, linux_keyutils::Key)> {
    use linux_keyutils::{KeyRing, KeyRingIdentifier};
    /// More keys than a user has; the library trusts the kernel to stay below.
    const KEYS_MAX: usize = 100_000;
    let ring = KeyRing::from_special_id(KeyRingIdentifier::User, false);
    let Ok(links) = ring.and_then(|ring| ring.get_links(KEYS_MAX)) else { return Vec::new() };
    let keys = links.iter().filter_map(|link| {
        let key = link.as_key()?;
        Some((key.metadata().ok()?.get_description().to_owned(), key))
    });
    let own = format!("mdb-login:{session_id}:");
    keys.filter(|(description, _)| description.starts_with(&own)).collect()
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stderr without its end, `None` when there are no more.
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.extend_from_slice(&line);
                Some(String::from_utf8_lossy(&line).trim_end().to_owned())
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.stop();
                panic!("nothing more for a minute; stderr:\n{}", String::from_utf8_lossy(&self.seen));
            }
        }
    }

    /// Waits for a line on stderr that contains `part`, and gives it without its end.
    pub fn line_with(&mut self, part: &str) -> String {
        self.find(&format!("line with `{part}`"), |line| line.contains(part).then(|| line.trim_end().to_owned()))
    }

    /// Waits for a line on stderr in which `find` finds something, and gives that.
    pub fn find<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.extend_from_slice(&line);
                    if let Some(found) = find(&String::from_utf8_lossy(&line)) {
                        return found;
                    }
                }
                Err(why) => {
                    let why = if why == RecvTimeoutError::Timeout { "time is up" } else { "stderr has ended" };
                    self.stop();
                    panic!("no {what}, {why}; stderr:\n{}", String::from_utf8_lossy(&self.seen));
                }
            }
        }
    }

    /// The local URL that a sign-in shows for the browser.
    pub fn start_url(&mut self) -> String {
        self.find("start URL", start_url)
    }

    /// Sends SIGINT, as Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the program has a say in what this signal does: one that comes before ends it as it ends any program.
    #[cfg(unix)]
    #[track_caller]
    pub fn wait_until_it_catches(&self, signal: rustix::process::Signal) {
        if !cfg!(target_os = "linux") {
            // Nobody tells; long enough for a machine that is not overbooked.
            return std::thread::sleep(Duration::from_millis(700));
        }
        let deadline = Instant::now() + PATIENCE;
        while self.caught() >> (signal.as_raw() - 1) & 1 == 0 {
            assert!(Instant::now() < deadline, "{signal:?} was not caught within a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The signals for which the process has handlers, as a bit mask; the lowest bit is for signal 1.
    #[cfg(unix)]
    fn caught(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end, which must come within a minute.
    pub fn wait(mut self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.stop();
                self.seen.extend(self.lines.iter().flatten());
                panic!("the program did not end; stderr:\n{}", String::from_utf8_lossy(&self.seen));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.started.elapsed();
        let stdout = self.stdout.take().map(|thread| thread.join().unwrap()).unwrap_or_default();
        self.seen.extend(self.lines.iter().flatten());
        let stderr = std::mem::take(&mut self.seen);
        let shown = render::render(status, &stdout, &stderr, &self.hidden);
        Outcome { status, stdout, stderr, took, shown }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A test that fails half-way must not leave a program behind that waits for five minutes.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Outcome {
    /// The exit code; a death by signal has none.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Status, stdout and stderr as one text, with what differs from run to run replaced: paths, the issuer, ports,
    /// random names, tokens.
    pub fn text(&self) -> &str {
        &self.shown
    }

    /// Compares [`Outcome::text`] with `expected`, indentation and surrounding empty lines aside.
    #[track_caller]
    pub fn is(&self, expected: &str) {
        assert_text(&self.shown, expected);
    }

    /// Fails, showing everything, unless the exit code is this.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code() == Some(code), "expected exit code {code}, got:\n{}", self.shown);
        self
    }

    /// Fails, showing everything, unless stderr says this, whatever its case.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let said = self.stderr().to_lowercase().contains(&words.to_lowercase());
        assert!(said, "stderr does not say `{words}`:\n{}", self.shown);
        self
    }

    /// Fails, showing everything, if the command took longer.
    #[track_caller]
    pub fn within(self, limit: Duration) -> Self {
        assert!(self.took <= limit, "took {:?}, more than {limit:?}:\n{}", self.took, self.shown);
        self
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The local URL for the browser in what a sign-in shows.
pub fn start_url(text: &str) -> Option<String> {
    let word = text.split(|c: char| c.is_whitespace() || c.is_control()).find(|word| word.contains("/start/"))?;
    let end = |c: char| !(c.is_ascii_alphanumeric() || ":/._-[]".contains(c));
    word[word.find("http://")?..].split(end).next().map(|url| url.trim_end_matches('.').to_owned())
}

/// The program under test: what cargo has built for this test, or what lies beside this example.
pub fn program() -> PathBuf {
    option_env!("CARGO_BIN_EXE_mdb-login").map_or_else(beside_this_example, PathBuf::from)
}

/// `target/PROFILE/mdb-login`, for a program that runs from `target/PROFILE/examples/`.
pub fn beside_this_example() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    folder.join(format!("mdb-login{}", std::env::consts::EXE_SUFFIX))
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn private(_path: &Path) {}

//! An isolated home folder, and the real binary run in it with nothing else in its environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::peers::Provider;

const PATIENCE: Duration = Duration::from_secs(20);

/// A person's account on a machine: folders of its own, an environment of its own.
pub struct Home {
    folder: tempfile::TempDir,
    environment: BTreeMap<OsString, OsString>,
}

impl Home {
    /// An empty home that knows no provider. Nothing of the tester's own session reaches the binary.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mdb-login-real-").tempdir().unwrap();
        let mut home = Self { folder, environment: BTreeMap::new() };
        // Windows programs cannot open a socket without SystemRoot.
        for inherited in ["PATH", "SystemRoot"] {
            if let Some(value) = std::env::var_os(inherited) {
                home.environment.insert(inherited.into(), value);
            }
        }
        for (variable, below) in [
            ("HOME", ""),
            ("USERPROFILE", ""),
            ("APPDATA", "AppData"),
            ("LOCALAPPDATA", "LocalAppData"),
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_CACHE_HOME", ".cache"),
            ("XDG_RUNTIME_DIR", "run"),
            ("MDB_LOGIN_CONFIG_DIR", "config"),
            ("MDB_LOGIN_STATE_DIR", "state"),
        ] {
            let path = home.folder.path().join(below);
            std::fs::create_dir_all(&path).unwrap();
            home.environment.insert(variable.into(), path.into());
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(home.folder.path().join("run"), private).unwrap();
        }
        home
    }

    /// A home set up, through the environment alone, to sign in at `provider`, with the session in a file.
    pub fn at(provider: &Provider) -> Self {
        Self::new()
            .with("MDB_LOGIN_ISSUER", &provider.issuer)
            .with("MDB_LOGIN_CLIENT_ID", &provider.client_id)
            .with("MDB_LOGIN_AUDIENCE", &provider.resource)
            .with("MDB_LOGIN_RESOURCE", &provider.resource)
            // Without it the provider must ignore `offline_access` (OIDC Core §11).
            .with("MDB_LOGIN_AUTH_PARAM", "prompt=consent")
            .with("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect")
            .with("MDB_LOGIN_BROWSER", "none")
            .with("MDB_LOGIN_STORE", "file")
    }

    /// The same home with one more variable.
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.into(), value.as_ref().into());
        self
    }

    /// The same home without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(OsStr::new(name));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command with this home's environment and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment).current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// Runs `mdb-login` to its end; a run of more than 20 s is a failure.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = self.command(binary());
        command.args(arguments);
        Running::spawn(command).finish()
    }

    /// Starts `mdb-login` and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(binary());
        command.args(arguments);
        Running::spawn(command)
    }

    /// Every regular file below the home, with its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    walk(&entry.path(), found);
                } else if kind.is_file() {
                    found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder(), &mut found);
        found
    }

    /// The files below the home whose bytes contain `needle`.
    pub fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        assert!(!needle.is_empty());
        let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        self.files().into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
    }
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_mdb-login")
}

/// How a run ended.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Answer {
    /// Asserts the exit code, and shows the whole answer when it is another one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Asserts that the error stream says `words`, whatever their case.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.to_lowercase().contains(&words.to_lowercase()), "does not say `{words}`: {self:?}");
        self
    }

    /// Asserts that the run took at most `limit`.
    #[track_caller]
    pub fn within(self, limit: Duration) -> Self {
        assert!(self.took <= limit, "took longer than {limit:?}: {self:?}");
        self
    }
}

impl Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, took } = self;
        write!(f, "exit {code:?} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// A run that goes on, its error stream read line by line.
pub struct Running {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
    stdout: Receiver<String>,
    seen: String,
}

impl Running {
    fn spawn(mut command: Command) -> Self {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line_sender, lines) = channel();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if line_sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let (stdout_sender, stdout) = channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).ok();
            stdout_sender.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
        });
        Self { child, started, lines, stdout, seen: String::new() }
    }

    /// The first thing on the error stream that `find` makes out in a line, within 10 s.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push_str(&line);
            if let Some(found) = find(&line) {
                return found;
            }
        }
        panic!("{what} never came; the error stream so far:\n{}", self.seen);
    }

    /// The short local URL that a browser is to open.
    #[track_caller]
    pub fn start_url(&mut self) -> String {
        self.wait_for("a start URL", start_url)
    }

    /// Sends SIGINT, as Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Waits for the end, at most 20 s.
    #[track_caller]
    pub fn finish(mut self) -> Answer {
        let Some(status) = wait(&mut self.child, PATIENCE) else {
            self.seen.extend(self.lines.try_iter());
            panic!("still running after {PATIENCE:?}; the error stream so far:\n{}", self.seen);
        };
        let took = self.started.elapsed();
        self.seen.extend(self.lines.iter());
        let stdout = self.stdout.recv().unwrap();
        Answer { code: status.code(), stdout, stderr: std::mem::take(&mut self.seen), took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for `child`, at most `limit`; past it the child is killed and there is no status.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().ok();
            child.wait().ok();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The URL in `text` that a browser is to open: on the redirect's host, yet not the redirect URI itself.
pub fn start_url(text: &str) -> Option<String> {
    text.match_indices("http://localhost:").find_map(|(at, _)| {
        let url: String = text[at..].chars().take_while(|c| !c.is_whitespace() && !c.is_control()).collect();
        let path = url.splitn(4, '/').nth(3)?.to_owned();
        (!path.is_empty() && !path.starts_with("redirect")).then_some(url)
    })
}

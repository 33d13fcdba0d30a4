//! The binary on a pseudo-terminal of 80 columns, through script(1), which every Debian system has.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::bus::wait;
use crate::support::cmd::{Sandbox, program, start_url};

/// What a terminal sends when Ctrl-C is pressed.
pub const CTRL_C: &[u8] = b"\x03";

pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    output: Arc<(Mutex<Vec<u8>>, Condvar)>,
}

impl Terminal {
    /// Starts `mdb-login` with these arguments on a terminal of its own.
    pub fn start(home: &Sandbox, arguments: &[&str]) -> Self {
        let program = program();
        let line =
            shlex::try_join(std::iter::once(program.to_str().unwrap()).chain(arguments.iter().copied())).unwrap();
        Self::run(home, &line)
    }

    /// Starts a program on a terminal of its own: words for a shell.
    pub fn run(home: &Sandbox, line: &str) -> Self {
        let mut child = home
            .tool("script")
            .args(["--quiet", "--return", "--flush", "--command"])
            .arg(format!("stty cols 80 rows 24; exec {line}"))
            .arg("/dev/null")
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script starts");
        let keyboard = child.stdin.take().unwrap();
        let output = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let mut screen = child.stdout.take().unwrap();
        let shared = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut chunk) {
                shared.0.lock().unwrap().extend_from_slice(&chunk[..read]);
                shared.1.notify_all();
            }
        });
        Self { child, keyboard, output }
    }

    /// Everything written so far, control sequences included.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.output.0.lock().unwrap()).into_owned()
    }

    /// Waits, at most 10 s, until `find` makes something out in all that was written.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(10);
        let (bytes, changed) = &*self.output;
        let mut guard = bytes.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&guard).into_owned();
            if let Some(found) = find(&text) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} never came; the terminal so far:\n{text}");
            guard = changed.wait_timeout(guard, left).unwrap().0;
        }
    }

    #[track_caller]
    pub fn start_url(&self) -> String {
        self.wait_for("a start URL", start_url)
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits for the end: the exit code, how long it took from now, and everything that was written.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> (i32, Duration, String) {
        let since = Instant::now();
        let Some(status) = wait(&mut self.child, limit) else {
            panic!("still running after {limit:?}; the terminal so far:\n{}", self.written());
        };
        let took = since.elapsed();
        // The reader may be a moment behind the end of the process.
        std::thread::sleep(Duration::from_millis(50));
        (status.code().unwrap(), took, self.written())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

//! The program at a pseudo-terminal: stdin and stderr are one, as for a person. stdout is not looked at.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::cmd::Sandbox;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<(Mutex<String>, Condvar)>,
    /// How much of the screen has been waited for.
    seen: usize,
}

impl Terminal {
    pub fn start<A: AsRef<OsStr>>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = A>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let line = || Stdio::from(File::options().read(true).write(true).open(&path).unwrap());
        let child = sandbox.command(arguments).stdin(line()).stderr(line()).stdout(Stdio::null()).spawn().unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let shared = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // Ends with an error when the program has closed its side.
            while let Ok(read @ 1..) = output.read(&mut chunk) {
                shared.0.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
                shared.1.notify_all();
            }
        });
        Self { child, keyboard, screen, seen: 0 }
    }

    /// Waits for `words` to appear after what was waited for last, and gives all that was written up to there since.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (text, changed) = &*self.screen;
        let mut text = text.lock().unwrap();
        loop {
            if let Some(at) = text[self.seen..].find(words) {
                let end = self.seen + at + words.len();
                let found = text[self.seen..end].to_owned();
                self.seen = end;
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "`{words}` never came; the terminal so far:\n{text}");
            text = changed.wait_timeout(text, left).unwrap().0;
        }
    }

    pub fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Ctrl-D at the beginning of a line: there is no more input.
    pub fn end_input(&mut self) {
        self.keyboard.write_all(b"\x04").unwrap();
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::INT)
            .unwrap();
    }

    /// Waits for the end, within a minute: the exit code, and everything that was written.
    #[track_caller]
    pub fn wait(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running; the terminal so far:\n{}", self.written());
            std::thread::sleep(Duration::from_millis(5));
        };
        // The reader may be a moment behind.
        std::thread::sleep(Duration::from_millis(50));
        (status.code(), self.written())
    }

    pub fn written(&self) -> String {
        self.screen.0.lock().unwrap().clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The program: it has the terminal, the signals and the exit code, and we stand behind it.
//!
//! It runs in our process group, so the terminal's signals reach it as they would without us. We outlive it in every
//! case but `kill -9`, since what it reads its tokens from is ours.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, ExitCode};

use super::Plan;
use crate::error::{Error, Kind, Result};
use crate::ui::foreign;

/// Runs the program with these variables beside its inherited ones. Its exit code, or 128 + n for a signal n.
pub async fn run(plan: &Plan, variables: Vec<(OsString, OsString)>) -> Result<ExitCode> {
    // Before there is a child, or a signal in between would end us alone.
    let signals = sys::Signals::catch()?;
    let child = start(plan, variables)?;
    sys::wait(child, signals)
        .await
        .map_err(|error| Error::new(Kind::Failed, "lost sight of the program").because(error))
}

fn start(plan: &Plan, variables: Vec<(OsString, OsString)>) -> Result<Child> {
    Command::new(&plan.program).args(&plan.args).envs(variables).spawn().map_err(|error| {
        let program = foreign(&plan.program.to_string_lossy());
        let is_path = std::path::Path::new(&plan.program).components().count() > 1;
        match error.kind() {
            io::ErrorKind::NotFound if is_path => {
                Error::new(Kind::NotFound, format!("`{program}` is not there, or not what its first line asks for"))
            }
            io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no program `{program}` in `PATH`")),
            _ => Error::new(Kind::CannotStart, format!("cannot run `{program}`")).because(error),
        }
    })
}

/// The code of a process's end as our own, which has eight bits.
fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(unix)]
mod sys {
    use std::fs::File;
    use std::io;
    use std::process::{Child, ExitCode};
    use std::time::Duration;

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, waitid};
    use tokio::signal::unix::{SignalKind, signal};

    use super::exit_code;
    use crate::error::{Error, Kind, Result};
    use crate::signals::Caught;

    /// How long a child that has stopped is looked at before we stop, too: `fg` continues all of a job, but not in the
    /// same moment, and a child that goes on already must not take us down again.
    const SETTLE: Duration = Duration::from_millis(20);
    /// How long a signal is kept before it is passed on. timeout(1) and service managers send it to all of the group, many
    /// programs break off at the second one, and nothing tells whether the child has its own already: one that ends at it
    /// does so in this time.
    const ECHO: Duration = Duration::from_millis(100);

    /// What would end us, and news of the child.
    pub struct Signals {
        /// Even if it was ignored: without it nobody would tell us of the end.
        child: tokio::signal::unix::Signal,
        interrupt: Caught,
        quit: Caught,
        terminate: Caught,
        hangup: Caught,
        has_terminal: bool,
    }

    impl Signals {
        pub fn catch() -> Result<Self> {
            Ok(Self {
                child: signal(SignalKind::child())
                    .map_err(|error| Error::new(Kind::Failed, "cannot handle signals").because(error))?,
                interrupt: Caught::new(SignalKind::interrupt())?,
                quit: Caught::new(SignalKind::quit())?,
                terminate: Caught::new(SignalKind::terminate())?,
                hangup: Caught::new(SignalKind::hangup())?,
                has_terminal: File::open("/dev/tty").is_ok(),
            })
        }

        /// The next signal that was meant for the child and came to us alone; `None` if there is news of the child.
        async fn next(&mut self) -> Option<Signal> {
            loop {
                tokio::select! {
                    _ = self.child.recv() => return None,
                    () = self.terminate.arrival() => return Some(Signal::TERM),
                    () = self.hangup.arrival() => return Some(Signal::HUP),
                    // The keyboard's go to all of a job. Without a terminal, somebody has sent them to us.
                    () = self.interrupt.arrival() => if !self.has_terminal { return Some(Signal::INT) },
                    () = self.quit.arrival() => if !self.has_terminal { return Some(Signal::QUIT) },
                }
            }
        }
    }

    /// Waits for the child's end, stops when it stops, and passes on what was sent to us alone.
    pub async fn wait(child: Child, mut signals: Signals) -> io::Result<ExitCode> {
        // Not reaped before `look` has seen its end, so the number stays its own.
        let pid = Pid::from_child(&child);
        loop {
            match look(pid)? {
                Some(State::Ended(code)) => return Ok(code),
                Some(State::Suspended) => {
                    tokio::time::sleep(SETTLE).await;
                    if matches!(look(pid)?, Some(State::Suspended)) {
                        // A shell in the terminal watches us, not the program that has stopped itself (as mongosh does
                        // at Ctrl-Z), and would wait for ever. `fg` continues both.
                        kill_process(getpid(), Signal::TSTP)?;
                    }
                }
                None => {}
            }
            if let Some(number) = signals.next().await {
                tokio::time::sleep(ECHO).await;
                // Nothing comes of it if the child has ended, since it has not been reaped. One that has become another
                // user (sudo, a setuid program) takes no signals from us, and is waited for all the same.
                if let Err(error) = kill_process(pid, number) {
                    tracing::info!(%error, signal = number.as_raw(), "the program could not be sent a signal");
                }
            }
        }
    }

    enum State {
        Ended(ExitCode),
        /// By Ctrl-Z or its like. Who is stopped by SIGSTOP is left to whoever did that.
        Suspended,
    }

    /// What the child has come to; a state stays until it changes. `None` while it runs.
    fn look(pid: Pid) -> io::Result<Option<State>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status: Option<WaitIdStatus> = waitid(WaitId::Pid(pid), options)?;
        let Some(status) = status else { return Ok(None) };
        if let Some(code) = status.exit_status() {
            return Ok(Some(State::Ended(exit_code(code))));
        }
        if let Some(number) = status.terminating_signal() {
            return Ok(Some(State::Ended(exit_code(128 + number))));
        }
        let suspended = status.stopping_signal().is_some_and(|number| number == Signal::TSTP.as_raw());
        Ok(suspended.then_some(State::Suspended))
    }
}

#[cfg(not(unix))]
mod sys {
    use std::io;
    use std::process::{Child, ExitCode};

    use super::exit_code;
    use crate::error::{Error, Kind, Result};

    /// Ctrl-C reaches every process of a console; this one leaves it to the program.
    pub struct Signals {
        _ctrl_c: tokio::signal::windows::CtrlC,
    }

    impl Signals {
        pub fn catch() -> Result<Self> {
            let failed = |error| Error::new(Kind::Failed, "cannot handle Ctrl-C").because(error);
            Ok(Self { _ctrl_c: tokio::signal::windows::ctrl_c().map_err(failed)? })
        }
    }

    pub async fn wait(mut child: Child, _signals: Signals) -> io::Result<ExitCode> {
        let status = tokio::task::spawn_blocking(move || child.wait()).await.map_err(io::Error::other)??;
        Ok(exit_code(status.code().unwrap_or(1)))
    }
}

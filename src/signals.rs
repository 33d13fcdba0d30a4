//! Ctrl-C and its kin: they end a wait at once, or wait until a commit is done, or are left to the program that `exec`
//! runs.

use crate::error::{Error, Kind, Result};

/// Resolves when the person or the system asks us to stop. Needs a running runtime.
pub async fn interrupted() -> Error {
    match Held::new() {
        Ok(mut held) => {
            held.arrival().await;
            stopped()
        }
        Err(error) => error,
    }
}

fn stopped() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
}

/// While this value lives, SIGINT, SIGTERM and SIGHUP are noted instead of ending the process.
pub struct Held {
    #[cfg(unix)]
    signals: [Caught; 3],
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Held {
    pub fn new() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::SignalKind;
            Ok(Self {
                signals: [
                    Caught::new(SignalKind::interrupt())?,
                    Caught::new(SignalKind::terminate())?,
                    Caught::new(SignalKind::hangup())?,
                ],
            })
        }
        #[cfg(windows)]
        {
            let failed = |error| Error::new(Kind::Failed, "cannot handle Ctrl-C").because(error);
            Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c().map_err(failed)? })
        }
    }

    /// Ends the hold: an error if a signal arrived meanwhile. What was committed stays committed.
    pub async fn release(mut self) -> Result<()> {
        match tokio::time::timeout(std::time::Duration::ZERO, self.arrival()).await {
            Ok(()) => Err(stopped()),
            Err(_) => Ok(()),
        }
    }

    async fn arrival(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate, hangup] = &mut self.signals;
            tokio::select! {
                () = interrupt.arrival() => {}
                () = terminate.arrival() => {}
                () = hangup.arrival() => {}
            }
        }
        #[cfg(windows)]
        let _ = self.ctrl_c.recv().await;
    }
}

/// A signal that is noted from now on, for the rest of the process. One that was ignored when we were started (by
/// `nohup`, or for a job in the background of a script) stays ignored, by us and by what we start, and never arrives.
#[cfg(unix)]
pub struct Caught(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Caught {
    pub fn new(kind: tokio::signal::unix::SignalKind) -> Result<Self> {
        // The lowest bit is for signal 1.
        let is_ignored = ignored() >> (kind.as_raw_value() - 1) & 1 == 1;
        let caught = if is_ignored { Ok(None) } else { tokio::signal::unix::signal(kind).map(Some) };
        caught.map(Self).map_err(|error| Error::new(Kind::Failed, "cannot handle signals").because(error))
    }

    /// Resolves when the signal has come.
    pub async fn arrival(&mut self) {
        match &mut self.0 {
            Some(signal) => _ = signal.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// The signals that were ignored before we caught any, as a bit mask. Linux alone tells without `unsafe`.
#[cfg(unix)]
fn ignored() -> u64 {
    static MASK: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *MASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    })
}

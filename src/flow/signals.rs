//! Ctrl-C and its kin: either they end a wait at once, or they wait until a commit is done.

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
    signals: [tokio::signal::unix::Signal; 3],
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Held {
    pub fn new() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let on =
                |kind| signal(kind).map_err(|error| Error::new(Kind::Failed, "cannot handle signals").because(error));
            Ok(Self {
                signals: [on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?],
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
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        #[cfg(windows)]
        let _ = self.ctrl_c.recv().await;
    }
}

//! What a person types while we wait for something else.

use std::io::BufRead as _;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The keyboard of one command. There must be no second one: nothing can take a blocked read of stdin back, so its
/// thread would go on reading, and take the line that answers a later question.
#[derive(Default)]
pub struct Keyboard {
    lines: Option<UnboundedReceiver<String>>,
}

impl Keyboard {
    /// To be called just before a question is shown: what was typed until now is no answer to it. Reading begins with the
    /// first question and not before, because a job in the background that reads its terminal is stopped by the system.
    ///
    /// Whole lines: no raw mode, so there is no terminal to restore, however we end.
    pub fn ask(&mut self) {
        match &mut self.lines {
            Some(lines) => while lines.try_recv().is_ok() {},
            None => self.lines = Some(read()),
        }
    }

    /// The next line; `None` when the input has ended. Waits for ever where nothing was asked. Cancel-safe.
    pub async fn line(&mut self) -> Option<String> {
        match &mut self.lines {
            Some(lines) => lines.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// A thread of its own reads, and ends with the process.
fn read() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

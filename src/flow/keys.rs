//! What a person types while we wait for something else.

use std::io::BufRead as _;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The lines typed from now on. Whole lines: no raw mode, so there is no terminal to restore, however we end.
///
/// A thread of its own reads, because nothing can take a blocked read of stdin back; it ends with the process. Ask only
/// when a question is on the screen: a job in the background that reads its terminal is stopped by the system.
pub fn lines() -> UnboundedReceiver<String> {
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

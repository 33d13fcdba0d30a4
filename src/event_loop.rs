//! The event loop of everything that waits: built where there is something to wait for, and nowhere else.

use crate::error::{Error, Kind, Result};

/// Runs everything that waits. One thread: nothing here computes, and starting more costs half a millisecond.
///
/// Does not wait for what the future has left behind: the system's name resolution cannot be taken back, and may go on
/// for many seconds after a Ctrl-C or a deadline.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Failed, "cannot start the event loop").because(error))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(result)
}

//! The rows of a table at the same time: most of them spend their time waiting.

use std::sync::Mutex;
use std::thread;

/// How many rows run at once, each with a provider and a process or two.
const AT_ONCE: usize = 8;

/// Runs `test` on each row. A row that fails does not keep the others from running.
pub fn each<T: Send>(rows: impl IntoIterator<Item = T, IntoIter: Send>, test: impl Fn(T) + Sync) {
    let rows = Mutex::new(rows.into_iter());
    let next = || rows.lock().unwrap().next();
    let failed = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = next() {
                    let run = std::panic::AssertUnwindSafe(|| test(row));
                    if std::panic::catch_unwind(run).is_err() {
                        *failed.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed == 0, "{failed} rows failed, see above");
}

#[test]
fn a_row_that_fails_fails_the_table() {
    let seen = Mutex::new(Vec::new());
    let table = || {
        each(0..20, |row| {
            seen.lock().unwrap().push(row);
            assert!(row != 7 && row != 9, "as meant");
        });
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(table)).is_err());
    assert_eq!(seen.into_inner().unwrap().len(), 20);
}

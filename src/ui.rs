//! The two streams and their rules.
//!
//! - stdout is data: what a script asked for, and nothing else. When `token` fails it stays empty.
//! - stderr is for people: `error: …`, `  caused by: …`, `hint: …`, `warning: …`, lower-case and without a full stop,
//!   exactly as clap prints its own. Notes are silent under `--quiet`.
//! - Text that somebody else wrote (provider, server, file, environment) passes [`foreign`] first.
//! - Nothing moves unless stderr is a terminal.
//! - Pages for people to look at are laid out in [`report`]; [`keyboard`] reads what they type meanwhile.

pub mod keyboard;
pub mod report;

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};

/// Who is watching, and how they want to be spoken to. Made once, in `main`.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// `--json`: errors and results as objects.
    pub json: bool,
    /// `--quiet`: no notes, only warnings and errors.
    pub quiet: bool,
    /// `--no-input`: nobody may be asked anything.
    pub no_input: bool,
}

impl Ui {
    /// Whether a person can read stderr as it is written.
    pub fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether a person can be asked something: both ends of the conversation are a terminal, and `--no-input` is off.
    pub fn can_ask(&self) -> bool {
        !self.no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    pub fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes data to stdout, byte for byte.
    ///
    /// A reader that has gone away (`| head`) is not our failure; a full disk or a closed stdout is.
    pub fn data(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::new(Kind::Failed, "cannot write to stdout").because(error))
            }
            _ => Ok(()),
        }
    }

    /// Prints a result of `--json`, one object on one line. Its fields are a promise: `docs/json` has each of them.
    pub fn object(&self, object: Value) -> Result<()> {
        self.data(format!("{}\n", of_schema_1(object)).as_bytes())
    }

    /// Asks a question that is answered with yes or no; anything but a yes is a no. Only where [`Ui::can_ask`].
    pub fn confirm(&self, question: &str) -> Result<bool> {
        let failed = |error| Error::new(Kind::Failed, "cannot ask").because(error);
        write!(io::stderr(), "{question} [y/N] ").map_err(failed)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(failed)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// What a person must see to go on: an address, a code, a question. Never silent.
    pub fn tell(&self, text: impl AsRef<str>) {
        line("", text.as_ref());
    }

    /// The beginning of a line that the person ends: a question, whose answer [`keyboard::Keyboard`] reads.
    pub fn prompt(&self, question: &str) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    }

    /// One line of what is going on. Silent under `--quiet` and `--json`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet && !self.json {
            line("", text.as_ref());
        }
    }

    /// Something that the person needs to know although the command goes on.
    pub fn warn(&self, text: impl AsRef<str>) {
        if self.json {
            line("", &of_schema_1(json!({ "warning": text.as_ref() })).to_string());
        } else {
            line("warning: ", text.as_ref());
        }
    }

    /// The result of a command that went on after failures: the first is its own, the others are said here.
    pub fn first_of(&self, failures: Vec<Error>) -> Result<()> {
        let mut failures = failures.into_iter();
        let Some(first) = failures.next() else { return Ok(()) };
        failures.for_each(|error| self.error(&error));
        Err(first)
    }

    /// The last words of a command that failed.
    pub fn error(&self, error: &Error) {
        let mut text = String::new();
        if self.json {
            let object = json!({ "error": {
                "code": error.kind().name(),
                "exit_code": error.kind().exit_code(),
                "message": error.message(),
                "causes": error.causes(),
                "hints": error.hints(),
                "retryable": error.kind().retryable(),
            }});
            text = of_schema_1(object).to_string();
        } else {
            let _ = write!(text, "error: {}", error.message());
            for cause in error.causes() {
                let _ = write!(text, "\n  caused by: {cause}");
            }
            for hint in error.hints() {
                let _ = write!(text, "\nhint: {hint}");
            }
        }
        line("", &text);
    }
}

/// The object with the version of its form: while that is 1, fields may be added, and none changes its meaning.
fn of_schema_1(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("schema".to_owned(), json!(1));
    }
    object
}

/// A closed stderr must not turn a success into a failure, so the result of the write is of no interest.
fn line(prefix: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{prefix}{text}");
}

/// "Waiting … 4:52" on a terminal; nothing anywhere else, so that a log is not filled with a line a second.
pub struct Countdown {
    bar: ProgressBar,
}

impl Countdown {
    /// Starts counting down from `limit`. Drop it before the next word is said.
    pub fn start(ui: &Ui, what: &str, limit: Duration) -> Self {
        let bar =
            if ui.is_watched() && !ui.quiet && !ui.json { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let deadline = Instant::now() + limit;
        let left = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let seconds = deadline.saturating_duration_since(Instant::now()).as_secs();
            let _ = write!(out, "{}:{:02}", seconds / 60, seconds % 60);
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {left} (Ctrl-C to stop)") {
            bar.set_style(style.with_key("left", left));
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// Changes what is being waited for.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Runs `print` with the moving line out of the way.
    pub fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A moment in seconds since 1970, in UTC (RFC 3339).
pub fn moment(seconds: u64) -> String {
    // Beyond the year 9999 there is nothing to format.
    let at = UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// How long until, or since, a moment: "52 min", "3 h 10 min", "6 days".
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The most of a foreign text that is shown, in characters.
const FOREIGN_MAX: usize = 200;

/// Makes a text that somebody else wrote safe to show: control characters (terminal escapes, CVE-2025-1691 and its
/// kin), line breaks, and invisible or direction-changing characters become visible escapes, and what is longer than
/// 200 characters is cut.
pub fn foreign(text: &str) -> String {
    match text.char_indices().nth(FOREIGN_MAX) {
        Some((end, _)) => visible(text.get(..end).unwrap_or_default()) + "…",
        None => visible(text),
    }
}

/// One word of a command that a person is to paste into a shell: quoted where the shell would otherwise split or
/// interpret it, and whole however long it is. A word with characters that deceive is shown with escapes in their place,
/// and no longer means the same.
pub fn shell_quoted(word: &str) -> String {
    let word = visible(word);
    // Refused is a NUL, which is an escape by now.
    shlex::try_quote(&word).map_or_else(|_| word.clone(), Into::into)
}

/// Whether a text is shown as it is: no control characters, no line breaks, nothing invisible, nothing that changes the
/// direction of what follows.
pub fn is_all_visible(text: &str) -> bool {
    !text.chars().any(is_deceptive)
}

fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if is_deceptive(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The known word that `word` was probably meant to be.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            let plain = candidate.to_ascii_lowercase().replace('-', "_");
            // `scopes` for `scope`, `id_token` for `id_token_as_access_token`: long relatives that no edit distance finds.
            let related = word.len() > 2 && (plain.starts_with(&word) || word.starts_with(&plain));
            (if related { 1 } else { strsim::damerau_levenshtein(&word, &plain) }, candidate)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{foreign, is_deceptive, moment, nearest, shell_quoted, span};

    #[test]
    fn times_read_well() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3661, "1 h 1 min"),
            (90_000, "25 h"),
            (172_800, "2 days"),
            (u64::MAX, "213503982334601 days"),
        ] {
            assert_eq!(span(seconds), expected);
        }
        assert_eq!(moment(1_800_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(moment(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn terminal_escapes_become_visible() {
        assert_eq!(foreign("a\u{1b}]0;pwned\u{7}b"), "a\\u{1b}]0;pwned\\u{7}b");
        assert_eq!(foreign("over\rwritten\nline"), "over\\u{d}written\\u{a}line");
        assert_eq!(foreign("safe\u{202e}gpj.exe"), "safe\\u{202e}gpj.exe");
        assert_eq!(foreign("Zürich – 東京"), "Zürich – 東京");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(foreign(&"x".repeat(300)).chars().count(), 201);
    }

    #[test]
    fn a_quoted_word_is_whole_and_shows_what_is_in_it() {
        for (word, expected) in [
            ("prod", "prod"),
            ("", "''"),
            ("/home/ada lovelace/x", "'/home/ada lovelace/x'"),
            ("it's $(x)", "\"it's \"'$(x)'"),
            ("\u{1b}[2J\0", r#""\\u{1b}[2J\\u{0}""#),
        ] {
            assert_eq!(shell_quoted(word), expected);
        }
        let long = "x".repeat(300);
        assert_eq!(shell_quoted(&long), long);
    }

    #[test]
    fn nearest_names() {
        let keys = ["issuer", "client_id", "audience", "scope", "id_token_as_access_token"];
        let rows = [
            ("cleint_id", Some("client_id")),
            ("client-id", Some("client_id")),
            ("Issuer", Some("issuer")),
            ("scopes", Some("scope")),
            ("id_token", Some("id_token_as_access_token")),
            ("aud", Some("audience")),
            ("zzz", None),
        ];
        for (word, expected) in rows {
            assert_eq!(nearest(word, keys), expected, "for {word}");
        }
    }

    proptest! {
        #[test]
        fn a_shell_reads_back_what_was_quoted(word in "[ -~äß€]*") {
            prop_assert_eq!(shlex::split(&shell_quoted(&word)), Some(vec![word]));
        }

        #[test]
        fn nothing_deceptive_survives(text in any::<String>()) {
            prop_assert!(!foreign(&text).chars().any(is_deceptive) && !shell_quoted(&text).chars().any(is_deceptive));
        }
    }
}

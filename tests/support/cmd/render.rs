//! What a command did as one text, and the comparison of such texts.

use std::process::ExitStatus;

/// Exit status, stdout and stderr, with what differs from run to run replaced.
pub(super) fn render(status: ExitStatus, stdout: &[u8], stderr: &[u8], hidden: &[(String, String)]) -> String {
    let mut text = ending(status);
    for (name, bytes) in [("stdout", stdout), ("stderr", stderr)] {
        if bytes.is_empty() {
            continue;
        }
        text.push_str(&format!("--- {name}\n{}", String::from_utf8_lossy(bytes)));
        if !bytes.ends_with(b"\n") {
            // For a pipe or a file it matters whether the last line ends.
            text.push_str("[no newline]\n");
        }
    }
    hide(text, hidden)
}

/// Exit status and what a terminal has shown of both streams, with what differs from run to run replaced.
pub(super) fn render_screen(status: ExitStatus, screen: &str, hidden: &[(String, String)]) -> String {
    hide(ending(status) + screen, hidden)
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit {code}\n"),
        None => format!("{status}\n"),
    }
}

fn hide(mut text: String, hidden: &[(String, String)]) -> String {
    for (secret, placeholder) in hidden {
        text = text.replace(secret, placeholder);
    }
    for (before, placeholder) in [
        ("/start/", "[ID]"),
        ("/done/", "[ID]"),
        ("/sessions/", "[ID]"),
        ("http://localhost:", "[PORT]"),
        ("http://127.0.0.1:", "[PORT]"),
        ("http://[::1]:", "[PORT]"),
    ] {
        text = replace_after(&text, before, placeholder);
    }
    replace_jwts(&text)
}

/// Replaces the letters, digits, `-` and `_` that follow each `before`.
fn replace_after(text: &str, before: &str, placeholder: &str) -> String {
    let mut parts = text.split(before);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !is_word(c)).unwrap_or(part.len());
        result.push_str(before);
        result.push_str(if end == 0 { "" } else { placeholder });
        result.push_str(&part[end..]);
    }
    result
}

/// Every JWT starts with `eyJ`, which is `{"` in base64url.
fn replace_jwts(text: &str) -> String {
    let mut parts = text.split("eyJ");
    let mut result = parts.next().unwrap_or_default().to_owned();
    let mut inside = false;
    for part in parts {
        let end = part.find(|c: char| !is_word(c) && c != '.').unwrap_or(part.len());
        if !inside {
            result.push_str("[JWT]");
        }
        // The second part of a JWT starts with `eyJ` as well, right after the first dot.
        inside = end == part.len() && part.ends_with('.');
        if !inside {
            result.push_str(&part[end..]);
        }
    }
    result
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Compares texts line by line and shows where they part. Common indentation of `expected`, and empty lines around
/// either, do not count.
#[track_caller]
pub fn assert_text(actual: &str, expected: &str) {
    let (actual, expected) = (actual.trim_matches('\n').to_owned(), unindent(expected));
    if actual == expected {
        return;
    }
    let (mut ours, mut theirs) = (actual.lines(), expected.lines());
    let mut report = String::new();
    loop {
        match (theirs.next(), ours.next()) {
            (None, None) => break,
            (Some(wanted), Some(got)) if wanted == got => report.push_str(&format!("    {got}\n")),
            (wanted, got) => {
                report.extend(wanted.map(|line| format!("  - {line}\n")));
                report.extend(got.map(|line| format!("  + {line}\n")));
            }
        }
    }
    panic!("not as expected (- expected, + got):\n{report}\nall of what was got:\n{actual}");
}

fn unindent(text: &str) -> String {
    let text = text.trim_start_matches('\n').trim_end();
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let common = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = text.lines().map(|line| line.get(common..).unwrap_or_default()).collect();
    lines.join("\n")
}

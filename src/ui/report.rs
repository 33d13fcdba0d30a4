//! Pages that people look at: rows with a mark and what to do about them, and tables; as wide as the terminal.
//!
//! A page says the same without colour: each mark is a word. Texts come in safe (`ui::foreign`), whoever wrote them.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use anstyle::{AnsiColor, Style};
use textwrap::Options;
use textwrap::core::display_width;

/// What a page is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns; no line is longer, save for a word that is.
    pub width: usize,
    pub colour: bool,
}

impl Page {
    /// For whoever reads stdout: the terminal's width within reason; 80 columns without colour where it is not one.
    pub fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let size = if terminal { terminal_size::terminal_size_of(io::stdout()) } else { None };
        let width = size.map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 120);
        Self { width, colour: terminal && wants_colour() }
    }

    /// The same for what `grep` and `awk` are fed with: where stdout is no terminal, a row is a line, however long.
    pub fn of_stdout_by_lines() -> Self {
        let page = Self::of_stdout();
        if io::stdout().is_terminal() { page } else { Self { width: usize::MAX, ..page } }
    }

    /// `text` in the colour of `mark`; what it says must not depend on that.
    pub fn tint(self, mark: Mark, text: &str) -> String {
        self.paint(mark.style(), text)
    }

    /// The heading of a section that is no list of rows.
    pub fn heading(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// `text`, broken into lines of this page; all but the first start with `indent` spaces, and the first with `head`.
    fn wrap(self, head: &str, indent: usize, text: &str) -> String {
        let rest = " ".repeat(indent);
        // Addresses and commands are to be copied, so what does not fit is not broken.
        let options = Options::new(self.width)
            .initial_indent(&rest)
            .subsequent_indent(&rest)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let lines = textwrap::wrap(text, options).join("\n");
        format!("{head}{}\n", lines.get(indent.min(lines.len())..).unwrap_or_default())
    }
}

/// <https://no-color.org>, and terminals that have none.
fn wants_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// How it is with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Ok,
    /// Not looked at, because of something else or because it does not apply.
    Skip,
    /// Works, and may not do so tomorrow or for everybody.
    Warn,
    Fail,
}

impl Mark {
    /// As it stands in `--json`; on a page a failure is in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Skip => Style::new().dimmed(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Fail => AnsiColor::Red.on_default().bold(),
        }
    }

    fn shown(self, page: Page) -> String {
        let word = if self == Self::Fail { "FAIL" } else { self.name() };
        let padding = " ".repeat(MARK - word.len());
        page.tint(self, word) + &padding
    }
}

/// Columns of a mark and the space behind it.
const MARK: usize = 6;

/// One line of a report, and what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `None` for what is told and not judged.
    pub mark: Option<Mark>,
    /// A word or two; the labels of a section stand in one column.
    pub label: String,
    pub text: String,
    /// Below the text: why, and what to do, a paragraph each.
    pub notes: Vec<String>,
}

impl Row {
    pub fn new(mark: impl Into<Option<Mark>>, label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { mark: mark.into(), label: label.into(), text: text.into(), notes: Vec::new() }
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Rows under a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// None if empty.
    pub heading: String,
    pub rows: Vec<Row>,
}

/// Below this width, labels stand above their texts: there is no room beside them. As they do where they would take more
/// than half of the page.
const NARROW: usize = 50;

/// Lays sections out, a blank line between two.
pub fn report(sections: &[Section], page: Page) -> String {
    sections.iter().map(|section| show(section, page)).collect::<Vec<_>>().join("\n")
}

fn show(section: &Section, page: Page) -> String {
    let mut text = String::new();
    if !section.heading.is_empty() {
        let _ = writeln!(text, "{}", page.heading(&section.heading));
    }
    let marks = if section.rows.iter().any(|row| row.mark.is_some()) { MARK } else { 0 };
    let widest = section.rows.iter().map(|row| display_width(&row.label)).max().unwrap_or_default();
    // Without labels there is no column for them.
    let labels = if widest == 0 { 0 } else { widest + 2 };
    for row in &section.rows {
        let mark = row.mark.map_or_else(|| " ".repeat(marks), |mark| mark.shown(page));
        let mut indent = marks + labels;
        if labels > 0 && (page.width < NARROW || page.width < 2 * indent) {
            indent = marks + 2;
            let _ = writeln!(text, "{mark}{}", row.label);
            if !row.text.is_empty() {
                text.push_str(&page.wrap(&" ".repeat(indent), indent, &row.text));
            }
        } else {
            let label = format!("{mark}{}{}", row.label, " ".repeat(labels - display_width(&row.label)));
            text.push_str(&page.wrap(&label, indent, &row.text));
        }
        for note in &row.notes {
            text.push_str(&page.wrap(&" ".repeat(indent), indent, note));
        }
    }
    // A row without a text ends with the spaces behind its label.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A command that is there to be copied: where the page is too narrow for it, broken between its words, as a shell lets a
/// line be continued. `words` are quoted already.
pub fn command(words: &[String], page: Page) -> String {
    let mut text = String::new();
    let mut line = "  ".to_owned();
    for (number, word) in words.iter().enumerate() {
        let end = if number + 1 < words.len() { CONTINUED.len() } else { 0 };
        if display_width(&line) + 1 + display_width(word) + end > page.width && !line.trim().is_empty() {
            let _ = writeln!(text, "{line}{CONTINUED}");
            line = "   ".to_owned();
        }
        if number > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
    text
}

/// A shell takes the next line as the rest of this one.
const CONTINUED: &str = " \\";

/// Rows of cells under a head, each column as wide as its widest cell. What is too wide for the page is laid out as a
/// block a row instead, with the heads as labels: a table that is broken in the middle cannot be read. Empty cells have no
/// line there.
pub fn table(head: &[&str], rows: &[Vec<String>], page: Page) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| display_width(cell));
        cells.chain(head.get(column).map(|head| display_width(head))).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    if widths.iter().sum::<usize>() + 2 * head.len().saturating_sub(1) > page.width {
        let block = |row: &Vec<String>| Section {
            heading: String::new(),
            rows: head
                .iter()
                .zip(row)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(head, cell)| Row::new(None, *head, cell.as_str()))
                .collect(),
        };
        return report(&rows.iter().map(block).collect::<Vec<_>>(), page);
    }
    let line = |cells: &mut dyn Iterator<Item = &str>, style: Style| {
        let padded = cells.zip(&widths).map(|(cell, width)| {
            let padding = " ".repeat(width.saturating_sub(display_width(cell)));
            page.paint(style, cell) + &padding
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(&mut head.iter().copied(), Style::new().bold());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str), Style::new()));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(width: usize) -> Page {
        Page { width, colour: false }
    }

    fn sample() -> Vec<Section> {
        let rows = vec![
            Row::new(Mark::Ok, "issuer", "https://login.example.com"),
            Row::new(Mark::Fail, "audience", "the token is for `other`, and the server wants `mongodb`")
                .note("set the scope to `mongodb/.default` in the profile, or the audience at the server"),
            Row::new(Mark::Skip, "key", ""),
        ];
        let told = vec![Row::new(None, "user", "test/ada"), Row::new(None, "role", "")];
        vec![Section { heading: "Token".to_owned(), rows }, Section { heading: String::new(), rows: told }]
    }

    #[test]
    fn a_report_is_laid_out_for_the_width() {
        let wide = "\
Token
ok    issuer    https://login.example.com
FAIL  audience  the token is for `other`, and the server wants `mongodb`
                set the scope to `mongodb/.default` in the profile, or the
                audience at the server
skip  key

user  test/ada
role
";
        assert_eq!(report(&sample(), plain(80)), wide);
        let narrow = "\
Token
ok    issuer
        https://login.example.com
FAIL  audience
        the token is for `other`, and
        the server wants `mongodb`
        set the scope to
        `mongodb/.default` in the
        profile, or the audience at the
        server
skip  key

user
  test/ada
role
";
        assert_eq!(report(&sample(), plain(40)), narrow);
    }

    #[test]
    fn labels_that_leave_no_room_stand_above_their_texts() {
        let rows = vec![Row::new(None, "shop.orders_of_the_last_year", "find, insert"), Row::new(None, "a", "find")];
        let section = [Section { heading: String::new(), rows }];
        let beside = "shop.orders_of_the_last_year  find, insert\na                             find\n";
        assert_eq!(report(&section, plain(60)), beside);
        assert_eq!(report(&section, plain(59)), "shop.orders_of_the_last_year\n  find, insert\na\n  find\n");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let coloured = report(&sample(), Page { width: 80, colour: true });
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mFAIL\u{1b}[0m"), "{coloured:?}");
        let mut stripped = String::new();
        for part in coloured.split('\u{1b}') {
            stripped
                .push_str(part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, rest)| rest));
        }
        assert_eq!(stripped, report(&sample(), plain(80)));
    }

    #[test]
    fn a_tinted_text_is_as_wide_as_it_looks() {
        let page = Page { width: 30, colour: true };
        let tinted = page.tint(Mark::Warn, "expired");
        assert_eq!((tinted.as_str(), plain(30).tint(Mark::Warn, "x").as_str()), ("\u{1b}[33mexpired\u{1b}[0m", "x"));
        let rows = [vec![tinted.clone(), "b".to_owned()]];
        let head = "\u{1b}[1mtoken\u{1b}[0m    \u{1b}[1mx\u{1b}[0m\n";
        assert_eq!(table(&["token", "x"], &rows, page), format!("{head}{tinted}  b\n"));
        // A page without an end breaks nothing.
        let words = "word ".repeat(100);
        let rows = vec![Row::new(None, "label", words.trim_end())];
        let text = report(&[Section { heading: String::new(), rows }], plain(usize::MAX));
        assert_eq!(text, format!("label  {}\n", words.trim_end()));
    }

    #[test]
    fn a_table_that_is_too_wide_becomes_blocks() {
        let rows = vec![
            vec!["ada".to_owned(), "https://login.example.com".to_owned(), "5 min".to_owned()],
            vec!["東京".to_owned(), "https://b.example.com".to_owned(), String::new()],
        ];
        let head = ["who", "issuer", "token"];
        assert_eq!(
            table(&head, &rows, plain(60)),
            "\
who   issuer                     token
ada   https://login.example.com  5 min
東京  https://b.example.com
"
        );
        assert_eq!(
            table(&head, &rows, plain(30)),
            "\
who
  ada
issuer
  https://login.example.com
token
  5 min

who
  東京
issuer
  https://b.example.com
"
        );
    }

    #[test]
    fn a_command_is_broken_where_a_shell_goes_on() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = words("mdb-login server config prod --name prod --user-claim email");
        assert_eq!(command(&line, plain(80)), "  mdb-login server config prod --name prod --user-claim email\n");
        let broken = "  mdb-login server config prod --name \\\n    prod --user-claim email\n";
        assert_eq!(command(&line, plain(40)), broken);
        // A shell drops a backslash and the end of its line before it looks for words.
        let joined = |text: &str| text.replace("\\\n", "");
        assert_eq!(shlex::split(&joined(broken)).unwrap(), line);
        let long = words("mdb-login https://login.example.com/a/very/long/address/indeed");
        assert_eq!(shlex::split(&joined(&command(&long, plain(40)))).unwrap(), long);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_line_is_too_long(words in prop::collection::vec("[a-zäß€]{1,12}", 0..40), width in 40_usize..120) {
            let rows = vec![Row::new(Mark::Warn, "label", words.join(" "))];
            let text = report(&[Section { heading: String::new(), rows }], plain(width));
            prop_assert!(text.lines().all(|line| display_width(line) <= width));
            let read: Vec<&str> = text.split_whitespace().skip(2).collect();
            prop_assert_eq!(read, words);
        }
    }
}

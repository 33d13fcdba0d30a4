//! A configuration as a tree of values, each with the place where it stands. JSON, YAML and command lines all become this.

use crate::ui::report::Mark;

/// Deeper than any configuration is, and shallow enough for the stack.
pub(super) const DEPTH_MAX: usize = 50;

/// Where something stands, counted from 1; columns are characters, as editors count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
    /// Of a string whose inside cannot be mapped to the file: line and column are its start, and this is the character
    /// in it. 0 where line and column say it all.
    pub within: usize,
}

impl Position {
    pub const START: Self = Self::new(1, 1);

    pub const fn new(line: usize, column: usize) -> Self {
        Self { line, column, within: 0 }
    }
}

/// Characters, each with its place, and the place behind the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Characters {
    pub list: Vec<(char, Position)>,
    pub end: Position,
}

impl Characters {
    /// A whole file.
    pub fn of_file(text: &str) -> Self {
        let mut at = Position::START;
        let mut list = Vec::with_capacity(text.len());
        for c in text.chars() {
            list.push((c, at));
            if c == '\n' {
                at = Position::new(at.line + 1, 1);
            } else {
                at.column += 1;
            }
        }
        Self { list, end: at }
    }

    /// A string that starts at `start`, and whose characters stand somewhere behind it.
    pub fn somewhere_in(text: &str, start: Position) -> Self {
        let at = |within| Position { within, ..start };
        let list: Vec<_> = text.chars().enumerate().map(|(index, c)| (c, at(index + 1))).collect();
        Self { end: at(list.len() + 1), list }
    }

    pub fn text(&self) -> String {
        self.list.iter().map(|(c, _)| c).collect()
    }

    pub fn start(&self) -> Position {
        self.list.first().map_or(self.end, |(_, at)| *at)
    }

    /// Those behind the first `count`.
    pub fn behind(&self, count: usize) -> Self {
        Self { list: self.list.get(count..).unwrap_or_default().to_vec(), end: self.end }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(Text),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// What is not followed here, in words: an alias, a tag.
    Foreign(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub value: String,
    /// Where its characters stand, if that can be told.
    pub characters: Option<Characters>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub at: Position,
    pub node: Node,
}

impl Node {
    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
            Value::Foreign(_) => "something else",
        }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(&text.value) } else { None }
    }

    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The first value of that name.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The characters of a string, with the best places that there are.
    pub fn characters(&self) -> Option<Characters> {
        let Value::Text(text) = &self.value else { return None };
        Some(text.characters.clone().unwrap_or_else(|| Characters::somewhere_in(&text.value, self.at)))
    }
}

/// What is wrong, or could be, with one place of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What stands there, such as `oidcIdentityProviders[1].audience`; empty for what is no value of its own.
    pub path: String,
    /// [`Mark::Fail`] where the server would not start with it, or nobody could sign in; [`Mark::Warn`] otherwise.
    pub mark: Mark,
    /// Safe to show, as errors are worded.
    pub message: String,
    pub hint: Option<String>,
    /// For the order of findings at one place; see [`Position::within`].
    within: usize,
}

impl Finding {
    pub(super) fn fail(at: Position, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Mark::Fail, at, path.into(), message.into())
    }

    pub(super) fn warn(at: Position, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Mark::Warn, at, path.into(), message.into())
    }

    fn new(mark: Mark, at: Position, path: String, mut message: String) -> Self {
        if at.within > 0 {
            message.push_str(&format!(" (character {} of the string that starts here)", at.within));
        }
        Self { line: at.line, column: at.column, path, mark, message, hint: None, within: at.within }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// By where they stand.
    pub(super) fn order(&self) -> (usize, usize, usize) {
        (self.line, self.column, self.within)
    }
}

//! The JSON of MongoDB's server (`fromjson` in its public source): quotes of either kind or none for names, numbers of three
//! types, nothing behind the last comma. What follows the value is not looked at.

use std::iter::Peekable;
use std::str::Chars;

/// A value with the type that it has in BSON. Objects keep a field that is there twice.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// As the server names types in its errors.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// Reads the value at the start of a text.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    value(&mut text.chars().peekable())
}

type Input<'a> = Peekable<Chars<'a>>;

/// The next character that is no blank, which stays.
fn next(input: &mut Input<'_>) -> Option<char> {
    while input.next_if(char::is_ascii_whitespace).is_some() {}
    input.peek().copied()
}

fn expect(input: &mut Input<'_>, wanted: char) -> Result<(), String> {
    if next(input) == Some(wanted) {
        input.next();
        return Ok(());
    }
    Err(format!("Expecting '{wanted}'"))
}

fn value(input: &mut Input<'_>) -> Result<Json, String> {
    match next(input) {
        Some('{') => series(input, '}', |input| {
            let name = match next(input) {
                Some('"' | '\'') => quoted(input)?,
                Some(c) if c.is_ascii_alphabetic() || c == '_' || c == '$' => word(input),
                _ => return Err("First character in field must be [A-Za-z$_]".to_owned()),
            };
            expect(input, ':')?;
            Ok((name, value(input)?))
        })
        .map(Json::Object),
        Some('[') => series(input, ']', value).map(Json::Array),
        Some('"' | '\'') => quoted(input).map(Json::Text),
        Some(c) if c.is_ascii_alphabetic() => match word(input).as_str() {
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            "null" | "undefined" => Ok(Json::Null),
            "NumberInt" => {
                expect(input, '(')?;
                next(input);
                let number = number(input)?;
                expect(input, ')').map(|()| number)
            }
            _ => Err("Bad characters in value".to_owned()),
        },
        Some(_) => number(input),
        None => Err("Unexpected end of input".to_owned()),
    }
}

/// What stands between brackets, with commas.
fn series<T>(
    input: &mut Input<'_>,
    closing: char,
    mut item: impl FnMut(&mut Input<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    input.next();
    let mut items = Vec::new();
    if next(input) == Some(closing) {
        input.next();
        return Ok(items);
    }
    loop {
        items.push(item(input)?);
        match next(input) {
            Some(',') => _ = input.next(),
            Some(c) if c == closing => {
                input.next();
                return Ok(items);
            }
            _ => return Err(format!("Expecting '{closing}' or ','")),
        }
    }
}

fn word(input: &mut Input<'_>) -> String {
    std::iter::from_fn(|| input.next_if(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '$')).collect()
}

fn quoted(input: &mut Input<'_>) -> Result<String, String> {
    let quote = input.next();
    let mut text = String::new();
    while let Some(c) = input.next() {
        match c {
            c if Some(c) == quote => return Ok(text),
            '\0'..='\u{1f}' => return Err("Invalid control character".to_owned()),
            '\\' => match input.next() {
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('v') => text.push('\u{b}'),
                Some('u') => {
                    let digits: String = input.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    text.push(code.and_then(char::from_u32).ok_or("Expecting 4 hex digits")?);
                }
                Some('x') => return Err("Hex escape not supported".to_owned()),
                Some('0'..='7') => return Err("Octal escape not supported".to_owned()),
                Some(other) => text.push(other),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("Unexpected end of input".to_owned())
}

fn number(input: &mut Input<'_>) -> Result<Json, String> {
    let text: String =
        std::iter::from_fn(|| input.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c))).collect();
    if let Ok(number) = text.parse::<i64>() {
        return Ok(i32::try_from(number).map_or(Json::Long(number), Json::Int));
    }
    text.parse().map(Json::Double).map_err(|_| "Bad characters in value".to_owned())
}

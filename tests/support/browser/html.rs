//! As much HTML as it takes to read a page and fill in a form. Tolerant, like a browser; no more than that.

/// A form as the page has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// As written; relative to the page.
    pub action: String,
    /// Lower-case.
    pub method: String,
    /// Names and values that would be sent if nothing were touched: no buttons, no unchecked boxes.
    pub fields: Vec<(String, String)>,
}

struct Tag<'a> {
    /// Lower-case, with a leading `/` if it closes.
    name: String,
    attributes: Vec<(String, String)>,
    /// The text up to the next tag.
    text: &'a str,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The first form of a page.
pub(super) fn form(page: &str) -> Option<Form> {
    let tags = tags(page);
    let start = tags.iter().position(|tag| tag.name == "form")?;
    let opening = &tags[start];
    let mut form = Form {
        action: opening.get("action").unwrap_or_default().to_owned(),
        method: opening.get("method").unwrap_or("get").to_ascii_lowercase(),
        fields: Vec::new(),
    };
    for tag in tags.iter().skip(start + 1).take_while(|tag| tag.name != "/form") {
        let kind = tag.get("type").unwrap_or("text");
        let sent = match kind {
            "radio" | "checkbox" => tag.get("checked").is_some(),
            "submit" | "button" | "image" | "reset" => false,
            _ => true,
        };
        if let ("input", true, Some(name)) = (tag.name.as_str(), sent, tag.get("name")) {
            form.fields.push((name.to_owned(), tag.get("value").unwrap_or_default().to_owned()));
        }
    }
    Some(form)
}

pub(super) fn title(page: &str) -> String {
    tags(page).iter().find(|tag| tag.name == "title").map(|tag| squeeze(&unescape(tag.text))).unwrap_or_default()
}

/// The visible text, white space squeezed.
pub(super) fn text(page: &str) -> String {
    let mut visible = String::new();
    for tag in tags(page) {
        if !matches!(tag.name.as_str(), "style" | "script" | "title") {
            visible.push_str(&unescape(tag.text));
            visible.push(' ');
        }
    }
    squeeze(&visible)
}

fn tags(page: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (name, attributes, after) = tag(rest);
        // What is inside of style and script is not markup.
        let end = match name.as_str() {
            "style" | "script" => after.find("</").unwrap_or(after.len()),
            _ => after.find('<').unwrap_or(after.len()),
        };
        tags.push(Tag { name, attributes, text: &after[..end] });
        rest = &after[end..];
    }
    tags
}

/// Reads one tag from behind its `<`; gives its name, its attributes, and what follows its `>`.
fn tag(text: &str) -> (String, Vec<(String, String)>, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let name = text[..end].trim_end_matches('/').to_ascii_lowercase();
    let mut attributes = Vec::new();
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (name, attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (name, attributes, after);
        }
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
        // A stray `=` must not stop the reading.
        let end = end.max(1);
        let key = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                None => after.split_at(after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len())),
            };
        }
        attributes.push((key, unescape(value)));
    }
}

fn unescape(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " ")];
    let mut text = text.to_owned();
    for (entity, character) in named {
        text = text.replace(entity, character);
    }
    // Last, or `&amp;lt;` would become `<`.
    text.replace("&amp;", "&")
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

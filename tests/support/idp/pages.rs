//! The provider's few pages: plain forms that a person and a scripted browser can both use.

use super::Reply;
use super::behaviour::Person;
use super::state::AuthorizationRequest;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5c6875; --paper: #f4f6f8; --card: #fff; --line: #d5dbe1; --go: #1f5fbf }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #9aa7b4; --paper: #12171d; --card: #1b222b; --line: #333d49; --go: #3f7fe0 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0;
  min-height: 100vh; display: grid; place-items: center }
main { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 2rem; margin: 1rem; max-width: 24rem }
h1 { font-size: 1.25rem; margin: 0 0 .25rem } p { margin: 0 0 1rem; color: var(--soft); overflow-wrap: anywhere }
label { display: block; margin: .5rem 0 } input[type=text] { font: inherit; padding: .4rem; width: 12rem; letter-spacing: .1em }
button { font: inherit; padding: .5rem 1rem; margin: 1rem .5rem 0 0; border-radius: 6px; border: 1px solid var(--line);
  background: none; color: inherit } button[value=allow] { background: var(--go); border-color: var(--go); color: #fff }";

/// The sign-in page of the authorization endpoint.
pub(super) fn sign_in(action: &str, page: &str, people: &[Person], request: &AuthorizationRequest) -> Reply {
    let body = format!(
        "<h1>Test provider</h1><p>{} asks who you are. It wants: {}.</p>\
         <form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"page\" value=\"{}\">{}{}</form>",
        escape(&request.client_id),
        escape(&request.scope.join(", ")),
        escape(action),
        escape(page),
        picker(people, request.login_hint.as_deref()),
        BUTTONS,
    );
    page_of(200, "Sign in", &body)
}

/// The verification page of the device flow.
pub(super) fn verification(action: &str, people: &[Person], user_code: &str) -> Reply {
    let body = format!(
        "<h1>Test provider</h1><p>Enter the code that your device shows. \
         If you did not start this yourself, leave.</p><form method=\"post\" action=\"{}\">\
         <label>Code <input type=\"text\" name=\"user_code\" value=\"{}\" autocomplete=\"off\"></label>{}{}</form>",
        escape(action),
        escape(user_code),
        picker(people, None),
        BUTTONS,
    );
    page_of(200, "Connect a device", &body)
}

pub(super) fn message(title: &str, text: &str) -> Reply {
    page_of(200, title, &format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text)))
}

/// An error that is the person's to read because there is no client that could be trusted with it.
pub(super) fn failure(error: &str, description: &str) -> Reply {
    page_of(400, "Error", &format!("<h1>{}</h1><p>{}</p>", escape(error), escape(description)))
}

const BUTTONS: &str = "<button name=\"decision\" value=\"allow\">Sign in</button>\
     <button name=\"decision\" value=\"deny\">Deny</button>";

fn picker(people: &[Person], hint: Option<&str>) -> String {
    let chosen =
        people.iter().position(|person| hint == Some(&person.email) || hint == Some(&person.name)).unwrap_or(0);
    let mut list = String::new();
    for (index, person) in people.iter().enumerate() {
        let checked = if index == chosen { " checked" } else { "" };
        list.push_str(&format!(
            "<label><input type=\"radio\" name=\"user\" value=\"{}\"{checked}> {}</label>",
            escape(&person.name),
            escape(&person.email)
        ));
    }
    list
}

fn page_of(status: u16, title: &str, body: &str) -> Reply {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><main>{body}</main></html>",
        escape(title)
    );
    // No `form-action`: Chromium applies it to the redirect after a form as well, and that goes to the client.
    Reply::html(status, page)
        .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
        .header("referrer-policy", "no-referrer")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

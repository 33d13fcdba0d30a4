//! What the program makes of its own definition: help texts, completion scripts, manual pages. The last two are
//! committed, and must be what this program would write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::cmd::Sandbox;

/// How to write the committed files anew.
const REGENERATE: &str = "MDB_LOGIN_REGENERATE=1 cargo test --test it generated";

const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "mdb-login.bash"),
    ("zsh", "_mdb-login"),
    ("fish", "mdb-login.fish"),
    ("elvish", "mdb-login.elv"),
    ("powershell", "_mdb-login.ps1"),
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares the files of `folder` with `expected`, or replaces them.
fn compare(folder: &str, expected: &[(String, Vec<u8>)]) {
    let folder = project().join(folder);
    if std::env::var_os("MDB_LOGIN_REGENERATE").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        expected.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
        return;
    }
    let present: BTreeSet<String> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let wanted: BTreeSet<String> = expected.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(present, wanted, "files in {}; run `{REGENERATE}`", folder.display());
    for (name, bytes) in expected {
        let path = folder.join(name);
        // A checkout on Windows may have turned the ends of the lines.
        let committed = String::from_utf8(std::fs::read(&path).unwrap()).unwrap().replace("\r\n", "\n");
        assert!(committed.as_bytes() == bytes, "{} is not what the program writes; run `{REGENERATE}`", path.display());
    }
}

#[test]
fn committed_completion_scripts_are_the_program_s() {
    let sandbox = Sandbox::new();
    let scripts = SCRIPTS.map(|(shell, file)| {
        let outcome = sandbox.run(["completions", shell]).exits(0);
        assert!(outcome.stderr.is_empty() && outcome.stdout.ends_with(b"\n"), "{outcome:?}");
        (file.to_owned(), outcome.stdout)
    });
    compare("completions", &scripts);
}

#[test]
fn committed_manual_pages_are_the_program_s() {
    let pages = pages();
    assert_eq!(pages.len(), 27);
    assert_eq!(Sandbox::new().run(["man"]).exits(0).stdout(), pages["mdb-login.1"]);
    let files: Vec<_> = pages.into_iter().map(|(name, page)| (name, page.into_bytes())).collect();
    compare("man", &files);
}

/// Every page as the program writes it.
fn pages() -> BTreeMap<String, String> {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join("share/man/man1");
    let outcome = sandbox.run(["man", "--dir", folder.to_str().unwrap()]).exits(0);
    assert!(outcome.stdout.is_empty(), "{outcome:?}");
    let names = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.map(|name| (name.clone(), std::fs::read_to_string(folder.join(name)).unwrap())).collect()
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.home().join("file"), "").unwrap();
    let dir = sandbox.home().join("file/man1");
    let outcome = sandbox.run(["man", "--dir", dir.to_str().unwrap()]).exits(1);
    assert!(outcome.stderr().starts_with("error: cannot create `"), "{outcome:?}");
}

/// The text of a section, without roff's escapes.
fn section(page: &str, name: &str) -> String {
    let start =
        [format!(".SH \"{name}\"\n"), format!(".SH {name}\n")].into_iter().find_map(|head| page.split_once(&head));
    let (_, rest) = start.unwrap_or_else(|| panic!("no section {name}"));
    let text = rest.split("\n.SH ").next().unwrap();
    text.replace("\\fB", "").replace("\\fR", "").replace("\\-", "-")
}

#[test]
fn every_page_has_the_sections_that_people_look_for() {
    for (name, page) in pages() {
        for wanted in ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SECURITY", "EXAMPLES", "SEE ALSO"] {
            assert!(section(&page, wanted).len() > 5, "{name}: {wanted}");
        }
        assert!(page.is_ascii() && !page.contains('`'), "{name}");
        assert!(!page.contains(env!("CARGO_MANIFEST_DIR")), "{name} names a place on this machine");
    }
}

/// The numbers that scripts branch on, once more: whoever changes one should have to change it here.
#[test]
fn exit_status_lists_every_code() {
    let text = section(&pages()["mdb-login.1"], "EXIT STATUS");
    let listed: Vec<&str> = text.lines().filter(|line| line.chars().all(|c| c.is_ascii_digit())).collect();
    assert_eq!(listed, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "126", "127", "130"]);
}

/// Every variable of ours that the source reads, whoever adds it.
#[test]
fn environment_lists_every_variable() {
    let text = section(&pages()["mdb-login.1"], "ENVIRONMENT");
    let terms = text.split(".TP\n").filter_map(|term| term.lines().next());
    let listed: BTreeSet<&str> = terms.filter(|term| term.starts_with("MDB_LOGIN_")).collect();
    let mut read = BTreeSet::new();
    let mut folders = vec![project().join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = std::fs::read_to_string(&path).unwrap();
                let code = source.split("#[cfg(test)]").next().unwrap().to_owned();
                let parts = code.split("\"MDB_LOGIN_").skip(1).filter_map(|rest| rest.split_once('"'));
                read.extend(parts.map(|(name, _)| format!("MDB_LOGIN_{name}")));
            }
        }
    }
    // Names that people type by mistake; they are looked for, and mean nothing.
    for mistake in ["MDB_LOGIN_CLIENTID", "MDB_LOGIN_ISSUER_URL"] {
        assert!(read.remove(mistake), "{mistake} is looked for no more: take it out here");
    }
    assert_eq!(listed, read.iter().map(String::as_str).collect::<BTreeSet<_>>());
}

/// The variables of others by which programs find their platforms: each is looked up by its name as a text.
#[test]
fn environment_lists_what_platforms_set() {
    let text = section(&pages()["mdb-login.1"], "ENVIRONMENT");
    let is_variable = |word: &str| {
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.contains('_') && word.len() > 8 && word.chars().all(is_name)
    };
    let mut found = 0;
    let mut folders = vec![project().join("src/workload")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            for word in code.split('"').filter(|word| is_variable(word)) {
                assert!(text.contains(word), "{word} of {} is not in ENVIRONMENT", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 15, "{found} variables: they are written otherwise by now");
}

/// Every command with the words that lead to it.
fn commands() -> Vec<Vec<&'static str>> {
    let mut all = vec![vec![]];
    all.extend(
        [
            "login",
            "token",
            "exec",
            "status",
            "logout",
            "inspect",
            "doctor",
            "profile",
            "server",
            "setup",
            "completions",
            "man",
        ]
        .map(|name| vec![name]),
    );
    all.extend(["list", "show", "set", "unset", "use", "rename", "remove"].map(|name| vec!["profile", name]));
    all.extend(["check", "config", "keys"].map(|name| vec!["server", name]));
    all
}

#[test]
fn help_is_short_where_it_should_be_and_fits_the_terminal() {
    let mut sandbox = Sandbox::new();
    for columns in [80, 100, 200] {
        sandbox.env("COLUMNS", columns.to_string());
        for command in commands() {
            for flag in ["-h", "--help"] {
                let outcome = sandbox.run(command.iter().copied().chain([flag])).exits(0);
                let help = outcome.stdout();
                let first = help.lines().next().unwrap();
                assert!(first.len() <= 80 && !first.ends_with('.') && !first.is_empty(), "{command:?}: {first}");
                for line in help.lines() {
                    let wide = line.chars().count();
                    // What can be copied is not broken.
                    let is_example = line.starts_with("  mdb-login ") || line.starts_with("  curl ");
                    assert!(wide <= 100.min(columns) || (is_example && wide <= 100), "{command:?} {flag}: {line}");
                }
                let words = help.to_lowercase();
                assert!(flag == "-h" || words.contains("\nexample"), "{command:?} has no example");
            }
        }
    }
}

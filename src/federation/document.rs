//! A server's configuration, whatever its form, to the identity providers that it names.
//!
//! Read are `mongod.conf` (YAML; the list is a string with JSON in it), JSON (the list itself, an object that has it, an
//! automation configuration of Ops Manager or Cloud Manager), and the command line of a server.

use super::IdentityProvider;
use super::entry::Entry;
use super::fields::Spelling;
use super::release::Release;
use super::rules;
use super::tree::{Characters, Entry as Member, Finding, Node, Position, Text, Value};
use super::{command_line, json, yaml};
use crate::ui::{foreign, nearest};

/// What came of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Those that could be read: with everything that they need, though it may be wrong in other ways.
    pub providers: Vec<IdentityProvider>,
    /// What is wrong or could be, in order of place.
    pub findings: Vec<Finding>,
}

/// Reads the identity providers of a server's configuration, and judges them by the newest server's rules.
pub fn read(text: &str) -> Reading {
    read_for(text, Release::LATEST)
}

/// The same by the rules of one release.
pub fn read_for(text: &str, release: Release) -> Reading {
    let mut findings = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parameters = Parameters::of(text, &mut findings);
    let list = parameters.as_ref().and_then(|parameters| parameters.list(&mut findings));
    let mut entries = Vec::new();
    if let (Some(parameters), Some(Node { value: Value::List(items), .. })) = (&parameters, &list) {
        let read = |(index, item)| Entry::read(item, index, parameters.spelling, &mut findings);
        entries = items.iter().enumerate().filter_map(read).collect();
    }
    let providers = entries.iter().filter_map(Entry::provider).collect();
    if let Some(parameters) = &parameters {
        let tests = parameters
            .get("enableTestCommands")
            .is_some_and(|one| matches!(yaml::written(&one.node).as_str(), "1" | "true"));
        rules::judge(&entries, release, tests, &mut findings);
        parameters.judge(release, &mut findings);
    }
    findings.sort_by_key(Finding::order);
    Reading { providers, findings }
}

/// Where parameters were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At a server's start, where all values are strings: `setParameter` of a configuration file, or of a command line.
    Start,
    /// By themselves.
    Loose,
}

/// The server's parameters that count here.
struct Parameters {
    members: Vec<Member>,
    place: Place,
    spelling: Spelling,
    /// Where they begin.
    at: Position,
}

impl Parameters {
    /// Finds them. `None`, with the reason in `findings`, if there are none.
    fn of(text: &str, findings: &mut Vec<Finding>) -> Option<Self> {
        if text.trim().is_empty() {
            findings.push(Finding::fail(Position::START, "", "the file is empty"));
            return None;
        }
        if command_line::is_one(text) {
            return Self::of_command_line(text, findings);
        }
        let root = match text.trim_start().chars().next() {
            Some('[') => json::read(&Characters::of_file(text), "", findings)?,
            Some('{') => Self::braces(text, findings)?,
            _ => yaml::read(text, findings)?,
        };
        let at = root.at;
        match &root.value {
            Value::List(_) => {
                let member = Member { key: Spelling::Server.list().to_owned(), at, node: root };
                Some(Self { members: vec![member], place: Place::Loose, spelling: Spelling::Server, at })
            }
            Value::Map(_) => Self::of_map(root, findings),
            _ => {
                let finding = Finding::fail(at, "", "this is no configuration of a server: expected names with values");
                findings.push(finding.hint(EXAMPLE));
                None
            }
        }
    }

    /// What begins with a brace may be either: JSON, whose words for a mistake are the better ones, or YAML.
    fn braces(text: &str, findings: &mut Vec<Finding>) -> Option<Node> {
        let (mut of_json, mut of_yaml) = (Vec::new(), Vec::new());
        let node = json::read(&Characters::of_file(text), "", &mut of_json);
        if of_json.is_empty() {
            return node;
        }
        let other = yaml::read(text, &mut of_yaml);
        let (node, said) = if of_yaml.is_empty() { (other, of_yaml) } else { (node, of_json) };
        findings.extend(said);
        node
    }

    fn of_command_line(text: &str, findings: &mut Vec<Finding>) -> Option<Self> {
        let words = match command_line::words(&Characters::of_file(text)) {
            Ok(words) => words,
            Err(finding) => {
                findings.push(*finding);
                return None;
            }
        };
        let at = words.first().map_or(Position::START, Characters::start);
        let member = |(key, at, value): (String, Position, Characters)| {
            let text = Text { value: value.text(), characters: Some(value.clone()) };
            Member { key, at, node: Node { at: value.start(), value: Value::Text(text) } }
        };
        let members: Vec<Member> = command_line::parameters(words).into_iter().map(member).collect();
        twice(&members, "", findings);
        let found = Self { members, place: Place::Start, spelling: Spelling::Server, at };
        found.checked(None, findings)
    }

    fn of_map(root: Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let at = root.at;
        twice_within(&root, "", findings);
        let loose = |spelling, members| Self { members, place: Place::Loose, spelling, at };
        if root.get(Spelling::Automation.list()).is_some() {
            let mechanisms = root.get("auth").and_then(|auth| auth.node.get("deploymentAuthMechanisms"));
            let members = root.get(Spelling::Automation.list()).into_iter().chain(mechanisms).cloned().collect();
            return Some(loose(Spelling::Automation, members));
        }
        let set = root.get("setParameter");
        match set.map(|set| (&set.node.value, set.node.at)) {
            Some((Value::Map(members), at)) => {
                let found = Self { members: members.clone(), place: Place::Start, spelling: Spelling::Server, at };
                found.checked(Some(&root), findings)
            }
            Some((Value::Foreign(what), at)) => {
                let message = format!("is {what}, which is not followed here");
                findings.push(Finding::fail(at, "setParameter", message).hint("write the parameters themselves"));
                None
            }
            // `1`, in a command of the shell.
            _ => loose(Spelling::Server, root.entries().to_vec()).checked(Some(&root), findings),
        }
    }

    /// Itself, if it has the list; otherwise says where the list is, or what could be meant.
    fn checked(self, root: Option<&Node>, findings: &mut Vec<Finding>) -> Option<Self> {
        let list = Spelling::Server.list();
        let sections = ["net", "storage", "security", "systemLog", "processManagement", "replication", "sharding"];
        let is_file = root.is_some_and(|root| sections.iter().any(|section| root.get(section).is_some()));
        if self.get(list).is_some() {
            if self.place == Place::Loose && is_file {
                let at = self.get(list).map_or(self.at, |member| member.at);
                let finding = Finding::fail(at, list, "a server's file has this under `setParameter`, not by itself");
                findings.push(finding.hint("indent it below a line `setParameter:`"));
            }
            return Some(self);
        }
        let names = self.members.iter().map(|member| member.key.as_str());
        let finding = match root.and_then(|root| find(root, list, "")) {
            Some((at, path)) => Finding::fail(at, path, format!("`{list}` belongs under `setParameter`")),
            None => match nearest(list, names).filter(|near| near.to_ascii_lowercase().contains("oidc")) {
                Some(near) => {
                    let at = self.get(near).map_or(self.at, |member| member.at);
                    let message = format!("unknown parameter `{}`", foreign(near));
                    Finding::fail(at, foreign(near), message).hint(format!("did you mean `{list}`?"))
                }
                None => {
                    Finding::fail(self.at, "", format!("no `{list}` in it: the server trusts no identity provider"))
                        .hint(EXAMPLE)
                }
            },
        };
        findings.push(finding);
        None
    }

    fn get(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == name)
    }

    /// The list of identity providers, out of its string where it is in one.
    fn list(&self, findings: &mut Vec<Finding>) -> Option<Node> {
        let name = self.spelling.list();
        let member = self.get(name)?;
        let node = match (&member.node.value, member.node.characters()) {
            (_, Some(characters)) => json::read(&characters, name, findings)?,
            _ => {
                self.refuse_what_is_no_string(member, findings);
                member.node.clone()
            }
        };
        match &node.value {
            Value::List(items) if items.is_empty() => {
                findings.push(Finding::warn(
                    node.at,
                    name,
                    "the list is empty: the server trusts no identity provider",
                ));
            }
            Value::List(_) => return Some(node),
            Value::Foreign(what) => {
                let finding = Finding::fail(node.at, name, format!("is {what}, which is not followed here"));
                findings.push(finding.hint("write the list itself"));
            }
            Value::Map(members) if members.iter().any(|one| matches!(one.key.as_str(), "__exec" | "__rest")) => {
                let message =
                    "comes from elsewhere when the server starts (`--configExpand`): it cannot be checked here";
                findings.push(
                    Finding::warn(node.at, name, message)
                        .hint("check what that gives: it can be piped to `mdb-login server check -`"),
                );
            }
            Value::Map(_) if member.node.text().is_some() || self.place == Place::Loose => {
                let finding = Finding::fail(node.at, name, "must be a list, not an object");
                findings.push(finding.hint("put `[` in front of it and `]` behind it"));
            }
            Value::Map(_) => {}
            _ => findings.push(Finding::fail(node.at, name, format!("must be a list, not {}", node.kind()))),
        }
        None
    }

    /// The server takes every value below `setParameter` for a string, and refuses to start with a list or a map.
    fn refuse_what_is_no_string(&self, member: &Member, findings: &mut Vec<Finding>) {
        let is_external = member.node.entries().iter().any(|one| matches!(one.key.as_str(), "__exec" | "__rest"));
        if self.place == Place::Start && matches!(member.node.value, Value::List(_) | Value::Map(_)) && !is_external {
            let message = format!("must be a string, not {}: the server refuses to start", member.node.kind());
            let finding = Finding::fail(member.node.at, foreign(&member.key), message);
            findings.push(match member.key.as_str() {
                "authenticationMechanisms" => finding.hint("write the names with commas: `SCRAM-SHA-256,MONGODB-OIDC`"),
                _ => finding.hint("put the list into single quotation marks, as JSON: `'[ { \"issuer\": … } ]'`"),
            });
        }
    }

    /// The parameters beside the list.
    fn judge(&self, release: Release, findings: &mut Vec<Finding>) {
        if let Some(member) = self.get("JWKSMinimumQuiescePeriodSecs") {
            let path = member.key.as_str();
            if !yaml::written(&member.node).parse::<i32>().is_ok_and(|seconds| seconds >= 0) {
                findings.push(Finding::fail(member.node.at, path, "must be a whole number of seconds, 0 or more"));
            } else if !release.has(&[Release::new(8, 1, 0)]) {
                let message = format!("MongoDB {release} may not know this parameter, and would refuse to start");
                findings.push(
                    Finding::warn(member.at, path, message)
                        .hint("it is known from 8.1 on; in Percona Server for MongoDB from 7.0.24 and 8.0.12 on"),
                );
            }
        }
        let name =
            if self.spelling == Spelling::Automation { "deploymentAuthMechanisms" } else { "authenticationMechanisms" };
        match self.get(name) {
            Some(member) => {
                self.refuse_what_is_no_string(member, findings);
                rules::judge_mechanisms(member, findings);
            }
            None if self.place == Place::Start || self.spelling == Spelling::Automation => {
                let message =
                    format!("`{name}` is not set here: without MONGODB-OIDC in it nobody can sign in with a token");
                let hint = "set it to `SCRAM-SHA-256,MONGODB-OIDC`, unless the server has it from elsewhere";
                findings.push(Finding::warn(self.at, "", message).hint(hint));
            }
            None => {}
        }
    }
}

const EXAMPLE: &str =
    "in mongod.conf it is `setParameter:` and below it `oidcIdentityProviders: '[ { \"issuer\": … } ]'`";

/// Where a name stands in a tree, first in order.
fn find(node: &Node, name: &str, path: &str) -> Option<(Position, String)> {
    node.entries().iter().find_map(|entry| {
        let path = join(path, &entry.key);
        if entry.key == name { Some((entry.at, path)) } else { find(&entry.node, name, &path) }
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { foreign(key) } else { format!("{path}.{}", foreign(key)) }
}

/// Names that are there twice. The server refuses one with two values; sections it puts together.
fn twice(members: &[Member], path: &str, findings: &mut Vec<Finding>) {
    for (index, member) in members.iter().enumerate() {
        let earlier = members.iter().take(index).find(|earlier| earlier.key == member.key);
        let is_section = matches!(member.node.value, Value::Map(_)) && member.key != "setParameter";
        if let Some(earlier) = earlier.filter(|_| !is_section) {
            let message = format!("`{}` stands in line {} already", foreign(&member.key), earlier.at.line);
            findings.push(Finding::fail(member.at, join(path, &member.key), message));
        }
    }
}

fn twice_within(node: &Node, path: &str, findings: &mut Vec<Finding>) {
    twice(node.entries(), path, findings);
    for entry in node.entries() {
        twice_within(&entry.node, &join(path, &entry.key), findings);
    }
}

//! One entry of `oidcIdentityProviders`, field by field: known names, right types, what is required, and what all of it
//! makes of an identity provider.

use super::fields::{
    self, AUDIENCE, AUTH_NAME_PREFIX, AUTHORIZATION_CLAIM, CLIENT_ID, ISSUER, JWKS_POLL_SECS, Kind, LOG_CLAIMS,
    MATCH_PATTERN, PRINCIPAL_NAME, REQUEST_SCOPES, SUPPORTS_HUMAN_FLOWS, Spelling, USE_AUTHORIZATION_CLAIM,
};
use super::release::Release;
use super::tree::{Entry as Member, Finding, Node, Position, Value};
use super::{Authorization, IdentityProvider};
use crate::ui::{foreign, nearest};

/// An entry whose fields can be asked for. What is missing or of another type is simply not there.
pub(super) struct Entry<'a> {
    /// Where it begins.
    pub at: Position,
    /// `oidcIdentityProviders[1]`.
    pub path: String,
    pub spelling: Spelling,
    given: Vec<(&'static str, &'a Node)>,
    /// Those of another type than theirs.
    wrong: Vec<&'static str>,
    /// It has every field that it needs, each of its type.
    is_whole: bool,
}

impl<'a> Entry<'a> {
    /// Takes an element of the list apart, with everything that is wrong with its form.
    pub fn read(node: &'a Node, index: usize, spelling: Spelling, findings: &mut Vec<Finding>) -> Option<Self> {
        let path = format!("{}[{index}]", spelling.list());
        let Value::Map(members) = &node.value else {
            let message = format!("must be an object with the fields of an identity provider, not {}", node.kind());
            findings.push(Finding::fail(node.at, path, message));
            return None;
        };
        let before = findings.len();
        let mut entry = Self { at: node.at, path, spelling, given: Vec::new(), wrong: Vec::new(), is_whole: true };
        let mut names: Vec<&str> = Vec::new();
        for member in members {
            if names.contains(&member.key.as_str()) {
                let message = format!("`{}` is given twice", foreign(&member.key));
                findings.push(Finding::fail(member.at, entry.path_of(&member.key), message));
                continue;
            }
            names.push(&member.key);
            entry.take(member, findings);
        }
        entry.require(&names, findings);
        entry.is_whole = findings.len() == before;
        Some(entry)
    }

    fn take(&mut self, member: &'a Member, findings: &mut Vec<Finding>) {
        let path = self.path_of(&member.key);
        let Some(field) = self.spelling.find(&member.key) else {
            findings.push(self.unknown(member, path));
            return;
        };
        if !field.kind.fits(&member.node) {
            findings.push(wrong_type(member, field.kind, path));
            self.wrong.push(field.name);
        } else if member.node.value != Value::Null {
            self.given.push((field.name, &member.node));
        }
    }

    fn unknown(&self, member: &Member, path: String) -> Finding {
        let key = &member.key;
        let finding = Finding::fail(member.at, path, format!("unknown field `{}`", foreign(key)));
        let elsewhere = match self.spelling {
            Spelling::Server => Spelling::Automation.find(key),
            Spelling::Automation => Spelling::Server.find(key),
        };
        let names = || fields::ALL.iter().map(|field| field.called(self.spelling));
        match (key.as_str(), elsewhere) {
            (_, Some(field)) => {
                finding.hint(format!("it is called `{}` in `{}`", field.called(self.spelling), self.spelling.list()))
            }
            ("clientSecret", _) => {
                finding.hint("the server needs no secret: it signs nobody in itself; remove it, and have it replaced")
            }
            ("JWKSMinimumQuiescePeriodSecs", _) => {
                finding.hint("it is a parameter of its own, beside `oidcIdentityProviders`")
            }
            ("JWKSUri" | "jwksUri" | "authorizationEndpoint" | "tokenEndpoint" | "deviceAuthorizationEndpoint", _) => {
                finding.hint("leave it out: the server finds it in the issuer's discovery document")
            }
            _ => match nearest(key, names()) {
                Some(near) => finding.hint(format!("did you mean `{near}`?")),
                None => finding.hint(format!("the fields are {}", names().collect::<Vec<_>>().join(", "))),
            },
        }
    }

    /// What every entry needs, and what some do. A field that is there with a wrong value, or by a wrong name, has been
    /// named already.
    fn require(&self, names: &[&str], findings: &mut Vec<Finding>) {
        let mut need = |field: &'static str, why: &str, hint: &str| {
            let called = self.spelling.name(field);
            let is_meant = |name: &&str| self.spelling.find(name).is_none() && nearest(name, [called]).is_some();
            if self.node(field).is_none() && !self.wrong.contains(&field) && !names.iter().any(is_meant) {
                let finding = Finding::fail(self.at, self.path.clone(), format!("`{called}` is missing: {why}"));
                findings.push(finding.hint(hint));
            }
        };
        need(ISSUER, "it has to equal `iss` in the tokens", "take it from the provider's discovery document");
        need(
            AUDIENCE,
            "it has to equal `aud` in the tokens",
            "take the value of `aud` from a token that is meant for MongoDB",
        );
        need(
            AUTH_NAME_PREFIX,
            "the names of users and roles begin with it",
            "choose a short name for the provider, such as `corp`",
        );
        if self.is_human() {
            let switch = self.spelling.name(SUPPORTS_HUMAN_FLOWS);
            let hint = format!("add the client id, or `{switch}: false` if only programs sign in");
            need(CLIENT_ID, "people sign in with it", &hint);
        }
        if self.uses_claim() {
            let switch = self.spelling.name(USE_AUTHORIZATION_CLAIM);
            let hint = format!("add it, or `{switch}: false` if roles are given to users in `$external`");
            need(AUTHORIZATION_CLAIM, "it names the claim with the groups", &hint);
        }
    }

    /// The path of one of its fields, named as it is written.
    pub fn path_of(&self, key: &str) -> String {
        format!("{}.{}", self.path, foreign(key))
    }

    /// The path of a field, by the server's name.
    pub fn path_to(&self, field: &'static str) -> String {
        self.path_of(self.spelling.name(field))
    }

    pub fn node(&self, field: &str) -> Option<&'a Node> {
        self.given.iter().find(|(name, _)| *name == field).map(|(_, node)| *node)
    }

    pub fn text(&self, field: &str) -> Option<&'a str> {
        self.node(field)?.text()
    }

    pub fn texts(&self, field: &str) -> Option<&'a [Node]> {
        match &self.node(field)?.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// On unless it is off, or says what no switch says: nothing follows from that.
    fn switch(&self, field: &str) -> bool {
        self.node(field).is_none_or(|node| node.value == Value::Bool(true)) && !self.wrong.contains(&field)
    }

    /// `supportsHumanFlows`.
    pub fn is_human(&self) -> bool {
        self.switch(SUPPORTS_HUMAN_FLOWS)
    }

    /// `useAuthorizationClaim`.
    pub fn uses_claim(&self) -> bool {
        self.switch(USE_AUTHORIZATION_CLAIM)
    }

    /// `JWKSPollSecs`, if given.
    pub fn poll_secs(&self) -> Option<u32> {
        match &self.node(JWKS_POLL_SECS)?.value {
            Value::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Fields that the release does not know.
    pub fn judge_release(&self, release: Release, findings: &mut Vec<Finding>) {
        for field in fields::ALL.iter().filter(|field| !release.has(field.since) && !field.since.is_empty()) {
            let Some(node) = self.node(field.name) else { continue };
            let since: Vec<String> = field.since.iter().map(ToString::to_string).collect();
            let message = format!("MongoDB {release} does not know this field: it came with {}", since.join(" and "));
            findings.push(Finding::fail(node.at, self.path_to(field.name), message));
        }
    }

    /// The provider, unless something that it needs is missing.
    pub fn provider(&self) -> Option<IdentityProvider> {
        if !self.is_whole {
            return None;
        }
        let text = |field| self.text(field).map(str::to_owned);
        let texts = |field| -> Option<Vec<String>> {
            Some(self.texts(field)?.iter().filter_map(Node::text).map(str::to_owned).collect())
        };
        Some(IdentityProvider {
            issuer: text(ISSUER)?,
            audience: text(AUDIENCE)?,
            auth_name_prefix: text(AUTH_NAME_PREFIX)?,
            match_pattern: text(MATCH_PATTERN),
            client_id: text(CLIENT_ID),
            request_scopes: texts(REQUEST_SCOPES).unwrap_or_default(),
            supports_human_flows: self.is_human(),
            principal_name: text(PRINCIPAL_NAME).unwrap_or_else(|| super::DEFAULT_PRINCIPAL_NAME.to_owned()),
            authorization: match text(AUTHORIZATION_CLAIM) {
                Some(claim) if self.uses_claim() => Authorization::GroupMembership(claim),
                _ => Authorization::UserId,
            },
            log_claims: texts(LOG_CLAIMS),
            jwks_poll_secs: self.poll_secs(),
        })
    }
}

fn wrong_type(member: &Member, kind: Kind, path: String) -> Finding {
    let node = &member.node;
    if let (Kind::Texts, Value::List(items)) = (kind, &node.value)
        && let Some((index, item)) = items.iter().enumerate().find(|(_, item)| item.text().is_none())
    {
        return Finding::fail(item.at, format!("{path}[{index}]"), format!("must be a string, not {}", item.kind()));
    }
    let found = match &node.value {
        Value::Foreign(what) => format!("{what}, which is not followed here"),
        Value::Number(number) => foreign(number),
        _ => node.kind().to_owned(),
    };
    let finding = Finding::fail(node.at, path, format!("must be {}, not {found}", kind.wanted()));
    match (kind, node.text()) {
        (Kind::Texts, Some(text)) => finding.hint(format!("write {}", serde_json::json!([foreign(text)]))),
        (Kind::Switch, Some("true" | "false")) => finding.hint("leave the quotation marks out"),
        (Kind::Seconds, Some(text)) if text.parse::<u32>().is_ok() => finding.hint("leave the quotation marks out"),
        (_, None) if matches!(node.value, Value::Foreign(_)) => finding.hint("write the value itself"),
        _ => finding,
    }
}

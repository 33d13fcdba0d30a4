//! From what an administrator chooses to the identity provider that a server is told of. The rules are those of MongoDB's
//! manual; each refusal names the flag that it is about.

use super::emit::{Grant, Principals};
use super::{Authorization, IdentityProvider};
use crate::ui::is_all_visible;
use crate::vendor::recipe::{People, Programs, Recipe, fill};

/// What the administrator says; the rest comes from [`Base`].
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// `--name`
    pub name: Option<String>,
    /// `--request-scope`
    pub request_scopes: Vec<String>,
    /// `--authorization`
    pub authorize: Option<Authorize>,
    /// `--user-claim`
    pub user_claim: Option<String>,
    /// `--group-claim`
    pub group_claim: Option<String>,
    /// `--match-pattern`
    pub match_pattern: Option<String>,
    /// `--jwks-poll`, in seconds.
    pub jwks_poll_secs: Option<u32>,
    /// `--group`
    pub groups: Vec<String>,
    /// `--user`
    pub users: Vec<String>,
    /// `--grant`, each as `ROLE@DATABASE`.
    pub grants: Vec<String>,
}

/// Where roles come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorize {
    Groups,
    User,
}

/// What is known without a choice: from the profile, and of the vendor.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    /// The profile, after which the configuration is called unless it has a name.
    pub profile: Option<&'a str>,
    pub whose: Whose<'a>,
}

/// Whose tokens the server is to take.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Of people, who sign in with a client.
    People {
        client_id: &'a str,
        /// The scopes that somebody has chosen for the sign-in.
        scopes: Option<&'a [String]>,
        recipe: &'a People,
    },
    Programs(&'a Programs),
}

impl<'a> Whose<'a> {
    fn recipe(self) -> &'a Recipe {
        match self {
            Self::People { recipe, .. } => &recipe.recipe,
            Self::Programs(programs) => &programs.recipe,
        }
    }

    /// Where roles come from unless somebody says so. Programs are few, and each is given its own.
    fn usual(self) -> Authorize {
        match self {
            Self::People { recipe, .. } if recipe.recipe.group_claim.is_some() => Authorize::Groups,
            _ => Authorize::User,
        }
    }
}

/// What a flag says that a server must not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub flag: &'static str,
    /// The rest of a sentence that starts with the flag.
    pub why: String,
}

fn refuse<T>(flag: &'static str, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { flag, why: why.into() })
}

/// Scopes that clients ask for by themselves (MongoDB's rules for workforce clients).
const USUAL_SCOPES: [&str; 2] = ["openid", "offline_access"];

/// The longest text: a claim's name, a group's.
const TEXT_MAX: usize = 1024;

impl Choices {
    /// The identity provider.
    pub fn decide(&self, base: &Base<'_>) -> Result<IdentityProvider, Refusal> {
        if base.issuer.is_empty() {
            return refuse("--issuer", "is missing");
        }
        let (client_id, request_scopes) = match base.whose {
            Whose::People { client_id: "", .. } => {
                return refuse("--client-id", "is missing: people sign in with it");
            }
            Whose::People { client_id, scopes, recipe } => {
                (Some(client_id.to_owned()), self.scopes(client_id, scopes, recipe)?)
            }
            Whose::Programs(_) => {
                self.refuse_for_programs(base)?;
                (None, Vec::new())
            }
        };
        text("--audience", base.audience)?;
        let (user_claim, authorization) = self.claims(base.whose)?;
        if let Some(pattern) = &self.match_pattern {
            text("--match-pattern", pattern)?;
        }
        Ok(IdentityProvider {
            issuer: base.issuer.to_owned(),
            audience: base.audience.to_owned(),
            auth_name_prefix: self.prefix(base)?,
            match_pattern: self.match_pattern.clone(),
            supports_human_flows: client_id.is_some(),
            client_id,
            request_scopes,
            principal_name: user_claim,
            authorization,
            log_claims: None,
            jwks_poll_secs: self.jwks_poll_secs,
        })
    }

    /// What a server has no use for where nobody signs in: programs bring their token along, and no user name.
    fn refuse_for_programs(&self, base: &Base<'_>) -> Result<(), Refusal> {
        if !self.request_scopes.is_empty() {
            return refuse("--request-scope", "means nothing where only programs sign in: nobody is asked for scopes");
        }
        if self.match_pattern.is_some() {
            return refuse(
                "--match-pattern",
                "means nothing where only programs sign in: it chooses among providers of people",
            );
        }
        if base.audience.is_empty() {
            return refuse("--audience", "is missing: programs have no client id that could stand for it");
        }
        Ok(())
    }

    /// The claim that names the user, and where roles come from.
    pub fn claims(&self, whose: Whose<'_>) -> Result<(String, Authorization), Refusal> {
        let user_claim = self.user_claim.as_deref().unwrap_or(whose.recipe().user_claim);
        text("--user-claim", user_claim)?;
        Ok((user_claim.to_owned(), self.authorization(whose)?))
    }

    /// Whom to create for `provider`, and what to grant them.
    pub fn principals(&self, provider: &IdentityProvider) -> Result<Principals, Refusal> {
        let (flag, names) = match &provider.authorization {
            Authorization::GroupMembership(_) if !self.users.is_empty() => {
                return refuse(
                    "--user",
                    "has no roles of its own where they come from groups: add `--authorization user`",
                );
            }
            Authorization::UserId if !self.groups.is_empty() => {
                return refuse(
                    "--group",
                    "says nothing where users are authorized one by one: name them with `--user`",
                );
            }
            Authorization::GroupMembership(_) => ("--group", &self.groups),
            Authorization::UserId => ("--user", &self.users),
        };
        names.iter().try_for_each(|name| text(flag, name))?;
        let grants = self.grants.iter().map(|grant| read_grant(grant)).collect::<Result<_, _>>()?;
        Ok(Principals { names: names.clone(), grants })
    }

    fn authorization(&self, whose: Whose<'_>) -> Result<Authorization, Refusal> {
        let recipe = whose.recipe();
        let by = match self.authorize {
            Some(by) => by,
            None if self.group_claim.is_some() => Authorize::Groups,
            None => whose.usual(),
        };
        match (by, self.group_claim.as_deref(), recipe.group_claim) {
            (Authorize::User, None, _) => Ok(Authorization::UserId),
            (Authorize::User, Some(_), _) => refuse(
                "--group-claim",
                "does not go with `--authorization user`: roles then come from the server's own users",
            ),
            (Authorize::Groups, Some(claim), _) | (Authorize::Groups, None, Some(claim)) => {
                text("--group-claim", claim)?;
                Ok(Authorization::GroupMembership(claim.to_owned()))
            }
            (Authorize::Groups, None, None) => refuse(
                "--group-claim",
                format!("is missing: tokens of {} list no groups by themselves", recipe.product),
            ),
        }
    }

    fn prefix(&self, base: &Base<'_>) -> Result<String, Refusal> {
        let name = match (&self.name, base.profile) {
            (Some(name), _) => name,
            (None, Some(profile)) => profile,
            (None, None) => {
                return refuse("--name", "is missing: names of users and roles begin with it, as in `NAME/group`");
            }
        };
        let whose = if self.name.is_some() { "" } else { "is the profile's name unless it is given, and " };
        match check_name(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(why) => refuse("--name", format!("{whose}{why}")),
        }
    }

    fn scopes(&self, client_id: &str, chosen: Option<&[String]>, recipe: &People) -> Result<Vec<String>, Refusal> {
        let scopes: Vec<String> = match (self.request_scopes.as_slice(), chosen) {
            ([], Some(scopes)) => {
                scopes.iter().filter(|scope| !USUAL_SCOPES.contains(&scope.as_str())).cloned().collect()
            }
            ([], None) => recipe.scopes.iter().map(|scope| fill(scope, &[("client_id", client_id)])).collect(),
            (given, _) => given.iter().flat_map(|words| words.split(' ')).map(str::to_owned).collect(),
        };
        // RFC 6749 §3.3.
        let is_scope = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        match scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(is_scope)) {
            Some(_) => refuse("--request-scope", "may hold visible ASCII characters only, without `\"` and `\\`"),
            None => Ok(scopes),
        }
    }
}

/// A configuration's name: `authNamePrefix`.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) {
        return Err("must be 1 to 128 letters, digits, `_` and `-`".to_owned());
    }
    Ok(())
}

/// The name of a claim, a group or a user. It has to show as it is, so that what an administrator reads is what a server
/// compares.
pub fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > TEXT_MAX {
        return Err(format!("is longer than {TEXT_MAX} bytes"));
    }
    if text.trim() != text {
        return Err("starts or ends with a space".to_owned());
    }
    if !is_all_visible(text) {
        return Err("contains a character that does not show".to_owned());
    }
    Ok(())
}

fn text(flag: &'static str, text: &str) -> Result<(), Refusal> {
    check_text(text).map_err(|why| Refusal { flag, why })
}

fn read_grant(grant: &str) -> Result<Grant, Refusal> {
    const FLAG: &str = "--grant";
    let Some((role, database)) = grant.rsplit_once('@') else {
        return refuse(FLAG, "must be written `ROLE@DATABASE`, such as `readWrite@app`");
    };
    text(FLAG, role)?;
    text(FLAG, database)?;
    // MongoDB manual, "MongoDB Limits and Thresholds": names of databases.
    if database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?']) {
        return refuse(FLAG, "has a name of a database that no database can have");
    }
    Ok(Grant { role: role.to_owned(), database: database.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;

    fn of_people(vendor: Vendor) -> Whose<'static> {
        Whose::People { client_id: "0oa1", scopes: None, recipe: vendor.people().unwrap() }
    }

    fn base(vendor: Vendor) -> Base<'static> {
        Base { issuer: "https://login.example.com", audience: "0oa1", profile: Some("prod"), whose: of_people(vendor) }
    }

    fn for_programs(vendor: Vendor) -> Base<'static> {
        Base { whose: Whose::Programs(vendor.programs().unwrap()), ..base(Vendor::Generic) }
    }

    #[test]
    fn what_is_not_chosen_comes_from_profile_and_vendor() {
        let chosen = |vendor, choices: Choices| choices.decide(&base(vendor)).unwrap();
        let entra = chosen(Vendor::Entra, Choices::default());
        assert_eq!(entra.auth_name_prefix, "prod");
        assert_eq!(entra.request_scopes, ["0oa1/.default"]);
        assert_eq!(entra.principal_name, "upn");
        assert_eq!(entra.authorization, Authorization::GroupMembership("groups".to_owned()));
        assert!(entra.supports_human_flows);

        let google = chosen(Vendor::Google, Choices::default());
        assert_eq!((google.principal_name.as_str(), &google.authorization), ("email", &Authorization::UserId));
        let google = chosen(Vendor::Google, Choices { group_claim: Some("hd".to_owned()), ..Choices::default() });
        assert_eq!(google.authorization, Authorization::GroupMembership("hd".to_owned()));

        let scopes = ["openid", "offline_access", "groups"].map(str::to_owned);
        let recipe = Vendor::Entra.people().unwrap();
        let whose = Whose::People { client_id: "0oa1", scopes: Some(&scopes), recipe };
        let base = Base { whose, ..base(Vendor::Entra) };
        assert_eq!(Choices::default().decide(&base).unwrap().request_scopes, ["groups"]);
        let given = Choices { request_scopes: vec!["openid a".to_owned(), "b".to_owned()], ..Choices::default() };
        assert_eq!(given.decide(&base).unwrap().request_scopes, ["openid", "a", "b"]);
    }

    #[test]
    fn what_a_server_must_not_be_told_is_refused_by_its_flag() {
        let some = |text: &str| Some(text.to_owned());
        let long = "x".repeat(2000);
        let rows = [
            (Choices { name: some(""), ..Choices::default() }, "--name", "must be 1 to 128 letters"),
            (Choices { name: some("a b"), ..Choices::default() }, "--name", "must be 1 to 128 letters"),
            (Choices { name: some("a/b"), ..Choices::default() }, "--name", "must be 1 to 128 letters"),
            (Choices { name: some("é"), ..Choices::default() }, "--name", "must be 1 to 128 letters"),
            (Choices { name: some(&long), ..Choices::default() }, "--name", "must be 1 to 128 letters"),
            (Choices { user_claim: some(""), ..Choices::default() }, "--user-claim", "is empty"),
            (Choices { user_claim: some(" sub"), ..Choices::default() }, "--user-claim", "a space"),
            (Choices { user_claim: some(&long), ..Choices::default() }, "--user-claim", "is longer than 1024"),
            (Choices { group_claim: some("a\nb"), ..Choices::default() }, "--group-claim", "does not show"),
            (Choices { group_claim: some("a\u{202e}b"), ..Choices::default() }, "--group-claim", "does not show"),
            (Choices { match_pattern: some("\u{7}"), ..Choices::default() }, "--match-pattern", "does not show"),
            (
                Choices { request_scopes: vec!["a\"b".to_owned()], ..Choices::default() },
                "--request-scope",
                "visible ASCII",
            ),
            (Choices { request_scopes: vec![String::new()], ..Choices::default() }, "--request-scope", "visible ASCII"),
            (
                Choices { authorize: Some(Authorize::User), group_claim: some("groups"), ..Choices::default() },
                "--group-claim",
                "does not go with",
            ),
        ];
        for (choices, flag, says) in rows {
            let refusal = choices.decide(&base(Vendor::Generic)).unwrap_err();
            assert!(refusal.flag == flag && refusal.why.contains(says), "{choices:?}: {refusal:?}");
        }
        let groups = Choices { authorize: Some(Authorize::Groups), ..Choices::default() };
        assert_eq!(groups.decide(&base(Vendor::Google)).unwrap_err().flag, "--group-claim");

        let nameless = Whose::People { client_id: "", scopes: None, recipe: Vendor::Generic.people().unwrap() };
        for (base, flag) in [
            (Base { issuer: "", ..base(Vendor::Generic) }, "--issuer"),
            (Base { whose: nameless, ..base(Vendor::Generic) }, "--client-id"),
            (Base { audience: "", ..base(Vendor::Generic) }, "--audience"),
            (Base { profile: None, ..base(Vendor::Generic) }, "--name"),
            (Base { profile: Some("a.b"), ..base(Vendor::Generic) }, "--name"),
        ] {
            assert_eq!(Choices::default().decide(&base).unwrap_err().flag, flag);
        }
    }

    #[test]
    fn programs_have_no_client_and_are_authorized_one_by_one() {
        for vendor in [Vendor::Entra, Vendor::Google, Vendor::Kubernetes, Vendor::Github, Vendor::Generic] {
            let provider = Choices::default().decide(&for_programs(vendor)).unwrap();
            let mut expected = IdentityProvider::new("https://login.example.com", "0oa1");
            (expected.auth_name_prefix, expected.supports_human_flows) = ("prod".to_owned(), false);
            assert_eq!(provider, expected, "{vendor:?}");
        }
        let by_groups = Choices { authorize: Some(Authorize::Groups), ..Choices::default() };
        let groups = |claim: &str| Authorization::GroupMembership(claim.to_owned());
        assert_eq!(by_groups.decide(&for_programs(Vendor::Entra)).unwrap().authorization, groups("groups"));
        let refusal = by_groups.decide(&for_programs(Vendor::Google)).unwrap_err();
        assert_eq!((refusal.flag, refusal.why.contains("Google Cloud")), ("--group-claim", true));
        let roles = Choices { group_claim: Some("roles".to_owned()), ..Choices::default() };
        assert_eq!(roles.decide(&for_programs(Vendor::Entra)).unwrap().authorization, groups("roles"));

        for (choices, flag) in [
            (Choices { request_scopes: vec!["a".to_owned()], ..Choices::default() }, "--request-scope"),
            (Choices { match_pattern: Some("a".to_owned()), ..Choices::default() }, "--match-pattern"),
        ] {
            assert_eq!(choices.decide(&for_programs(Vendor::Generic)).unwrap_err().flag, flag);
        }
        let refusal = Choices::default().decide(&Base { audience: "", ..for_programs(Vendor::Github) }).unwrap_err();
        assert_eq!((refusal.flag, refusal.why.contains("is missing")), ("--audience", true));
    }

    #[test]
    fn principals_are_those_of_the_authorization() {
        let one = |name: &str| vec![name.to_owned()];
        let by = |authorize| Choices { authorize: Some(authorize), ..Choices::default() };
        let groups = by(Authorize::Groups).decide(&base(Vendor::Generic)).unwrap();
        let users = by(Authorize::User).decide(&base(Vendor::Generic)).unwrap();

        let choices = Choices { groups: one("it's \"all\""), grants: one("readWrite@app"), ..Choices::default() };
        let principals = choices.principals(&groups).unwrap();
        assert_eq!(principals.names, ["it's \"all\""]);
        assert_eq!(principals.grants[0], Grant { role: "readWrite".to_owned(), database: "app".to_owned() });
        assert_eq!(choices.principals(&users).unwrap_err().flag, "--group");
        let choices = Choices { users: one("ada@example.com"), ..Choices::default() };
        assert_eq!(choices.principals(&users).unwrap().names, ["ada@example.com"]);
        assert_eq!(choices.principals(&groups).unwrap_err().flag, "--user");

        for grant in ["readWrite", "@app", "readWrite@", "a@b.c", "a@$external", "a@b c", "a\n@b"] {
            let choices = Choices { grants: one(grant), ..Choices::default() };
            assert_eq!(choices.principals(&groups).unwrap_err().flag, "--grant", "{grant}");
        }
        for name in ["", "a\u{1b}[2Jb", " a"] {
            let choices = Choices { groups: one(name), ..Choices::default() };
            assert_eq!(choices.principals(&groups).unwrap_err().flag, "--group", "{name:?}");
        }
    }
}

//! What mends a flaw, in the words of whose product the provider is: the page, the field and the value there, or the
//! setting of MongoDB's server. Commands of this program are added by those who know the profile.

use super::flaw::{Flaw, NearMiss};
use super::presented::{Around, NoToken};
use crate::oidc::NotJwt;
use crate::ui::foreign;
use crate::vendor::Vendor;

/// How to mend `flaw` at a provider of `vendor`'s; safe to show. `None` where there is nothing to be done, or where the
/// flaw says it.
pub fn mend(flaw: &Flaw, vendor: Vendor) -> Option<String> {
    let words = match flaw {
        Flaw::NoToken(why) => no_token(*why),
        Flaw::Around(around) => around_it(*around),
        Flaw::NotJwt(why) => not_jwt(why, vendor),
        Flaw::NearlyTooLong(_) => fewer_groups(vendor),
        Flaw::Type(_) => kind(vendor),
        Flaw::Algorithm(_) => algorithm(vendor),
        Flaw::NewAlgorithm(_) => "see that every server is new enough, or have tokens signed with RS256",
        Flaw::NoKeyId => key_id(vendor),
        Flaw::Issuer { .. } => return Some(issuer(flaw, vendor)),
        Flaw::Audience { .. } if flaw.is_microsoft_graph() => {
            "ask for a scope of your own application, `<client id>/.default`: where none is asked for, Entra ID gives a \
             token for Microsoft Graph, which nobody else can verify"
        }
        Flaw::Audience { .. } | Flaw::AudienceType(_) => audience(vendor),
        Flaw::ManyAudiences(_) => many_audiences(vendor),
        Flaw::NoSubject => subject(vendor),
        Flaw::NoExpiry | Flaw::Time { .. } => "have the provider write times as numbers, and `exp` into every token",
        Flaw::Expired(_) => "get a new one: `mdb-login token --force-refresh`",
        Flaw::NotYet(_) => "compare the clocks of the provider and of the MongoDB server",
        Flaw::KeySet(_) => key_set(vendor),
        Flaw::UnknownKey(_) => unknown_key(vendor),
        Flaw::UnusedKey(_) | Flaw::WrongKey(_) => algorithm(vendor),
        Flaw::Signature => {
            "see that it was copied whole and not changed; if it was, it is not from this provider, whatever its `iss` says"
        }
        Flaw::NoPrincipal(_) | Flaw::PrincipalType { .. } | Flaw::PrincipalName(_) => principal(vendor),
        Flaw::NoGroups(_) | Flaw::EmptyGroups(_) => groups(vendor),
        Flaw::Overage(_) => {
            "App registrations > Token configuration > groups claim: choose \"Groups assigned to the application\", and \
             assign only groups that mean something to MongoDB; or take roles from app roles (`roles`)"
        }
        Flaw::GroupsType { .. } | Flaw::GroupName(_) => groups_type(vendor),
        Flaw::Clock(_) => "set the clock by a time server; servers look at `exp` without leeway",
        Flaw::ShortLife(_) => lifetime(vendor, "let access tokens live for longer, an hour for instance"),
        Flaw::LongLife { .. } => {
            lifetime(vendor, "let access tokens live for an hour or so; a session is renewed anyway")
        }
        Flaw::IdToken(_) => id_token(vendor),
    };
    Some(words.to_owned()).filter(|words| !words.is_empty())
}

fn no_token(why: NoToken) -> &'static str {
    match why {
        NoToken::Object => "if it is an error's answer, mend that first; the token is asked for at the token endpoint",
        NoToken::Html => "a portal or an error page has answered in place of the provider: look at it in a browser",
        NoToken::Empty | NoToken::Binary => "",
    }
}

fn around_it(around: Around) -> &'static str {
    match around {
        Around::LineBreak | Around::Space => {
            "write the token alone, without a line break: `mdb-login token --token-file PATH`, or `printf %s` in place of \
             `echo`; drivers send the file as it is"
        }
        Around::Utf16 | Around::ByteOrderMark => {
            "write it as plain ASCII: `mdb-login token --token-file PATH`, or `Out-File -Encoding ascii -NoNewline`"
        }
        Around::Quotes | Around::Bearer | Around::Object(_) => {
            "hand over the token alone, from its `eyJ` to the end of its third part"
        }
    }
}

fn not_jwt(why: &NotJwt, vendor: Vendor) -> &'static str {
    match (why, vendor) {
        (NotJwt::Opaque, Vendor::Entra) => {
            "ask for a scope of your own application, `<client id>/.default`; tokens for Microsoft's own services may have \
             any form"
        }
        (NotJwt::Opaque, Vendor::Okta) => {
            "use a custom authorization server (issuer `https://<domain>/oauth2/<id>`); tokens of the org server are for \
             Okta alone"
        }
        (NotJwt::Opaque | NotJwt::Encrypted, Vendor::Auth0) => {
            "ask for an API of your own by its identifier (Applications > APIs); without one, Auth0 gives a token that only \
             it can read"
        }
        (NotJwt::Opaque, Vendor::Google | Vendor::Ping) => {
            "hand out the ID token, and set the server up for ID tokens (`audience` is the client id)"
        }
        (NotJwt::Opaque, Vendor::Kubernetes | Vendor::Github) => {
            "tokens of this platform are JWTs: see that this is one, and not a part of it"
        }
        (NotJwt::Opaque, Vendor::Keycloak) => {
            "Keycloak's access tokens are JWTs: see that this is one, and not a part of it or a session's id"
        }
        (NotJwt::Opaque, Vendor::Generic) => {
            "have the provider give JWTs as access tokens (Okta: a custom authorization server; Auth0: an API of your own), \
             or hand out the ID token and set the server up for ID tokens"
        }
        (NotJwt::Encrypted, Vendor::Entra) => {
            "App registrations > Token encryption: deactivate the certificate, or remove `tokenEncryptionKeyId` from the manifest"
        }
        (NotJwt::Encrypted, _) => {
            "switch encryption of access tokens off for this client; MongoDB reads signed ones only"
        }
        (NotJwt::TooLong, _) => fewer_groups(vendor),
        (NotJwt::Unsigned | NotJwt::NotBase64url(_) | NotJwt::NotJson { .. }, _) => {
            "see that it was copied whole; a good one has three parts of base64url, without `=` at their ends"
        }
    }
}

fn fewer_groups(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Entra => {
            "App registrations > Token configuration > groups claim: choose \"Groups assigned to the application\"; servers \
             take 16 KiB before somebody has signed in"
        }
        Vendor::Okta => {
            "narrow the filter of the groups claim (Security > API > Authorization Servers > Claims); servers take 16 KiB \
             before somebody has signed in"
        }
        Vendor::Keycloak => {
            "take mappers away that this client does not need, such as those of the client scope `roles`; servers take \
             16 KiB before somebody has signed in"
        }
        Vendor::Ping | Vendor::Auth0 | Vendor::Google | Vendor::Kubernetes | Vendor::Github | Vendor::Generic => {
            "put fewer groups and claims into it; servers take 16 KiB before somebody has signed in"
        }
    }
}

fn kind(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "Clients > (the client) > Advanced > Advanced settings: switch off \"Use \"at+jwt\" as access token header type\" \
             (Keycloak 26.2 or later)"
        }
        Vendor::Auth0 => "Applications > APIs > (the API) > Settings > JSON Web Token (JWT) Profile: choose `Auth0`",
        Vendor::Okta => {
            "use a custom authorization server (issuer `https://<domain>/oauth2/<id>`); tokens of the org server are for \
             Okta alone"
        }
        Vendor::Kubernetes | Vendor::Github => {
            "this platform writes `JWT` or nothing: see that the token is really from there"
        }
        Vendor::Entra | Vendor::Ping | Vendor::Google | Vendor::Generic => {
            "have the provider write `JWT` as the type of access tokens, and not `at+jwt` as RFC 9068 has it; where it \
             cannot, hand out the ID token and set the server up for ID tokens"
        }
    }
}

fn algorithm(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "Clients > (the client) > Advanced > Fine grain OpenID Connect configuration > Access token signature algorithm: \
             `RS256`; for all clients: Realm settings > Tokens > Default signature algorithm"
        }
        Vendor::Auth0 => {
            "Applications > APIs > (the API) > Settings > JSON Web Token (JWT) Signing Algorithm: choose `RS256`"
        }
        Vendor::Entra | Vendor::Okta | Vendor::Google | Vendor::Github => {
            "this provider signs with RS256: see that the token is really from there"
        }
        Vendor::Kubernetes => "have the API server sign with an RSA key (`--service-account-signing-key-file`)",
        Vendor::Ping | Vendor::Generic => "have access tokens signed with RS256",
    }
}

fn key_id(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Ping => {
            "PingFederate: Access Token Management > (the instance) > Include Key ID Header Parameter, and sign with a key \
             that its JWKS has"
        }
        Vendor::Entra
        | Vendor::Okta
        | Vendor::Keycloak
        | Vendor::Auth0
        | Vendor::Google
        | Vendor::Kubernetes
        | Vendor::Github => {
            "this provider names its key in every token that it signs: see that the token is really from there"
        }
        Vendor::Generic => "have the provider name its signing key in the header (`kid`), as its JWKS does",
    }
}

/// What is written where, as the token has it: the server's `issuer` may be wrong, and so may the token's.
fn issuer(flaw: &Flaw, vendor: Vendor) -> String {
    let found = match flaw {
        Flaw::Issuer { found: Some(serde_json::Value::String(found)), .. } => Some(foreign(found)),
        _ => None,
    };
    let Some(found) = found else { return "have the provider write its issuer into `iss`".to_owned() };
    let at_the_server =
        format!("set the server's `issuer` to `{found}`, byte for byte, if that is the provider that is meant");
    let at_the_provider = match (flaw.nearly(), vendor) {
        (Some(NearMiss::Slash | NearMiss::Case), _) => {
            return format!("set the server's `issuer` to `{found}`, byte for byte");
        }
        (Some(NearMiss::EntraVersion), _) => {
            "App registrations > Manifest: set `requestedAccessTokenVersion` (formerly `accessTokenAcceptedVersion`) to 2 for \
             tokens of version 2.0, or to 1 for the other"
        }
        (None, Vendor::Okta) => {
            "tokens carry the issuer of the authorization server that gave them (Security > API > Authorization Servers > \
             Issuer): sign in at the same one that the server expects"
        }
        (None, Vendor::Keycloak) => {
            "`iss` is the public address: see Realm settings > General > Frontend URL, and Keycloak's option `hostname`"
        }
        (None, Vendor::Kubernetes) => {
            "`iss` is what the API server has as `--service-account-issuer`, the first one if there are several"
        }
        (None, Vendor::Auth0) => "with a custom domain, tokens carry the domain at which they were asked for",
        (None, _) => return at_the_server,
    };
    format!("{at_the_provider}; or {at_the_server}")
}

fn audience(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Entra => {
            "ask for the scope `<client id>/.default`; tokens of version 2.0 have the client id as their audience, those of \
             version 1.0 the application's URI (`api://…`): set the server's `audience` to the one that it gets"
        }
        Vendor::Okta => {
            "Security > API > Authorization Servers > (the server) > Audience: what the MongoDB server has as its `audience`"
        }
        Vendor::Ping => {
            "Applications > Resources > (the resource) > Audience, and ask for one of its scopes; or set the server's \
             `audience` to that of the tokens"
        }
        Vendor::Keycloak => {
            "Clients > (the client) > Client scopes > (its dedicated scope) > Add mapper > Audience, with \"Add to access \
             token\" on"
        }
        Vendor::Auth0 => {
            "ask for the API whose identifier is the server's `audience` (`--auth-param audience=IDENTIFIER`)"
        }
        Vendor::Google => {
            "for people the server's `audience` is the client id, which is all that Google's ID tokens are for; a program asks \
             for the server's `audience` by name"
        }
        Vendor::Kubernetes => {
            "project the token for the server's audience (`serviceAccountToken: { audience: … }`), or ask for one with \
             `--identity NAMESPACE/NAME`"
        }
        Vendor::Github => {
            "ask for a token for the server's audience: `audience` in the profile, or `MDB_LOGIN_AUDIENCE`"
        }
        Vendor::Generic => {
            "have the provider put the server's audience into access tokens (Keycloak: an audience mapper; Okta: the \
             authorization server's audience), or set the server's `audience` to that of the tokens"
        }
    }
}

fn many_audiences(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "the second is mostly `account`, from the mapper \"audience resolve\" of the client scope `roles`: take that scope \
             away from the client, or switch off \"Full scope allowed\""
        }
        Vendor::Auth0 => {
            "Auth0 adds its `userinfo` as soon as `openid` is asked for: hand out the ID token, and set the server's \
             `audience` to the client id"
        }
        _ => "have the provider write one audience only; MongoDB takes no other, though Percona's server does",
    }
}

fn subject(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "Clients > (the client) > Client scopes: add `basic`, which brings `sub` (Keycloak 25 or later), and switch off \
             lightweight access tokens"
        }
        _ => "have the provider put `sub` into access tokens; servers want it even where another claim names the user",
    }
}

fn key_set(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "Realm settings > Keys > Providers: remove weak keys, and see that the realm's address is reached as the server \
             reaches it"
        }
        Vendor::Kubernetes => {
            "have issuer and keys readable for servers without signing in: the role `system:service-account-issuer-discovery` \
             for the group `system:unauthenticated`, and `--service-account-jwks-uri` where servers reach it"
        }
        Vendor::Okta | Vendor::Entra | Vendor::Auth0 | Vendor::Google | Vendor::Github => {
            "see that the issuer is written exactly as the provider writes it: its metadata are asked for below it"
        }
        Vendor::Ping | Vendor::Generic => {
            "one bad key takes all of the provider's away from the server: have each with a `kid` of its own, RSA of 2,048 \
             bits or more, and the metadata below the issuer"
        }
    }
}

fn unknown_key(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Entra => {
            "an application with claims mapping and a signing key of its own signs with a key that the tenant's metadata do \
             not have: use `acceptMappedClaims` in its manifest instead; otherwise get a new token"
        }
        _ => {
            "the provider has replaced its key, or the token is from another one: get a new token (`mdb-login token --force-refresh`)"
        }
    }
}

fn principal(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Entra => {
            "App registrations > Token configuration > Add optional claim > Access: `upn` or `email`; or set the server's \
             `principalName` to `sub`"
        }
        Vendor::Okta => {
            "Security > API > Authorization Servers > (the server) > Claims > Add claim, for the access token; or set the \
             server's `principalName` to `sub`"
        }
        Vendor::Ping => {
            "Applications > Resources > (the resource) > Attributes: add the attribute; or set the server's `principalName` \
             to `sub`"
        }
        Vendor::Keycloak => {
            "Clients > (the client) > Client scopes > (its dedicated scope) > Add mapper > User Property, with \"Add to \
             access token\" on; or set the server's `principalName` to `sub` or `preferred_username`"
        }
        Vendor::Auth0 => {
            "a post-login Action with `api.accessToken.setCustomClaim`; names outside of a namespace may be dropped; or set \
             the server's `principalName` to `sub`"
        }
        Vendor::Kubernetes => "set the server's `principalName` to `sub`: the other claims of a cluster are objects",
        Vendor::Github => {
            "set the server's `principalName` to `sub`, or to another claim of a run such as `repository`"
        }
        Vendor::Google => "ask for the scope `email`, or set the server's `principalName` to `sub`",
        Vendor::Generic => {
            "have the provider put the claim into the token as a text, or set the server's `principalName` to one that it has"
        }
    }
}

fn groups(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Entra => {
            "App registrations > Token configuration > Add groups claim > Security groups, \"Group ID\" for Access; the person \
             must be in one of them"
        }
        Vendor::Okta => {
            "Security > API > Authorization Servers > (the server) > Claims > Add claim: `groups`, Access Token, type Groups, \
             filter Matches regex `.*`"
        }
        Vendor::Ping => "Applications > Resources > (the resource) > Attributes: add `groups`, mapped to Group Names",
        Vendor::Keycloak => {
            "Clients > (the client) > Client scopes > (its dedicated scope) > Add mapper > Group Membership: claim `groups`, \
             \"Full group path\" off, \"Add to access token\" on"
        }
        Vendor::Auth0 => {
            "a post-login Action with `api.accessToken.setCustomClaim`, whose claim is the server's `authorizationClaim`"
        }
        Vendor::Kubernetes | Vendor::Github => {
            "this platform puts no groups into tokens: have the server take roles from user documents \
             (`useAuthorizationClaim: false`)"
        }
        Vendor::Google => {
            "Google puts no groups into tokens: have the server take roles from user documents (`useAuthorizationClaim: false`)"
        }
        Vendor::Generic => {
            "have the provider put the groups into access tokens, as a list of texts in the server's `authorizationClaim`; or \
             have the server take roles from user documents (`useAuthorizationClaim: false`)"
        }
    }
}

fn groups_type(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Keycloak => {
            "use a Group Membership mapper, or switch \"Multivalued\" on with String as the type; `realm_access` is an object, \
             which servers do not take"
        }
        _ => "have the provider write the groups as a list of texts, each with a name",
    }
}

fn lifetime(vendor: Vendor, otherwise: &'static str) -> &'static str {
    match vendor {
        Vendor::Keycloak => "Realm settings > Tokens > Access Token Lifespan, or the client's own (Advanced settings)",
        Vendor::Okta => {
            "Security > API > Authorization Servers > (the server) > Access Policies > (the rule): access token lifetime"
        }
        Vendor::Auth0 => "Applications > APIs > (the API) > Settings > Maximum Access Token Lifetime",
        Vendor::Kubernetes => "`expirationSeconds` of the projected volume",
        Vendor::Entra | Vendor::Ping | Vendor::Google | Vendor::Github | Vendor::Generic => otherwise,
    }
}

fn id_token(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Google => "Google has no other JWT: the server's `audience` has to be the client id",
        _ => {
            "hand out the access token, unless the server is set up for ID tokens (its `audience` is the client id, and the \
             provider's access tokens are no JWTs)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of all hints: one line, no full stop at its end, backticks in pairs.
    #[test]
    fn words_have_the_form_of_hints() {
        for vendor in Vendor::ALL {
            for flaw in samples() {
                let Some(words) = mend(&flaw, vendor) else { continue };
                assert!(!words.ends_with('.') && !words.contains('\n') && !words.contains("  "), "{words}");
                assert_eq!(words.matches('`').count() % 2, 0, "{words}");
                assert!(words.len() > 20, "{words}");
            }
        }
    }

    /// Whoever has one of the usual mistakes at one of the usual providers reads of that provider's own setting.
    #[test]
    fn the_usual_mistakes_are_mended_where_they_were_made() {
        let graph = |aud: &str| Flaw::Audience { found: vec![aud.into()], expected: vec!["client".into()] };
        let issuer =
            |found: &str, expected: &str| Flaw::Issuer { found: Some(found.into()), expected: vec![expected.into()] };
        let (v1, v2) = ("https://sts.windows.net/t/", "https://login.microsoftonline.com/t/v2.0");
        for (flaw, vendor, words) in [
            (issuer(v1, v2), Vendor::Entra, "`requestedAccessTokenVersion`"),
            (issuer("https://a.example/", "https://a.example"), Vendor::Auth0, "`https://a.example/`, byte for byte"),
            (graph("00000003-0000-0000-c000-000000000000"), Vendor::Entra, "`<client id>/.default`"),
            (graph("https://graph.microsoft.com"), Vendor::Entra, "Microsoft Graph"),
            (Flaw::Overage("groups".into()), Vendor::Entra, "Groups assigned to the application"),
            (Flaw::NotJwt(NotJwt::Opaque), Vendor::Okta, "custom authorization server"),
            (Flaw::NotJwt(NotJwt::Encrypted), Vendor::Auth0, "API of your own"),
            (Flaw::Type("at+jwt".into()), Vendor::Keycloak, "at+jwt"),
            (Flaw::Type("at+jwt".into()), Vendor::Auth0, "JSON Web Token (JWT) Profile"),
            (Flaw::ManyAudiences(vec![]), Vendor::Keycloak, "audience resolve"),
            (Flaw::ManyAudiences(vec![]), Vendor::Auth0, "`userinfo`"),
            (Flaw::NoSubject, Vendor::Keycloak, "`basic`"),
            (Flaw::NoGroups("groups".into()), Vendor::Google, "`useAuthorizationClaim: false`"),
            (Flaw::NoGroups("groups".into()), Vendor::Okta, "type Groups"),
            (Flaw::NotJwt(NotJwt::Opaque), Vendor::Ping, "hand out the ID token"),
            (Flaw::KeySet(String::new()), Vendor::Kubernetes, "`system:service-account-issuer-discovery`"),
            (graph("https://kubernetes.default.svc"), Vendor::Kubernetes, "`serviceAccountToken: { audience: … }`"),
            (graph("https://github.com/octo-org"), Vendor::Github, "`MDB_LOGIN_AUDIENCE`"),
            (Flaw::NoGroups("groups".into()), Vendor::Github, "`useAuthorizationClaim: false`"),
        ] {
            let mended = mend(&flaw, vendor).unwrap_or_default();
            assert!(mended.contains(words), "{flaw:?} at {vendor:?}: {mended}");
        }
    }

    fn samples() -> Vec<Flaw> {
        let text = || "x".to_owned();
        let value = || serde_json::json!(7);
        vec![
            Flaw::NoToken(NoToken::Object),
            Flaw::NoToken(NoToken::Html),
            Flaw::NoToken(NoToken::Empty),
            Flaw::Around(Around::LineBreak),
            Flaw::Around(Around::Utf16),
            Flaw::Around(Around::Bearer),
            Flaw::NotJwt(NotJwt::Opaque),
            Flaw::NotJwt(NotJwt::Encrypted),
            Flaw::NotJwt(NotJwt::TooLong),
            Flaw::NotJwt(NotJwt::Unsigned),
            Flaw::NearlyTooLong(1),
            Flaw::Type(value()),
            Flaw::Algorithm(None),
            Flaw::NewAlgorithm(text()),
            Flaw::NoKeyId,
            Flaw::Issuer { found: None, expected: vec![] },
            Flaw::Issuer { found: Some(value()), expected: vec![] },
            Flaw::Issuer { found: Some("https://a.example".into()), expected: vec!["https://b.example".into()] },
            Flaw::Audience { found: vec![], expected: vec![] },
            Flaw::AudienceType(value()),
            Flaw::ManyAudiences(vec![]),
            Flaw::NoSubject,
            Flaw::NoExpiry,
            Flaw::Time { claim: "exp", value: value() },
            Flaw::Expired(1),
            Flaw::NotYet(1),
            Flaw::KeySet(text()),
            Flaw::UnknownKey(text()),
            Flaw::UnusedKey(text()),
            Flaw::WrongKey(text()),
            Flaw::Signature,
            Flaw::NoPrincipal(text()),
            Flaw::PrincipalType { claim: text(), value: value() },
            Flaw::PrincipalName(text()),
            Flaw::NoGroups(text()),
            Flaw::Overage(text()),
            Flaw::GroupsType { claim: text(), value: value() },
            Flaw::GroupName(text()),
            Flaw::EmptyGroups(text()),
            Flaw::Clock(1),
            Flaw::ShortLife(1),
            Flaw::LongLife { life: 1, until: 1 },
            Flaw::IdToken(text()),
        ]
    }
}

//! The identity providers that companies have: what is called differently at each, and where it is set.
//!
//! [`recipe`] says what there is to know of a vendor, each vendor's file has its facts, and [`issuer`] makes an issuer of
//! what people have at hand. Pure: nobody is asked anything.

mod auth0;
mod entra;
mod generic;
mod github;
mod google;
pub mod issuer;
mod keycloak;
mod kubernetes;
mod okta;
mod ping;
pub mod recipe;

use issuer::Issuers;
use recipe::{People, Programs, Recipe};

/// Whose product an identity provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Entra,
    Okta,
    Ping,
    Keycloak,
    Auth0,
    Google,
    /// A cluster, whose API server vouches for service accounts.
    Kubernetes,
    /// GitHub Actions, which vouches for runs.
    Github,
    /// Any other that speaks OpenID Connect.
    Generic,
}

impl Vendor {
    pub const ALL: [Self; 9] = [
        Self::Entra,
        Self::Okta,
        Self::Ping,
        Self::Keycloak,
        Self::Auth0,
        Self::Google,
        Self::Kubernetes,
        Self::Github,
        Self::Generic,
    ];

    /// What an issuer's address gives away; own domains do not.
    pub fn of(issuer: &str) -> Self {
        let Ok(url) = url::Url::parse(issuer) else { return Self::Generic };
        let host = url.host_str().unwrap_or_default();
        let within = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(&format!(".{domain}")));
        match host {
            "login.microsoftonline.com"
            | "login.microsoftonline.us"
            | "login.partner.microsoftonline.cn"
            | "sts.windows.net" => Self::Entra,
            "accounts.google.com" => Self::Google,
            "token.actions.githubusercontent.com" => Self::Github,
            // Of the large clouds' clusters, and the one that every cluster has for itself.
            "container.googleapis.com" | "kubernetes.default.svc" | "kubernetes.default.svc.cluster.local" => {
                Self::Kubernetes
            }
            _ if within(&["oic.prod-aks.azure.com"]) => Self::Kubernetes,
            _ if host.starts_with("oidc.eks.") || host.starts_with("oidc-eks.") => Self::Kubernetes,
            _ if within(&["ciamlogin.com", "b2clogin.com"]) => Self::Entra,
            _ if within(&["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com"]) => Self::Okta,
            _ if host.starts_with("auth.pingone.") => Self::Ping,
            _ if within(&["auth0.com"]) => Self::Auth0,
            _ if url.path().contains("/realms/") => Self::Keycloak,
            _ => Self::Generic,
        }
    }

    /// As on the command line: `entra`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Ping => "ping",
            Self::Keycloak => "keycloak",
            Self::Auth0 => "auth0",
            Self::Google => "google",
            Self::Kubernetes => "kubernetes",
            Self::Github => "github",
            Self::Generic => "generic",
        }
    }

    /// The vendor that is called so on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.name() == name)
    }

    /// What is to be set up for people, and what comes of it; `None` if people do not sign in there.
    pub fn people(self) -> Option<&'static People> {
        match self {
            Self::Entra => Some(&entra::PEOPLE),
            Self::Okta => Some(&okta::PEOPLE),
            Self::Ping => Some(&ping::PEOPLE),
            Self::Keycloak => Some(&keycloak::PEOPLE),
            Self::Auth0 => Some(&auth0::PEOPLE),
            Self::Google => Some(&google::PEOPLE),
            Self::Kubernetes | Self::Github => None,
            Self::Generic => Some(&generic::PEOPLE),
        }
    }

    /// The same for programs; `None` where there is nothing to be said that is not so at any provider.
    pub fn programs(self) -> Option<&'static Programs> {
        match self {
            Self::Entra => Some(&entra::PROGRAMS),
            Self::Google => Some(&google::PROGRAMS),
            Self::Kubernetes => Some(&kubernetes::PROGRAMS),
            Self::Github => Some(&github::PROGRAMS),
            Self::Generic => Some(&generic::PROGRAMS),
            Self::Okta | Self::Ping | Self::Keycloak | Self::Auth0 => None,
        }
    }

    /// What is to be set up for people where there is such a thing, and else for programs.
    fn recipe(self) -> &'static Recipe {
        let programs = || self.programs().unwrap_or(&generic::PROGRAMS);
        self.people().map_or_else(|| &programs().recipe, |people| &people.recipe)
    }

    /// As its maker calls it: `Microsoft Entra ID`.
    pub fn product(self) -> &'static str {
        self.recipe().product
    }

    /// What its issuers look like.
    pub fn issuers(self) -> &'static Issuers {
        self.recipe().issuers
    }

    /// The command that shows what to register there.
    pub fn setup(self) -> String {
        let whom = if self.people().is_some() { "" } else { " --workload" };
        format!("mdb-login setup {}{whom}", self.name())
    }

    /// Whose tokens programs of a kind have, as the setting `kind` calls it, where that says it.
    pub fn of_kind(kind: &str) -> Option<Self> {
        const ONE_VENDOR_S: [Vendor; 4] = [Vendor::Entra, Vendor::Google, Vendor::Kubernetes, Vendor::Github];
        let is_theirs = |way: &recipe::Way| way.kind == kind && !way.is_client;
        ONE_VENDOR_S.into_iter().find(|vendor| vendor.programs().is_some_and(|own| own.ways.iter().any(is_theirs)))
    }
}

#[cfg(test)]
mod tests {
    use super::Vendor;

    #[test]
    fn an_issuer_tells_whose_it_is() {
        for (issuer, expected) in [
            ("https://login.microsoftonline.com/0b1c/v2.0", Vendor::Entra),
            ("https://sts.windows.net/0b1c/", Vendor::Entra),
            ("https://contoso.ciamlogin.com/0b1c/v2.0", Vendor::Entra),
            ("https://dev-1.okta.com/oauth2/default", Vendor::Okta),
            ("https://auth.pingone.eu/0b1c/as", Vendor::Ping),
            ("https://id.example.com/realms/main", Vendor::Keycloak),
            ("https://example.eu.auth0.com/", Vendor::Auth0),
            ("https://accounts.google.com", Vendor::Google),
            ("https://oidc.eks.eu-west-1.amazonaws.com/id/0B1C", Vendor::Kubernetes),
            ("https://westeurope.oic.prod-aks.azure.com/0b1c/2d3e/", Vendor::Kubernetes),
            ("https://container.googleapis.com/v1/projects/p/locations/l/clusters/c", Vendor::Kubernetes),
            ("https://token.actions.githubusercontent.com", Vendor::Github),
            ("https://okta.com.example.org/", Vendor::Generic),
            ("https://login.example.com", Vendor::Generic),
            ("nonsense", Vendor::Generic),
        ] {
            assert_eq!(Vendor::of(issuer), expected, "{issuer}");
        }
    }

    #[test]
    fn names_are_found_again() {
        for vendor in Vendor::ALL {
            assert_eq!(Vendor::named(vendor.name()), Some(vendor));
        }
        assert_eq!(Vendor::named("Okta"), None);
        for (kind, vendor) in [
            ("azure-managed-identity", Some(Vendor::Entra)),
            ("gcp", Some(Vendor::Google)),
            ("kubernetes", Some(Vendor::Kubernetes)),
            ("github-actions", Some(Vendor::Github)),
            ("client-credentials", None),
            ("workforce", None),
        ] {
            assert_eq!(Vendor::of_kind(kind), vendor, "{kind}");
        }
    }
}

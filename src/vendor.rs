//! The identity providers that companies have: what is called differently at each, and where it is set.
//!
//! [`recipe`] says what there is to know of a vendor, each vendor's file has its facts, and [`issuer`] makes an issuer of
//! what people have at hand. Pure: nobody is asked anything.

mod auth0;
mod entra;
mod generic;
mod google;
pub mod issuer;
mod keycloak;
mod okta;
mod ping;
pub mod recipe;

use recipe::Recipe;

/// Whose product an identity provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Entra,
    Okta,
    Ping,
    Keycloak,
    Auth0,
    Google,
    /// Any other that speaks OpenID Connect.
    Generic,
}

impl Vendor {
    pub const ALL: [Self; 7] =
        [Self::Entra, Self::Okta, Self::Ping, Self::Keycloak, Self::Auth0, Self::Google, Self::Generic];

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
            _ if within(&["ciamlogin.com", "b2clogin.com"]) => Self::Entra,
            _ if within(&["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com"]) => Self::Okta,
            _ if host.starts_with("auth.pingone.") => Self::Ping,
            _ if within(&["auth0.com"]) => Self::Auth0,
            _ if url.path().contains("/realms/") => Self::Keycloak,
            _ => Self::Generic,
        }
    }

    /// The vendor that is called so on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.recipe().name == name)
    }

    /// What is to be set up, and what comes of it.
    pub fn recipe(self) -> &'static Recipe {
        match self {
            Self::Entra => &entra::RECIPE,
            Self::Okta => &okta::RECIPE,
            Self::Ping => &ping::RECIPE,
            Self::Keycloak => &keycloak::RECIPE,
            Self::Auth0 => &auth0::RECIPE,
            Self::Google => &google::RECIPE,
            Self::Generic => &generic::RECIPE,
        }
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
            assert_eq!(Vendor::named(vendor.recipe().name), Some(vendor));
        }
        assert_eq!(Vendor::named("Okta"), None);
    }
}

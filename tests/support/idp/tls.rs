//! Certificates, good and bad, each made for the test that shows it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority that no computer knows until it is told.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate with its key.
pub struct Certificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For `--ca-file`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `host`, which is where the provider listens: `127.0.0.1`, if it is to be right.
    pub fn certificate(&self, host: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        Certificate { certificate: parameters(host).signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// One that was good until yesterday.
    pub fn expired(&self, host: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = parameters(host);
        let now = SystemTime::now();
        (params.not_before, params.not_after) = ((now - 30 * DAY).into(), (now - DAY).into());
        Certificate { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Certificate {
    pub fn self_signed(host: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { certificate: parameters(host).self_signed(&key).unwrap(), key }
    }

    /// For `--ca-file`, where a certificate is trusted by itself.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// What a server on loopback answers with.
    pub fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn parameters(host: &str) -> CertificateParams {
    CertificateParams::new([host.to_owned()]).unwrap()
}

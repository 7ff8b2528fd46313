//! Makes the certificates of this directory anew: an authority, a daemon on this machine, a
//! peer. The keys protect nothing; the authority's is thrown away. Valid for as long as dates go.
//!
//! `cargo run --example make_certificates -- spec/support/tls`

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

fn main() {
    let directory = std::env::args().nth(1).expect("usage: make_certificates directory");
    let write = |name: &str, text: String| {
        std::fs::write(Path::new(&directory).join(name), text).expect("written");
    };
    let mut params = named("authority of the specs", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    write("ca.pem", authority.pem());
    for (name, hosts) in [("daemon", &["localhost", "127.0.0.1", "::1"][..]), ("peer", &["peer"])] {
        let key = KeyPair::generate().expect("a key");
        let certificate = named(name, hosts).signed_by(&key, &authority).expect("signed");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

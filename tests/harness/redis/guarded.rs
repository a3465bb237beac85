//! A server that speaks TLS, asks for a certificate, and lets the product's user do just what it must.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::rights::ESCAPED;
use super::{Group, Server, USER, free_port};

/// A server behind TLS; the test itself has a port without, and all rights.
pub struct Guarded {
    /// The server.
    pub server: Server,
    tls_port: u16,
    folder: TempDir,
}

impl Guarded {
    /// Makes an authority, certificates and a user, and starts the server.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (port, ca, cert, key) =
            (free_port(), path("ca.pem"), path("server.pem"), path("server.key"));
        let tls_port = port.to_string();
        let args = [
            ["--tls-port", &tls_port],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "yes"],
        ];
        let server = Server::start_for(&["Queue and coordination"], &args.concat());
        Self { server, tls_port: port, folder }
    }

    /// Its address, with these files of its folder as parameters.
    pub fn url_with(&self, files: &[(&str, &str)]) -> String {
        let file = |(name, file): &(&str, &str)| {
            format!("{name}={}", self.folder.path().join(file).display())
        };
        let query: Vec<String> = files.iter().map(file).collect();
        format!("rediss://{USER}:{ESCAPED}@127.0.0.1:{}?{}", self.tls_port, query.join("&"))
    }
}

impl Group for Guarded {
    fn servers(&self) -> Vec<&Server> {
        vec![&self.server]
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.folder.path())
    }

    fn url(&self) -> String {
        self.url_with(&[("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")])
    }
}

/// An authority, what it vouches for, and another one that vouches for nothing here.
fn certificates(folder: &Path) {
    for name in ["ca", "other"] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
             -addext basicConstraints=critical,CA:TRUE -keyout {name}.key -out {name}.pem"
            ),
        );
    }
    // An authority's own certificate is no server's: rustls refuses it.
    for (name, names) in [("server", "DNS:localhost,IP:127.0.0.1"), ("client", "DNS:client")] {
        let extensions = format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(folder.join("extensions"), extensions).expect("writes");
        openssl(
            folder,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} \
             -keyout {name}.key -out {name}.csr"
            ),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile extensions -out {name}.pem"
            ),
        );
    }
}

fn openssl(folder: &Path, words: &str) {
    let done = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.expect("openssl runs").success(), "openssl {words}");
}

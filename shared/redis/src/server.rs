//! Opens connections to servers of one address: with its login and its certificates, in a bounded time.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use config::address::{Address, Host, Login, TlsFiles, Topology};

/// How long one attempt to connect may take, whatever the patience of those who wait for it.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long a server may take that is one of several to ask, so that one that vanished does not use up the attempt.
const ONE_OF_SEVERAL: Duration = Duration::from_millis(600);

/// An address, and how to get in.
pub(super) struct Server {
    pub(super) address: Address,
}

impl Server {
    /// Reads the address, and the certificates that it names, once: what is missing is told at the start.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let address =
            Address::parse(url).map_err(|fault| format!("the address of Redis {fault}"))?;
        // TLS needs a provider; whoever installed one before is right.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = Self { address };
        if let Some(host) = server.address.hosts.first() {
            server.client(host)?;
        }
        Ok(server)
    }

    /// A client of a server that has jobs or limits.
    pub(super) fn client(&self, host: &Host) -> Result<Client, String> {
        self.client_as(host, &self.address.login, self.address.database)
    }

    /// Certificates are read for each connection: they are renewed while we run.
    fn client_as(&self, host: &Host, login: &Login, database: i64) -> Result<Client, String> {
        // Telling our library's name would be one more command to permit, which older servers do not even know.
        let mut settings = RedisConnectionInfo::default().set_db(database).set_skip_set_lib_name();
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password);
        }
        let (name, port) = (host.name.clone(), host.port);
        let plain = ConnectionAddr::Tcp(name.clone(), port);
        let secure = ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None };
        let info = |address: ConnectionAddr| {
            address.into_connection_info().map(|info| info.set_redis_settings(settings))
        };
        let client = match &self.address.tls {
            None => info(plain).and_then(Client::open),
            Some(files) => {
                let certificates = certificates(files)?;
                info(secure).and_then(|info| Client::build_with_tls(info, certificates))
            }
        };
        client.map_err(|error| error.to_string())
    }

    pub(super) async fn connect(&self, host: &Host) -> Result<MultiplexedConnection, String> {
        open(&self.client(host)?, CONNECT).await.map_err(|why| format!("{host}: {why}"))
    }

    /// Where the primary is: in an order, for sentinels may not agree while one is replaced.
    async fn primaries(&self) -> Result<Vec<Host>, String> {
        let Topology::Sentinel { name, login } = &self.address.topology else {
            return Ok(self.address.hosts.clone());
        };
        let asked = self.address.hosts.iter().map(|host| self.ask_sentinel(host, name, login));
        let (mut known, mut errors) = (Vec::new(), Vec::new());
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Ok(primary) => known.push(primary),
                Err(error) => errors.push(error),
            }
        }
        if known.is_empty() {
            return Err(format!("no sentinel tells where {name:?} is: {}", errors.join("; ")));
        }
        // The higher the epoch, the newer what a sentinel knows: who missed a failover comes last.
        known.sort_by(|one, other| other.cmp(one));
        let mut hosts: Vec<Host> = known.into_iter().map(|(_, host)| host).collect();
        hosts.dedup();
        Ok(hosts)
    }

    async fn ask_sentinel(
        &self,
        host: &Host,
        name: &str,
        login: &Login,
    ) -> Result<(u64, Host), String> {
        let asking = async {
            let mut connection = open(&self.client_as(host, login, 0)?, ONE_OF_SEVERAL).await?;
            let mut command = redis::cmd("SENTINEL");
            let answer: Vec<String> = command
                .arg("MASTER")
                .arg(name)
                .query_async(&mut connection)
                .await
                .map_err(|error| error.to_string())?;
            told(&answer).ok_or_else(|| "no host and port in the answer".to_owned())
        };
        let answer = tokio::time::timeout(ONE_OF_SEVERAL, asking).await;
        answer
            .unwrap_or_else(|_| Err(format!("no answer within {ONE_OF_SEVERAL:?}")))
            .map_err(|why| format!("sentinel {host}: {why}"))
    }

    /// Connects to whoever is the primary now and says itself that it is.
    pub(super) async fn connect_primary(&self) -> Result<(Host, MultiplexedConnection), String> {
        let mut errors = Vec::new();
        for host in self.primaries().await? {
            let attempt = async {
                let mut connection = open(&self.client(&host)?, CONNECT).await?;
                let role: Vec<Value> = redis::cmd("ROLE")
                    .query_async(&mut connection)
                    .await
                    .map_err(|error| error.to_string())?;
                match role.into_iter().next().map(redis::from_redis_value::<String>) {
                    Some(Ok(role)) if role == "master" => Ok(connection),
                    Some(Ok(role)) => Err(format!("it is a {role}, not the primary")),
                    Some(Err(_)) | None => Err("it does not tell its role".to_owned()),
                }
            };
            match tokio::time::timeout(ONE_OF_SEVERAL * 2, attempt).await {
                Ok(Ok(connection)) => return Ok((host, connection)),
                Ok(Err(why)) => errors.push(format!("{host}: {why}")),
                Err(_) => errors.push(format!("{host}: no answer")),
            }
        }
        Err(errors.join("; "))
    }

    /// A client to listen with: of the primary, as far as that is known.
    pub(super) async fn listening(&self) -> Result<Client, String> {
        let hosts = self.primaries().await?;
        self.client(hosts.first().ok_or("no host")?)
    }
}

fn told(answer: &[String]) -> Option<(u64, Host)> {
    let field = |name: &str| {
        let mut pairs = answer.chunks_exact(2).filter_map(|pair| pair.split_first());
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.first())
    };
    let host = Host { name: field("ip")?.clone(), port: field("port")?.parse().ok()? };
    Some((field("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default(), host))
}

async fn open(client: &Client, within: Duration) -> Result<MultiplexedConnection, String> {
    // The callers' patience bounds answers; a limit here as well would only cut large ones short.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    match tokio::time::timeout(within, connection).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(format!("no connection within {within:?}")),
    }
}

/// Why there is no connection, for whoever has to mend it; the host stands before it.
fn words(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        return "it refuses connections: is Redis running there, and is that its port?".to_owned();
    }
    let text = error.to_string();
    match error.kind() {
        ErrorKind::AuthenticationFailed => format!("it refuses the login: {text}"),
        ErrorKind::Io if text.contains("certificate") => format!("TLS failed: {text}"),
        ErrorKind::Io if text.contains("lookup address") => {
            format!("no address is known for this name: {text}")
        }
        _ => text,
    }
}

fn certificates(files: &TlsFiles) -> Result<TlsCertificates, String> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| format!("can't read {}: {error}", path.display()))
    };
    let own = files.own.as_ref().map(|(certificate, key)| {
        Ok::<_, String>(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
    });
    let ca = files.ca.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls: own.transpose()?, root_cert: ca })
}

//! Reads the address of Redis. No error repeats what was written: a password could be anywhere in it.

use super::{Address, Host, Login, SENTINEL_PASSWORD, TlsFiles, Topology, Written};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const SCHEMES: &str = "has a beginning that is none of Redis'; it takes redis://host:6379, redis+sentinel://host:26379,host:26379/name or \
                       redis+cluster://host:6379,host:6379 (rediss… for TLS)";
const ESCAPE: &str = "has special characters that are not %-escaped in its user or password, or out of place; it takes \
     redis://user:password@host:6379, with the special characters of user and password %-escaped";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Sentinel,
    Cluster,
}

pub(super) fn address(text: &str) -> Result<Address, String> {
    let (scheme, rest) = text.split_once("://").ok_or(SCHEMES)?;
    let (form, tls) = match scheme {
        "redis" => (Form::Single, false),
        "rediss" => (Form::Single, true),
        "redis+sentinel" => (Form::Sentinel, false),
        "rediss+sentinel" => (Form::Sentinel, true),
        "redis+cluster" => (Form::Cluster, false),
        "rediss+cluster" => (Form::Cluster, true),
        _ => return Err(SCHEMES.to_owned()),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user_info, names) = match authority.rsplit_once('@') {
        Some((info, names)) => (Some(info), names),
        None => (None, authority),
    };
    let stray = |text: &str| text.contains(['@', '#']) || text.chars().any(char::is_whitespace);
    if stray(path) || stray(names) || user_info.is_some_and(stray) {
        return Err(ESCAPE.to_owned());
    }
    let login = user_info.map(login).transpose()?.unwrap_or_default();
    let hosts = hosts(names, if form == Form::Sentinel { SENTINEL_PORT } else { PORT })?;
    let query = pairs(query)?;
    let mut parameters = Parameters::read(&query, form, tls)?;
    let (topology, database) = match form {
        Form::Single if hosts.len() > 1 => {
            return Err(
                "has several hosts; it takes one: several are a cluster, redis+cluster://host:6379,host:6379, or \
                        sentinels, redis+sentinel://host:26379,host:26379/name"
                    .to_owned(),
            );
        }
        Form::Single => (Topology::Single, database(path)?),
        Form::Cluster => {
            if !matches!(path.trim_end_matches('/'), "" | "0") {
                return Err(
                    "has a database behind the hosts; it takes none: a cluster has but one"
                        .to_owned(),
                );
            }
            (Topology::Cluster, 0)
        }
        Form::Sentinel => {
            let (name, number) = path.split_once('/').unwrap_or((path, ""));
            let name = decoded(name)?;
            if name.is_empty() {
                return Err("lacks the name that the sentinels have for the primary, as in \
                            redis+sentinel://host:26379,host:26379/name"
                    .to_owned());
            }
            let login = std::mem::take(&mut parameters.sentinel);
            (Topology::Sentinel { name, login }, database(number)?)
        }
    };
    let user = user_info.map(|info| info.split_once(':').map_or("", |(user, _)| user).to_owned());
    let middle = match rest.split_once('@') {
        Some((_, middle)) => middle,
        None => rest,
    };
    let written = Written { scheme: scheme.to_owned(), user, middle: middle.to_owned(), query };
    let tls = tls.then_some(parameters.files);
    Ok(Address { topology, hosts, login, database, tls, written })
}

fn login(text: &str) -> Result<Login, String> {
    let Some((user, password)) = text.split_once(':') else {
        return Err("has something before the @ that is no user:password; it takes user:password@ before the host, or :password@ for the default user".to_owned());
    };
    if password.contains(':') || password.is_empty() {
        return Err(ESCAPE.to_owned());
    }
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    Ok(Login { user, password: Some(decoded(password)?) })
}

fn hosts(text: &str, port: u16) -> Result<Vec<Host>, String> {
    text.split(',').map(|one| host(one, port)).collect()
}

fn host(text: &str, port: u16) -> Result<Host, String> {
    let wrong = || {
        "has a host or port that is none; it takes hosts like redis.example.com:6379, 10.0.0.7 or [fd00::7]:6379"
            .to_owned()
    };
    let (name, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (name, rest) = inner.split_once(']').ok_or_else(wrong)?;
            name.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (name, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let usual = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if name.is_empty() || !name.chars().all(usual) {
        return Err(wrong());
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        None if rest.is_empty() => port,
        None => return Err(wrong()),
    };
    Ok(Host { name: name.to_owned(), port })
}

fn database(text: &str) -> Result<i64, String> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        number => number.parse::<u16>().map(i64::from).map_err(|_| {
            "has something at its end that is not the number of a database, like /0; or nothing"
                .to_owned()
        }),
    }
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.is_empty() {
            return Err(
                "has a parameter without a value; each has a value, like ?ca=/etc/redis/ca.pem"
                    .to_owned(),
            );
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    pairs.map(pair).collect()
}

#[derive(Default)]
struct Parameters {
    files: TlsFiles,
    sentinel: Login,
}

impl Parameters {
    fn read(query: &[(String, String)], form: Form, tls: bool) -> Result<Self, String> {
        let mut known = Self::default();
        let (mut certificate, mut key) = (None, None);
        for (at, (name, value)) in query.iter().enumerate() {
            let text = decoded(value)?;
            let twice = query.iter().skip(at + 1).any(|(other, _)| other == name);
            match name.as_str() {
                _ if twice => {
                    return Err("has a parameter twice; it takes each parameter once".to_owned());
                }
                "ca" | "cert" | "key" if !tls => {
                    return Err("has certificates and is not over TLS; it takes rediss://, rediss+sentinel:// or rediss+cluster:// where \
                                certificates are given: redis… is not over TLS"
                        .to_owned());
                }
                "ca" => known.files.ca = Some(text.into()),
                "cert" => certificate = Some(text.into()),
                "key" => key = Some(text.into()),
                "sentinel_user" if form == Form::Sentinel => known.sentinel.user = Some(text),
                SENTINEL_PASSWORD if form == Form::Sentinel => {
                    known.sentinel.password = Some(text);
                }
                _ => return Err(possible(form, tls)),
            }
        }
        known.files.own = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => {
                return Err("has one of cert and key; it takes cert and key together, or neither"
                    .to_owned());
            }
        };
        if known.sentinel.user.is_some() && known.sentinel.password.is_none() {
            return Err(
                "has no sentinel_password; it takes sentinel_password beside sentinel_user"
                    .to_owned(),
            );
        }
        Ok(known)
    }
}

fn possible(form: Form, tls: bool) -> String {
    let mut names = Vec::new();
    if form == Form::Sentinel {
        names.extend(["sentinel_user", SENTINEL_PASSWORD]);
    }
    if tls {
        names.extend(["ca", "cert", "key"]);
    }
    match names.is_empty() {
        true => "has a parameter; it takes no parameters".to_owned(),
        false => format!(
            "has an unknown parameter; it takes no other parameters than {}",
            names.join(", ")
        ),
    }
}

/// The text without its %-escapes.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let Some((digits, others)) = rest.split_first_chunk::<2>() else {
            return Err(ESCAPE.to_owned());
        };
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| ESCAPE.to_owned())?;
        bytes.extend(byte);
        rest = others;
    }
    String::from_utf8(bytes).map_err(|_| ESCAPE.to_owned())
}

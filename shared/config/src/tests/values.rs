//! Each kind of value: what it reads, what it prints, what it refuses.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use crate::{
    ByteSize, CoordinationUrl, FilesUrl, HttpUrl, LogFormat, Profile, QueueUrl, SealKey, Secret,
    StoreUrl, WorkerQueue, setting::Setting,
};

/// Each text is read, and printed as the other text, which reads as the same.
fn reads<T: Setting + PartialEq>(table: &[(&str, &str)]) {
    for (text, printed) in table {
        let value = T::parse(text).unwrap_or_else(|right| panic!("{text:?}: {right}"));
        assert_eq!(value.print(), *printed, "{text:?}");
        assert!(T::parse(printed).is_ok_and(|again| again == value), "{printed:?}");
    }
}

/// Each text is refused, in words with this in them.
fn refuses<T: Setting>(table: &[(&str, &str)]) {
    for (text, part) in table {
        let right = T::parse(text).err().unwrap_or_else(|| panic!("{text:?} was read"));
        assert!(right.contains(part), "{text:?}: {right}");
    }
}

#[test]
fn plain_values() {
    reads::<bool>(&[("true", "true"), ("false", "false")]);
    refuses::<bool>(&[("yes", "true or false"), ("1", "true"), ("", "true"), ("True", "true")]);
    reads::<u32>(&[("0", "0"), ("16", "16"), ("4294967295", "4294967295")]);
    refuses::<u32>(&[
        ("-1", "0 to 4294967295"),
        ("4294967296", "whole"),
        ("1.5", "is not a whole number"),
        ("", "whole"),
    ]);
    reads::<f64>(&[("1", "1.0"), ("0.25", "0.25"), ("1e-7", "1e-7")]);
    refuses::<f64>(&[("NaN", "a number"), ("inf", "a number"), ("many", "a number")]);
    reads::<String>(&[("a b", "a b"), ("", "")]);
    reads::<PathBuf>(&[("./data", "./data"), ("/var/lib/a b", "/var/lib/a b")]);
    refuses::<PathBuf>(&[("", "path"), ("a\0b", "path")]);
    reads::<SocketAddr>(&[("127.0.0.1:80", "127.0.0.1:80"), ("[::]:80", "[::]:80")]);
    refuses::<SocketAddr>(&[
        ("localhost:80", "no host name"),
        ("::1:80", "brackets"),
        ("127.0.0.1:65536", "no port from 0 to 65535"),
        ("127.0.0.1", "port"),
        (":80", "no IP address before the port"),
        ("", "is empty"),
    ]);
    reads::<LogFormat>(&[("json", "json"), ("pretty", "pretty")]);
    refuses::<LogFormat>(&[("JSON", "one of pretty, json"), ("", "one of")]);
    refuses::<Profile>(&[("prod", "one of development, staging, production")]);
}

#[test]
fn durations_and_sizes() {
    reads::<Duration>(&[
        ("25s", "25s"),
        ("10m", "10m"),
        ("250ms", "250ms"),
        ("1h", "1h"),
        ("7d", "7d"),
        ("90s", "90s"),
        ("120s", "2m"),
        ("24h", "1d"),
        ("1500us", "1500us"),
        ("5 s", "5s"),
        ("0ms", "0s"),
        ("3650d", "3650d"),
    ]);
    let unit = "a whole number and a unit";
    refuses::<Duration>(&[
        ("", unit),
        ("5", unit),
        ("s", unit),
        ("-5s", unit),
        ("1.5s", unit),
        ("1h30m", unit),
        ("5S", unit),
        ("3651d", "at most 3650d"),
        ("99999999999999999999s", unit),
        ("18446744073709551615d", unit),
    ]);
    reads::<ByteSize>(&[
        ("256KiB", "256KiB"),
        ("8 MiB", "8MiB"),
        ("1024KiB", "1MiB"),
        ("1000B", "1000B"),
        ("1GiB", "1GiB"),
        ("0B", "0B"),
    ]);
    refuses::<ByteSize>(&[("256", "a unit"), ("256KB", "KiB"), ("2000GiB", "at most 1024GiB")]);
}

#[test]
fn lists_and_options() {
    type Steps = Vec<Duration>;
    reads::<Steps>(&[("5s,30s, 2m", "5s,30s,2m"), ("5s", "5s"), ("", ""), (" ", "")]);
    refuses::<Steps>(&[
        ("5s,,1m", "item 2 is empty"),
        ("5s,6", "item 2 has no unit"),
        ("5s,", "item 2"),
    ]);
    reads::<Vec<IpNet>>(&[("10.0.0.0/8,::1/128", "10.0.0.0/8,::1/128")]);
    refuses::<Vec<IpNet>>(&[
        ("10.0.0.1", "add /32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.0.0.0/33", "wrong length"),
        ("here", "is no network"),
    ]);
    reads::<Vec<WorkerQueue>>(&[("events,deliveries", "events,deliveries")]);
    refuses::<Vec<WorkerQueue>>(&[("events,files", "one of events, deliveries, maintenance")]);
    reads::<Option<bool>>(&[("", ""), ("true", "true")]);
    refuses::<Option<bool>>(&[("no", "true or false; or empty for none")]);
}

#[test]
fn engine_urls() {
    reads::<StoreUrl>(&[
        ("sqlite://./data/bellbuoy.db", "sqlite://./data/bellbuoy.db"),
        ("sqlite:data/b.db", "sqlite://data/b.db"),
        ("sqlite:///var/b.db", "sqlite:///var/b.db"),
        ("postgres://user@host/db", "postgres://user@host/db"),
        ("postgresql://host:5433/db?sslmode=require", "postgresql://host:5433/db?sslmode=require"),
        ("mysql://user@host/db", "mysql://user@host/db"),
    ]);
    assert_eq!(StoreUrl::parse("sqlite:///a.db"), Ok(StoreUrl::sqlite("/a.db")));
    refuses::<StoreUrl>(&[
        ("", "sqlite://"),
        ("data.db", "sqlite://"),
        ("oracle://host/db", "postgres://"),
        ("postgres://user:pa/ss@host/db", "%-escaped"),
        ("postgres://host", "5432/database"),
        ("postgres:///db", "has no host"),
        ("postgres://user:***@host/db", "postgres://"),
        ("sqlite://", "the path of a file"),
        ("sqlite::memory:", "the path of a file"),
        ("sqlite://a.db?mode=ro", "without parameters"),
    ]);
    reads::<QueueUrl>(&[
        ("sql:", "sql:"),
        ("redis://host", "redis://host"),
        ("rediss://h:1/2", "rediss://h:1/2"),
        ("redis+sentinel://a,b:1/main", "redis+sentinel://a,b:1/main"),
        ("rediss+cluster://a,b?ca=/ca.pem", "rediss+cluster://a,b?ca=/ca.pem"),
        ("sqs://eu-central-1/bellbuoy", "sqs://eu-central-1/bellbuoy"),
        ("sqs://eu-central-1", "sqs://eu-central-1"),
        ("sqs://r/p?fifo=false&wait=20&max_receives=10", "sqs://r/p"),
        (
            "sqs://r/p?endpoint=http://127.0.0.1:4566&fifo=true&max_receives=3&wait=1",
            "sqs://r/p?endpoint=http%3A%2F%2F127.0.0.1%3A4566&fifo=true&max_receives=3&wait=1",
        ),
    ]);
    refuses::<QueueUrl>(&[
        ("sql", "sql:"),
        ("memory:", "sql:"),
        ("sqs:", "sqs://region/prefix"),
        ("sqs:///bellbuoy", "sqs://region/prefix"),
        ("sqs://r:80/p", "sqs://region/prefix"),
        ("sqs://key:secret@r/p", "AWS_ACCESS_KEY_ID"),
        ("sqs://r/p/q", "letters, digits, _ and -"),
        ("sqs://r/p.fifo", "letters, digits, _ and -"),
        ("sqs://r/p?fifo=yes", "fifo=true"),
        ("sqs://r/p?endpoint=127.0.0.1", "endpoint=http"),
        ("sqs://r/p?endpoint=http://u:p@h", "endpoint=http"),
        ("sqs://r/p?max_receives=0", "max_receives=1"),
        ("sqs://r/p?wait=21", "wait=20"),
        ("sqs://r/p?queue=q", "no other options"),
        ("redis:", "redis://"),
        ("redis://a,b", "redis+cluster://"),
        ("redis+sentinel://a,b", "the name"),
        ("redis+sentinel://a/main?sentinel_password=***", "the password itself"),
    ]);
    reads::<CoordinationUrl>(&[("memory:", "memory:"), ("redis://host:6379", "redis://host:6379")]);
    refuses::<CoordinationUrl>(&[("sql:", "memory:"), ("redis://:***@h", "the password itself")]);
    reads::<HttpUrl>(&[
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://a.example.com/", "https://a.example.com"),
        ("https://a.example.com/base/", "https://a.example.com/base/"),
    ]);
    refuses::<HttpUrl>(&[("a.example.com", "http"), ("ftp://a", "http"), ("https://", "http")]);
}

#[test]
fn files_urls() {
    reads::<FilesUrl>(&[
        ("file://./data/files", "file://./data/files"),
        ("file:data/files", "file://data/files"),
        ("file:///var/lib/bellbuoy", "file:///var/lib/bellbuoy"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/a/b/?region=eu-central-1", "s3://my.bucket-1/a/b?region=eu-central-1"),
        (
            "s3://bucket?path_style=true&endpoint=http%3A%2F%2F127.0.0.1:9000/&region=r-1",
            "s3://bucket?region=r-1&endpoint=http://127.0.0.1:9000&path_style=true",
        ),
    ]);
    refuses::<FilesUrl>(&[
        ("", "s3://bucket/prefix"),
        ("./data/files", "file://"),
        ("file:", "a folder"),
        ("file:///", "a folder"),
        ("file://a?b=c", "without parameters"),
        ("s3://", "lower-case"),
        ("s3://Bucket", "lower-case"),
        ("s3://ab", "3 to 63"),
        ("s3://-ab-", "3 to 63"),
        ("s3://key:secret@bucket", "files.secret_access_key"),
        ("s3://bucket:9000", "endpoint"),
        ("s3://bucket/.a", "a prefix"),
        ("s3://bucket/a//b", "a prefix"),
        ("s3://bucket?regoin=x", "no parameter but"),
        ("s3://bucket?region=a%20b", "a region"),
        ("s3://bucket?endpoint=host", "an endpoint"),
        ("s3://bucket?endpoint=http://user:pass@host", "an endpoint"),
        ("s3://bucket?path_style=yes", "true or false"),
    ]);
    assert!(!FilesUrl::mask("s3://key:hunter2@bucket").contains("hunter2"));
}

#[test]
fn passwords_are_kept_and_not_printed() {
    let Ok(StoreUrl::Postgres(url)) =
        StoreUrl::parse("postgres://user:hunter2@host/db?sslpassword=x&a=b")
    else {
        panic!("a postgres URL");
    };
    assert_eq!(url.expose().password(), Some("hunter2"));
    assert_eq!(url.database(), "db");
    assert_eq!(url.masked(), "postgres://user:***@host/db?sslpassword=***&a=b");
    assert_eq!(format!("{url} {url:?}"), format!("{0} {0}", url.masked()));
    assert!(StoreUrl::parse(&url.masked()).is_err());
}

#[test]
fn seal_keys() {
    let parse = |text: &str| SealKey::parse(text).map(|key| *key.bytes());
    assert_eq!(parse(super::KEY), Ok([0; 32]));
    let mut counted = [0; 32];
    counted.iter_mut().zip(0u8..).for_each(|(byte, number)| *byte = number);
    assert_eq!(parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Ok(counted));
    let digits = "+/".repeat(21) + "+w==";
    assert!(parse(&digits).is_err(), "34 bytes");
    refuses::<Secret<SealKey>>(&[
        ("", "32 random bytes"),
        ("AAAA", "openssl rand -base64 32"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "32 random bytes"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-=", "32 random bytes"),
        ("====", "32 random bytes"),
        ("***", "the secret itself"),
    ]);
}

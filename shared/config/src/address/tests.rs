use super::*;

fn hosts(address: &Address) -> Vec<String> {
    address.hosts.iter().map(ToString::to_string).collect()
}

fn read(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|right| panic!("{text}: {right}"))
}

#[test]
fn what_was_written_is_understood_and_shown_again() {
    for (text, shown) in [
        ("redis://host", "redis://host"),
        ("redis://host:1/2", "redis://host:1/2"),
        ("redis://:p%40ss@[fd00::7]:6380/", "redis://:***@[fd00::7]:6380/"),
        ("rediss://u:pw@h?ca=/a/ca.pem&cert=c&key=k", "rediss://u:***@h?ca=/a/ca.pem&cert=c&key=k"),
        (
            "redis+sentinel://u:pw@a,b:1/main/3?sentinel_user=s&sentinel_password=pw",
            "redis+sentinel://u:***@a,b:1/main/3?sentinel_user=s&sentinel_password=***",
        ),
        ("rediss+cluster://u:pw@a,b:1", "rediss+cluster://u:***@a,b:1"),
    ] {
        assert_eq!(read(text).shown("***"), shown);
        assert!(!format!("{:?}", read(text)).contains("pw"), "{text}");
    }
}

#[test]
fn every_part_finds_its_place() {
    let one = read("rediss://us%65r:p%40%3A%2Fss@h:1/7?ca=/a%20b");
    assert_eq!(hosts(&one), ["h:1"]);
    assert_eq!(one.login.user.as_deref(), Some("user"));
    assert_eq!(one.login.password.as_deref(), Some("p@:/ss"));
    assert!(one.has_secret("p@:/ss") && !one.has_secret("***"));
    let files = TlsFiles { ca: Some("/a b".into()), own: None };
    assert_eq!((one.database, one.tls), (7, Some(files)));
    assert!(matches!(one.topology, Topology::Single));

    let sentinel = read("redis+sentinel://:pw@[::1],b:1/ma%69n?sentinel_password=s%26");
    assert_eq!(hosts(&sentinel), ["[::1]:26379", "b:1"]);
    assert!(sentinel.login.user.is_none() && sentinel.tls.is_none());
    let Topology::Sentinel { name, login } = &sentinel.topology else { panic!("{sentinel:?}") };
    assert_eq!((name.as_str(), login.password.as_deref()), ("main", Some("s&")));
    assert!(sentinel.has_secret("s&"));

    let cluster = read("redis+cluster://a,b:1,c/");
    assert_eq!(hosts(&cluster), ["a:6379", "b:1", "c:6379"]);
    assert!(matches!(cluster.topology, Topology::Cluster));
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    for (text, right) in [
        ("", "redis://host:6379"),
        ("redis:/:hunter2@db", "redis://host:6379"),
        ("postgres://hunter2@db", "redis+cluster://"),
        ("redis+sentinels://a/hunter2", "redis+sentinel://"),
        ("redis://", "hosts like"),
        ("redis://a:0", "hosts like"),
        ("redis://a:hunter2", "hosts like"),
        ("redis://a:66000", "hosts like"),
        ("redis://[hunter2]", "hosts like"),
        ("redis://a,,b", "hosts like"),
        ("redis://a,b", "redis+cluster://"),
        ("redis://hunter2@a", "user:password@"),
        ("redis://u:@a", "%-escaped"),
        ("redis://u:hunter2@x@a", "%-escaped"),
        ("redis://u:hunter2:x@a", "%-escaped"),
        ("redis://u:hunter2/x@a", "%-escaped"),
        ("redis://u:hunter2%x@a", "%-escaped"),
        ("redis://u:hunter2%ff@a", "%-escaped"),
        ("redis://a/hunter2", "the number of a database"),
        ("redis://a/1/2", "the number of a database"),
        ("redis://a?hunter2=1", "no parameters"),
        ("redis://a?ca=/x", "rediss://"),
        ("rediss://a?insecure=hunter2", "ca, cert, key"),
        ("rediss://a?ca", "a value"),
        ("rediss://a?ca=1&ca=2", "once"),
        ("rediss://a?cert=1", "together"),
        ("redis+cluster://a/1", "a cluster has but one"),
        ("redis+cluster://a?sentinel_password=hunter2", "no parameters"),
        ("redis+sentinel://a", "the name"),
        ("redis+sentinel://a//1", "the name"),
        ("redis+sentinel://a/main/hunter2", "the number of a database"),
        ("redis+sentinel://a/main?sentinel_user=hunter2", "sentinel_password beside"),
        ("rediss+sentinel://a/m?password=hunter2", "sentinel_user, sentinel_password, ca"),
    ] {
        let told = Address::parse(text).err().unwrap_or_else(|| panic!("{text} is an address"));
        assert!(told.contains(right), "{text}: {told}");
        assert!(!told.contains("hunter2"), "{text}: {told}");
    }
}

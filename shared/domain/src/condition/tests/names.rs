use super::{all_hold, none_holds, parse};

#[test]
fn own_fields() {
    all_hold(&[
        r#"event.id == "ev_1""#,
        r#"event.source == "billing""#,
        r#"event.subject == "card 7" && exists(event.subject)"#,
        r#"event.type == "payment.failed""#,
        r#"event.received_at == "2024-03-01T23:30:00.123Z""#,
        "len(event.payload) > 10",
    ]);
}

#[test]
fn payload_paths() {
    all_hold(&[
        "event.payload.amount == 1500",
        "event.amount == event.payload.amount",
        r#"event.payload.type == "inner""#,
        "event.payload.items[0].x == 1",
        "event.items[1].x == 2",
        r#"event.items[0].tags[1] == "b""#,
        r#"event.payload["odd key"].x == 5"#,
        r#"event.payload["order-id"] == "o-1""#,
        r#"event.payload[ "odd key" ].x == 5"#,
        r#"event.payload[""] == "blank""#,
        r#"event.payload["type"] == "inner""#,
        "event.größe == 3",
        "event.2fa",
        r#"event.quote == "say \"hi\"""#,
        r#"event.path == "C:\\temp""#,
    ]);
    none_holds(&["event.payload.items[2].x == 1", "event.payload.payload.amount == 1500"]);
}

#[test]
fn text_is_left_alone() {
    all_hold(&[
        r#""items[0] && (x" == "items[0] && (x""#,
        r#""event.amount" != event.amount"#,
        r#""; = // /* t1" == "; = // /* t1""#,
        r#"contains("a || b", "||")"#,
        "\"line\nbreak\" != \"line break\"",
    ]);
}

#[test]
fn names_are_canonical_sorted_and_unique() {
    let source = r#"event.b > 1 && event.payload.b < 9 && exists(event.items[0].x) && event.type == "t"
        && event.payload["odd \"key\\"].y && event.payload["plain"] && in(event.id, event.a)"#;
    let expected = [
        "event.id",
        r#"event.payload["odd \"key\\"].y"#,
        "event.payload.a",
        "event.payload.b",
        "event.payload.items[0].x",
        "event.payload.plain",
        "event.type",
    ];
    let mut names = parse(source).names();
    assert!(names.is_sorted());
    let mut expected: Vec<String> = expected.map(str::to_owned).to_vec();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn canonical_names_can_be_parsed_again() {
    let source = r#"event.a[0]["x y"].b && event.payload["\"\\"][3]"#;
    for name in parse(source).names() {
        assert_eq!(parse(&name).names(), [name]);
    }
}

#[test]
fn the_source_and_clones_are_kept() {
    let condition = parse(" true ");
    assert_eq!(condition.clone().source(), " true ");
    assert_eq!(format!("{condition:?}"), r#"Condition(" true ")"#);
    fn shareable<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    shareable(&condition);
}

use super::{all_hold, none_holds};

#[test]
fn equality() {
    all_hold(&[
        "event.amount == 1500",
        "1500 == 1500.0",
        "event.amount == 1500.0",
        "event.amount == 1.5e3",
        "event.amount != 1501",
        "event.yes == true",
        "event.no != true",
        r#"event.type == "payment.failed""#,
        r#""x" != "X""#,
        "0 == -0.0",
        "event.object == event.same",
        "event.object != event.other",
        "event.items == event.items",
        "event.items != event.numbers",
    ]);
    none_holds(&[
        "event.amount == 1501",
        r#"event.amount == "1500""#,
        r#"1 == "1""#,
        "1 == true",
        r#""true" == true"#,
        "event.numbers == 1",
        "event.amount != 1500.0",
    ]);
}

#[test]
fn numbers_compare_exactly_across_kinds() {
    all_hold(&[
        "event.big != 9007199254740992.0",
        "event.big > 9007199254740992.0",
        "9007199254740992.0 < event.big",
        "event.huge == 18446744073709551615",
        "event.huge < 18446744073709551616.0",
        "event.huge < 1e300",
        "-event.huge > -1e300",
        "event.huge > 9223372036854775807",
        "2 < 2.5",
        "-2 > -2.5",
        "3 > 2.5",
        "event.negative == -7.0",
    ]);
}

#[test]
fn order() {
    all_hold(&[
        "event.amount > 1499.5",
        "event.amount >= 1500",
        "event.amount <= 1500",
        "event.amount < 1501",
        r#"event.type >= "payment""#,
        r#""a" < "b""#,
        r#""Z" < "a""#,
        r#"event.received_at > "2024-03-01T""#,
    ]);
    none_holds(&["event.amount > 1500", "event.amount < 1500", r#""b" <= "a""#, "1 >= 2"]);
}

#[test]
fn order_between_different_kinds_or_with_empty_is_false() {
    for op in [">", "<", ">=", "<="] {
        for (a, b) in [
            ("event.missing", "1"),
            ("1", "event.missing"),
            ("event.nothing", "event.missing"),
            ("event.amount", r#""1""#),
            ("event.yes", "1"),
            ("true", "false"),
            ("event.items", "event.items"),
            ("event.object", "1"),
        ] {
            none_holds(&[&format!("{a} {op} {b}")]);
        }
    }
}

#[test]
fn empty_equals_only_empty() {
    all_hold(&[
        "event.missing == event.also.missing",
        "event.missing == event.nothing",
        "event.missing != 1",
        r#"event.nothing != """#,
        "event.missing != false",
        "event.numbers[3] == event.missing",
        "event.numbers[9] == event.missing",
        "event.amount.x == event.missing",
        "event.items.x == event.missing",
        "event.object[0] == event.missing",
    ]);
    none_holds(&[
        "event.missing == 0",
        r#"event.missing == """#,
        "event.nothing == false",
        "event.missing != event.nothing",
        "event.empty_text == event.missing",
    ]);
}

#[test]
fn logic() {
    all_hold(&[
        "true",
        "!false",
        "true && true && true",
        "false || false || true",
        "!(true && false)",
        "!!true",
        "event.yes",
        "!event.no",
        "event.missing > 3 || event.yes",
        "(true == true) == true",
    ]);
    none_holds(&["false", "!true", "true && false", "false || false", "event.no"]);
}

#[test]
fn what_is_no_boolean_counts_as_false() {
    none_holds(&["event.amount", "event.name", "event.items", "event.missing", "event.nothing"]);
    all_hold(&["!event.amount", "!event.missing", "!(event.name && true)"]);
}

#[test]
fn arithmetic() {
    all_hold(&[
        "1 + 2 == 3",
        "1 - 2 == -1",
        "3 * 4 == 12",
        "7 / 2 == 3.5",
        "8 / 2 == 4",
        "95 / 100 > 0.9",
        "7 % 4 == 3",
        "-7 % 4 == -3",
        "7.5 % 2 == 1.5",
        "-event.amount == -1500",
        "-(1 + 2) == -3",
        "- -1 == 1",
        "2--1 == 3",
        "10 - 3 - 2 == 5",
        "100 / 10 / 5 == 2",
        "2 * 3 % 4 == 2",
        "event.amount * event.ratio == 375",
        "event.amount*2>2999",
    ]);
}

#[test]
fn arithmetic_never_fails() {
    all_hold(&[
        "1 / 0 == event.missing",
        "1 % 0 == event.missing",
        "1.5 / 0.0 == event.missing",
        "event.amount % event.zero == event.missing",
        "event.missing + 1 == event.missing",
        "1 - event.nothing == event.missing",
        "-event.name == event.missing",
        r#"event.name + "x" == event.missing"#,
        "event.yes * 2 == event.missing",
        "event.items + 1 == event.missing",
        "1 / 0 + 1 == event.missing",
        "1e308 * 10 == event.missing",
    ]);
    none_holds(&["1 / 0 > 0", "1 / 0 < 0", "event.missing + 1 > 0"]);
}

#[test]
fn integer_overflow_goes_to_float() {
    all_hold(&[
        "9223372036854775807 + 1 == 9223372036854775808",
        "event.huge + 1 > event.huge",
        "event.huge * event.huge > 1e38",
        "event.huge * event.huge * event.huge > 1e57",
        "-9223372036854775808 - 1 < -9223372036854775807",
        "-9223372036854775808 / -1 == 9223372036854775808",
        "-9223372036854775808 % -1 == 0",
        "99999999999999999999999999999999999999999999 > 1e43",
        "0 - event.huge < 0",
        "-event.huge < -9223372036854775808",
    ]);
}

#[test]
fn precedence() {
    all_hold(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "2 * 3 + 4 * 5 == 26",
        "1 - 2 * 3 + 4 == -1",
        "-2 * 3 == -6",
        "2 * -3 == -6",
        "1 + 2 > 2 && 2 < 1 + 2",
        "true || false && false",
        "false && false || true",
        "!false && true",
        "!true || true",
        "!false == true",
        "1 == 1 && 2 == 2 || 3 == 4",
        "1 == 2 || 2 == 2 && 3 == 3",
    ]);
    none_holds(&["(true || false) && false", "!(false && true) && false", "!(true || true)"]);
}

#[test]
fn layout_does_not_matter() {
    all_hold(&[
        "  event.amount==1500&&event.yes  ",
        "event.amount\n  >\t1\n&&\ntrue",
        "in ( 1 , 2 , 1 )",
        "((((true))))",
        "event.amount>-1",
        "event.amount==1500||!event.yes",
    ]);
}

use super::{Condition, error};

/// Source, column, a piece of the message, a piece of the hint (empty: no hint).
type Case = (&'static str, usize, &'static str, &'static str);

#[track_caller]
fn check(cases: &[Case]) {
    for (source, column, message, hint) in cases {
        let error = error(source);
        assert_eq!(error.position, *column, "{source}: {error}");
        assert!(error.message.contains(message), "{source}: {error}");
        match &error.hint {
            Some(given) => {
                assert!(!hint.is_empty() && given.contains(hint), "{source}: {error}");
            }
            None => assert!(hint.is_empty(), "{source}: no hint, {error}"),
        }
    }
}

#[test]
fn display() {
    assert_eq!(
        error(r#"event.yes &&contain(event.type, "x")"#).to_string(),
        "column 13: unknown function 'contain'; did you mean 'contains'?"
    );
    assert_eq!(error("(1 == 1").to_string(), "column 1: this '(' is never closed");
}

#[test]
fn positions_count_characters() {
    check(&[(r#""äöü€😀" == = 1"#, 12, "'='", "use == to compare")]);
}

#[test]
fn empty() {
    check(&[("", 1, "is empty", "true"), (" \n\t", 1, "is empty", "true")]);
}

#[test]
fn operators_that_are_not_in_the_language() {
    check(&[
        ("event.a = 1", 9, "'='", "use == to compare"),
        ("event.a === 1", 9, "'==='", "use == to compare"),
        ("event.a !== 1", 9, "'!=='", "use != to compare"),
        ("event.a += 1", 9, "'+='", "cannot assign"),
        ("event.a -= 1", 9, "'-='", "cannot assign"),
        ("event.a *= 1", 9, "'*='", "cannot assign"),
        ("event.a /= 1", 9, "'/='", "cannot assign"),
        ("event.a %= 1", 9, "'%='", "cannot assign"),
        ("event.a ^= 1", 9, "'^='", "cannot assign"),
        ("event.a &&= true", 9, "'&&='", "cannot assign"),
        ("event.a ||= true", 9, "'||='", "cannot assign"),
        ("2 ^ 3 == 8", 3, "'^'", "no power"),
        ("2 ** 3 == 8", 3, "'**'", "no power"),
        ("true; false", 5, "';'", "join"),
        ("event.a & true", 9, "'&'", "use &&"),
        ("event.a | true", 9, "'|'", "use ||"),
        ("event.a => 1", 9, "'=>'", "use >="),
        ("event.a =< 1", 9, "'=<'", "use <="),
        ("event.a <> 1", 9, "'<>'", "use !="),
        ("event.a =~ \"x\"", 9, "'=~'", "matches"),
        ("event.a ~ \"x\"", 9, "'~'", "matches"),
        ("event.a ? 1 : 2", 9, "'?'", "&&"),
        ("true // why", 6, "'//'", "description"),
        ("true /* why */", 6, "'/*'", "description"),
        ("event.a == 'x'", 12, "'''", "double quotes"),
        ("event.a == “x”", 12, "'“'", "double quotes"),
        ("[1, 2]", 1, "'['", "in(x"),
        ("event.a == {", 12, "unexpected character '{'", ""),
        ("event.a == \u{7}", 12, "unexpected character", ""),
        ("event.a > .5", 11, "'.'", "0.5"),
        ("1 ++ 2 == 3", 3, "'++'", "once"),
        ("event.a ! true", 9, "between two values", "use !="),
        ("event.a and event.b", 9, "unknown name 'and'", "&&"),
        ("event.a or (event.b)", 9, "unknown function 'or'", "||"),
        ("not event.a", 1, "unknown name 'not'", "use !"),
        ("not(event.a)", 1, "unknown function 'not'", "use !"),
    ]);
}

#[test]
fn names_that_are_not_in_the_language() {
    check(&[
        ("amount > 3", 1, "unknown name 'amount'", "event.payload"),
        ("true && payload.a > 3", 9, "unknown name 'payload.a'", "'event.payload.a'"),
        ("type == \"x\"", 1, "unknown name 'type'", "'event.type'"),
        ("evnt.type == \"x\"", 1, "unknown name 'evnt.type'", "'event.type'"),
        ("resource.priority == 1", 1, "unknown name", "names are event.type"),
        ("event.a == failed", 12, "unknown name 'failed'", "text is written \"failed\""),
        ("event.a == null", 12, "unknown name 'null'", "exists("),
        ("event.a == True", 12, "unknown name 'True'", "write true"),
        ("event == 1", 1, "'event' alone", "event.type"),
        ("event[0] == 1", 1, "'event' alone", "event.type"),
        ("event.type.x == 1", 1, "nothing below", "event.payload.type"),
        ("event.id[0] == 1", 1, "nothing below", "event.payload.id"),
        ("event. == 1", 7, "field name is missing", "event.payload[\"the key\"]"),
        ("event.a..b == 1", 9, "field name is missing", "event.payload"),
        ("event.a.", 9, "field name is missing", "event.payload"),
        ("event.a[x] == 1", 8, "brackets hold", "items[0]"),
        ("event.a[-1] == 1", 8, "brackets hold", "items[0]"),
        ("event.a[1 == 1", 8, "brackets hold", "items[0]"),
        ("event.a[] == 1", 8, "brackets hold", "items[0]"),
        ("event.a[12345678901] == 1", 8, "brackets hold", "items[0]"),
        ("event.a[\"x] == 1", 9, "no closing quote", "\\\""),
        ("event.order-id == 1", 13, "unknown name 'id'", "event.payload[\"order-id\"]"),
        ("event.a(1)", 1, "not a function", ""),
        ("event.type.contains(\"x\")", 1, "nothing below", "event.payload.type"),
        ("event.name.contains(\"x\")", 1, "not a function", "write contains("),
    ]);
}

#[test]
fn functions_that_are_not_in_the_language() {
    check(&[
        ("contain(event.a, 1)", 1, "'contain'", "'contains'"),
        ("startsWith(event.a, \"x\")", 1, "'startsWith'", "'starts_with'"),
        ("true && exist(event.a)", 9, "'exist'", "'exists'"),
        ("nowhour(\"UTC\") > 1", 1, "'nowhour'", "'now_hour'"),
        ("LEN(event.a) > 1", 1, "'LEN'", "'len'"),
        ("length(event.a) > 1", 1, "'length'", "'len'"),
        ("includes(event.a, 1)", 1, "'includes'", "'contains'"),
        ("math::abs(event.a) > 1", 1, "'math::abs'", "the functions are in, contains"),
        ("str::to_lowercase(event.a) == \"\"", 1, "'str::to_lowercase'", "'lower'"),
        ("str::regex_matches(event.a, \"\")", 1, "'str::regex_matches'", "'matches'"),
        ("typeof(event.a) == \"string\"", 1, "'typeof'", "the functions are"),
        ("max(event.a, 1) > 1", 1, "'max'", "the functions are"),
        ("len event.a > 1", 1, "unknown name 'len'", "write len("),
        ("event.a contains \"x\"", 9, "unknown name 'contains'", "write contains("),
        ("event.a in (1, 2)", 9, "operator is missing", "in(x, a, b"),
    ]);
}

#[test]
fn arguments() {
    check(&[
        ("in(1)", 1, "in takes at least 2 arguments, here are 1", "write in("),
        ("true && len() > 1", 9, "len takes 1 argument, here are 0", "write len("),
        ("len(event.a, 2) > 1", 1, "len takes 1 argument, here are 2", "write len("),
        ("contains(event.a)", 1, "contains takes 2 arguments, here are 1", "write"),
        ("lower(1, 2, 3) == 1", 1, "here are 3", "write"),
        ("exists(\"event.a\")", 8, "exists takes a name", "without quotes"),
        ("exists(1 + 1)", 8, "exists takes a name", "without quotes"),
        ("now_hour(event.tz) > 1", 10, "text in quotes", "Europe/Berlin"),
        ("now_hour(\"Europe/Berln\") > 1", 10, "unknown timezone", "'Europe/Berlin'"),
        ("now_hour(\"europe/berlin\") > 1", 10, "unknown timezone", "'Europe/Berlin'"),
        ("now_hour(\"Middle/Earth Shire\") > 1", 10, "unknown timezone", "like Europe/Berlin"),
        ("matches(event.a, event.b)", 18, "must be a text", "write matches("),
        ("matches(event.a, \"(\")", 18, "not a regular expression: unclosed group", ""),
        ("matches(event.a, \"(?=x)\")", 18, "not a regular expression", "several matches"),
        ("matches(event.a, \"\\\\w{500}\")", 18, "too large", "repeat less"),
        ("matches(event.a, \"(((a{99}){99}){99})\")", 18, "too large", "repeat less"),
    ]);
}

#[test]
fn grammar() {
    check(&[
        ("(true", 1, "never closed", ""),
        ("true && (in(1, 2) || (true)", 9, "never closed", ""),
        ("true)", 5, "closes nothing", ""),
        ("()", 2, "missing before ')'", ""),
        ("(true &&)", 9, "missing before ')'", ""),
        ("in(1, )", 7, "missing before ')'", ""),
        ("in(, 1)", 4, "missing before ','", ""),
        ("true &&", 8, "ends where", ""),
        ("!", 2, "ends where", ""),
        ("len(", 5, "ends where", ""),
        ("&& true", 1, "missing before '&&'", ""),
        ("1 < > 2", 5, "missing before '>'", ""),
        ("+1 == 1", 1, "missing before '+'", ""),
        ("true false", 6, "operator is missing", "join"),
        ("(true)(false)", 7, "operator is missing", "join"),
        ("len(event.a)(1)", 13, "operator is missing", "join"),
        ("1, 2", 2, "',' is only for", "join"),
        ("in((1, 2), 1)", 6, "',' is only for", "join"),
        ("event.a > 1,000", 12, "',' is only for", "join"),
        ("1 < 2 < 3", 7, "cannot be chained", "&&"),
        ("true && 1 < event.a + 1 <= 3 < 4", 25, "cannot be chained", "&&"),
        ("event.a == event.b == 1", 20, "cannot be chained", "parentheses"),
    ]);
}

#[test]
fn literals() {
    check(&[
        ("event.a == \"x", 12, "no closing quote", "\\\""),
        ("event.a == \"x\\", 12, "no closing quote", "\\\""),
        ("event.a == \"x\\d\"", 14, "unknown escape '\\d'", "\\\\"),
        ("event.a > 1.", 11, "not a number", "0.5"),
        ("event.a > 1.5.2", 11, "not a number", "0.5"),
        ("event.a > 1e", 11, "not a number", "1e3"),
        ("event.a > 12abc", 11, "not a number", "1500"),
        ("event.a > 0x1F", 11, "not a number", "1500"),
        ("event.a > 1_000", 11, "not a number", "1500"),
        ("event.a > 1e999", 11, "too large", ""),
        ("event.a > inf", 11, "unknown name 'inf'", "names are"),
        ("event.a > NaN", 11, "unknown name 'NaN'", "names are"),
    ]);
}

#[test]
fn what_is_known_not_to_be_a_boolean() {
    check(&[
        ("1", 1, "the whole condition must be true or false, but is a number", "compare"),
        ("\"true\"", 1, "but is a text", "compare"),
        ("event.type", 1, "but is a text", "compare"),
        ("event.a + 1", 1, "but is a number", "compare"),
        ("-event.a", 1, "but is a number", "compare"),
        ("len(event.a)", 1, "but is a number", "compare"),
        ("now_hour(\"UTC\")", 1, "but is a number", "compare"),
        ("true && lower(event.a)", 9, "this side must be true or false", "compare"),
        ("1 || true", 1, "this side", "compare"),
        ("!5 == true", 2, "what follows '!'", "compare"),
        ("!(event.a * 2)", 3, "what follows '!'", "compare"),
    ]);
}

#[test]
fn long_words_are_shortened_in_messages() {
    let error = error(&"x".repeat(4000));
    assert!(error.to_string().len() < 400, "{error}");
    assert!(Condition::parse(&format!("event.{}", "y".repeat(4000))).is_ok());
}

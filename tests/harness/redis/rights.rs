//! The rights of the product in Redis: exactly those that the operators' page names.

const PAGE: &str = include_str!("../../../docs/operators/redis.md");

/// Who the product logs in as.
pub const USER: &str = "bellbuoy";
/// With what.
pub const PASSWORD: &str = "p@ss:w/rd%";
/// The password as it is written in an address.
pub(super) const ESCAPED: &str = "p%40ss%3Aw%2Frd%25";

/// The rules of the `ACL SETUSER` that the page has under a heading, one word each.
///
/// # Panics
/// When there is none.
pub fn rights(heading: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n### {heading}\n")).expect("a heading of the page");
    let (_, rest) = rest.split_once("```").expect("a block");
    let (block, _) = rest.split_once("```").expect("its end");
    let mut words = block.split_whitespace().skip_while(|word| *word != "SETUSER");
    assert_eq!((words.next(), words.next()), (Some("SETUSER"), Some(USER)));
    words.filter(|word| *word != "\\").collect()
}

/// How a server is told of the product's user with these rights, on keys that begin as those of tests do.
pub(super) fn user(headings: &[&str]) -> Vec<String> {
    let rule = |rule: &str| match rule {
        ">password" => format!(">{PASSWORD}"),
        rule => rule.replace("bellbuoy:", "t*:"),
    };
    let rules = headings.iter().flat_map(|heading| rights(heading)).map(rule);
    ["user", USER].map(str::to_owned).into_iter().chain(rules).collect()
}

//! The generated documents: `.env.example` and the reference page.

use super::{
    choices::Profile,
    setting::{Form, Setting},
    settings::SECTIONS,
    settings::range::Range,
    settings::table::Field,
};

/// How wide comments in `.env.example` get.
const WIDTH: usize = 96;

pub(super) fn env_example() -> String {
    let mut out = comment(
        "Every setting of Bellbuoy with its default. Uncomment what you change. Each may be given \
         as NAME_FILE instead: the path of a file with the value in it, as for mounted secrets. \
         Generated from the configuration's structure.",
    );
    out.push_str(
        "\n# The kind of installation; outside of development insecure defaults are refused.\n",
    );
    out.push_str(&format!(
        "# It is {}.\n#BELLBUOY_PROFILE={}\n",
        Profile::KIND,
        Profile::Development
    ));
    for section in SECTIONS {
        out.push_str(&format!("\n# ---- {} ----\n{}", section.name, comment(section.doc)));
        for field in section.fields {
            let (development, production) = field.defaults();
            out.push_str(&format!("\n{}", comment(field.doc)));
            if development != production {
                let production = if production.is_empty() { "not set" } else { &production };
                out.push_str(&format!("# In staging and production: {production}\n"));
            }
            out.push_str(
                &bounds(field)
                    .map(|words| comment(&format!("Bounds: {words}.")))
                    .unwrap_or_default(),
            );
            out.push_str(&format!("#{}={development}\n", field.variable()));
        }
    }
    out
}

pub(super) fn reference() -> String {
    let mut out = format!(
        "# Configuration reference\n\n\
         Generated from the configuration's structure; do not edit.\n\n\
         Sources, later wins: defaults of the profile, `bellbuoy.toml` (or the file named by \
         `--config` or `BELLBUOY_CONFIG`), environment variables, files named by environment \
         variables. Each variable below also exists with `_FILE` behind its name: then it names \
         a file with the value in it. Giving both is a mistake, and so is any unknown name.\n\n\
         The profile is set by `BELLBUOY_PROFILE` or `profile` at the top of the file: {}. \
         Staging and production share their defaults and refuse insecure values. \
         Where two defaults are given, the first is that of development. A value out of its bounds \
         is a mistake; `bellbuoy config check` tells all of them without starting anything.\n\n\
         In the file, lists are arrays; in variables, their items stand between commas. \
         An empty value means \"not set\" where a setting may be unset, and an empty list.\n",
        Profile::KIND
    );
    for section in SECTIONS {
        out.push_str(&format!("\n## {}\n\n{}\n\n", section.name, section.doc.trim()));
        out.push_str(
            "| key | environment | type | default | bounds | meaning |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for field in section.fields {
            out.push_str(&row(field));
        }
    }
    out
}

fn row(field: &Field) -> String {
    let (development, production) = field.defaults();
    let default = if development == production {
        code(&development)
    } else {
        format!("{} / {}", code(&development), code(&production))
    };
    let list = if field.form == Form::List { "list of: " } else { "" };
    let secret = if field.secret { " (secret)" } else { "" };
    let meaning = field.doc.trim().replace('|', "\\|");
    let (name, variable, kind) = (field.name, field.variable(), field.kind);
    let bounds = bounds(field).unwrap_or_default();
    format!(
        "| `{name}` | `{variable}` | {list}{kind}{secret} | {default} | {bounds} | {meaning} |\n"
    )
}

/// What the value must be within, in words.
fn bounds(field: &Field) -> Option<String> {
    let words = |range: &Option<Range>| range.as_ref().map(|range| (range.words)());
    match (words(&field.within), words(&field.strict)) {
        (within, None) => within,
        (None, Some(strict)) => Some(format!("outside of development {strict}")),
        (Some(within), Some(strict)) => Some(format!("{within}; outside of development {strict}")),
    }
}

fn code(value: &str) -> String {
    if value.is_empty() { "none".to_owned() } else { format!("`{}`", value.replace('|', "\\|")) }
}

/// The text in lines of a comment.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + word.len() >= WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\n"
}

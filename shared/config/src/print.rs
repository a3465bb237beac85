//! `config print`: the configuration in effect, as TOML.

use super::{
    gathered::PROFILE_KEY,
    setting::Form,
    settings::{Config, SECTIONS},
};

/// The whole configuration; reading it gives the same one, unless a secret is hidden in it.
pub(super) fn toml(config: &Config) -> String {
    let mut out = String::from(
        "# The configuration in effect, with where each value came from.\n\
         # Secrets are shown as ***, which is refused when it is read.\n",
    );
    out.push_str(&line(config, PROFILE_KEY, PROFILE_KEY, &text(config.profile.as_str())));
    for section in SECTIONS {
        out.push_str(&format!("\n[{}]\n", section.name));
        for field in section.fields {
            let value = written(field.form, &(field.show)(config));
            out.push_str(&line(config, field.name, field.key, &value));
        }
    }
    out
}

fn line(config: &Config, name: &str, key: &str, value: &str) -> String {
    // A comment ends with its line, whatever a path has in it.
    let origin = config.origin(name).to_string().replace(char::is_control, "");
    format!("{key} = {value} # {origin}\n")
}

/// A shown value as TOML.
fn written(form: Form, shown: &str) -> String {
    match form {
        Form::List => {
            let items: Vec<String> = items(shown).map(text).collect();
            format!("[{}]", items.join(", "))
        }
        Form::Bare if !shown.is_empty() => shown.to_owned(),
        Form::Bare | Form::Text => text(shown),
    }
}

/// The items of a shown list.
pub(super) fn items(shown: &str) -> impl Iterator<Item = &str> {
    shown.split(',').filter(|item| !item.is_empty())
}

/// A quoted text. TOML and JSON agree on these escapes; TOML wants one more, for DEL.
pub(super) fn text(value: &str) -> String {
    let mut out = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

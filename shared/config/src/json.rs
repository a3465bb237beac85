//! `config print --json`.

use super::{
    gathered::PROFILE_KEY,
    print::{items, text},
    setting::Form,
    settings::{Config, SECTIONS},
};

/// `{"profile": {value, source}, "http": {"listen": {value, source}, …}, …}`
pub(super) fn json(config: &Config) -> String {
    let profile = entry(config, PROFILE_KEY, PROFILE_KEY, &text(config.profile.as_str()));
    let sections = SECTIONS.iter().map(|section| {
        let fields = section.fields.iter().map(|field| {
            let value = written(field.form, &(field.show)(config));
            format!("    {}", entry(config, field.name, field.key, &value))
        });
        let fields: Vec<String> = fields.collect();
        format!("  {}: {{\n{}\n  }}", text(section.name), fields.join(",\n"))
    });
    let members: Vec<String> = std::iter::once(format!("  {profile}")).chain(sections).collect();
    format!("{{\n{}\n}}\n", members.join(",\n"))
}

fn entry(config: &Config, name: &str, key: &str, value: &str) -> String {
    let source = text(&config.origin(name).to_string());
    format!("{}: {{\"value\": {value}, \"source\": {source}}}", text(key))
}

/// A shown value as JSON; what is not set is null.
fn written(form: Form, shown: &str) -> String {
    match form {
        Form::List => {
            let items: Vec<String> = items(shown).map(text).collect();
            format!("[{}]", items.join(", "))
        }
        _ if shown.is_empty() => "null".to_owned(),
        Form::Bare => shown.to_owned(),
        Form::Text => text(shown),
    }
}

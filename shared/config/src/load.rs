//! Loading: the sources, in order, and everything that is wrong with them at once.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use super::{
    choices::Profile,
    file,
    gathered::{Gathered, Given, PROFILE_KEY},
    mistake::{ConfigErrors, Origin},
    setting::{Setting, quote},
    settings::Config,
    settings::table::{Field, fields},
    suggest, validate,
};

const PREFIX: &str = "BELLBUOY_";
const CONFIG: &str = "BELLBUOY_CONFIG";
const PROFILE: &str = "BELLBUOY_PROFILE";
/// Test suites pass their own things along under this prefix.
const TESTS: &str = "BELLBUOY_TEST_";
/// Where `bellbuoy send` sends to, and with which key.
const SEND: &str = "BELLBUOY_SEND_";

/// What the configuration is read from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that was asked for by `--config`: it must exist. It wins over `BELLBUOY_CONFIG`.
    pub file: Option<PathBuf>,
    /// The file that is read if it exists and no other was asked for.
    pub default_file: PathBuf,
    /// The environment. Only names that start with `BELLBUOY_` are looked at.
    pub env: BTreeMap<String, String>,
}

impl Sources {
    /// This process's environment and `bellbuoy.toml` in its working directory.
    pub fn from_process(explicit_file: Option<PathBuf>) -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            file: explicit_file,
            default_file: PathBuf::from("bellbuoy.toml"),
            env: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .filter(|(name, _)| name.starts_with(PREFIX))
                .collect(),
        }
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("default_file", &self.default_file)
            .field("env", &self.env.keys())
            .finish()
    }
}

pub(super) fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let mut gathered = Gathered::default();
    read_file(sources, &mut gathered);
    read_environment(sources, &mut gathered);

    let mut config = Config::defaults(profile(&mut gathered));
    for field in fields() {
        apply(field, &mut config, &mut gathered);
    }
    let Gathered { values, mut mistakes, incomplete } = gathered;
    config.origins = values.into_iter().map(|(name, given)| (name, given.origin)).collect();
    // With a source missing, defaults would be blamed that somebody did change.
    if !incomplete {
        let spoiled: Vec<String> = mistakes.iter().map(|mistake| mistake.key.clone()).collect();
        mistakes.extend(validate::check(&config, &spoiled));
    }
    if mistakes.is_empty() { Ok(config) } else { Err(ConfigErrors(mistakes)) }
}

fn profile(gathered: &mut Gathered) -> Profile {
    let Some(given) = gathered.values.get(PROFILE_KEY) else {
        return Profile::Development;
    };
    match Profile::parse(&given.text) {
        Ok(profile) => profile,
        Err(fault) => {
            let (value, origin) = (quote(&given.text), given.origin.clone());
            gathered.mistake(PROFILE_KEY, Some(value), origin, fault);
            // Any will do, for loading has failed; this one makes no further complaints.
            Profile::Development
        }
    }
}

/// Only the value that wins is judged: what is overridden does no harm, and overriding is how
/// a bad value in a file is got out of the way.
fn apply(field: &Field, config: &mut Config, gathered: &mut Gathered) {
    let Some(given) = gathered.values.get(field.name) else {
        return;
    };
    if let Err(fault) = (field.set)(config, &given.text) {
        let (value, origin) = ((field.mask)(&given.text), given.origin.clone());
        gathered.mistake(field.name, Some(value), origin, fault);
    }
}

fn read_file(sources: &Sources, gathered: &mut Gathered) {
    let (path, origin, required) = match (&sources.file, sources.env.get(CONFIG)) {
        (Some(path), _) => (path.clone(), "--config".to_owned(), true),
        (None, Some(path)) => (PathBuf::from(path), CONFIG.to_owned(), true),
        (None, None) => (sources.default_file.clone(), String::new(), false),
    };
    match fs::read_to_string(&path) {
        Ok(text) => file::read(&text, &path, gathered),
        Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let asked = if required { format!(", as {origin} asks") } else { String::new() };
            let fault = format!("the configuration file can't be read{asked}: {error}");
            gathered.incomplete = true;
            gathered.mistake("", None, Origin::File { path, line: None }, fault);
        }
    }
}

fn read_environment(sources: &Sources, gathered: &mut Gathered) {
    let known: BTreeMap<String, &Field> = fields()
        .flat_map(|field| [(field.variable(), field), (field.file_variable(), field)])
        .collect();
    for (name, text) in &sources.env {
        let is_other = name.starts_with(TESTS) || name.starts_with(SEND) || name == CONFIG;
        if !name.starts_with(PREFIX) || is_other {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        if name == PROFILE {
            gathered.values.insert(PROFILE_KEY.to_owned(), Given { text: text.clone(), origin });
            continue;
        }
        match known.get(name) {
            Some(field) => read_variable(field, name, text, sources, gathered),
            None => {
                let names = known.keys().map(String::as_str).chain([CONFIG, PROFILE]);
                let fault = format!("no such variable{}", suggest::hint(name, names));
                gathered.mistake(name, None, origin, fault);
            }
        }
    }
}

fn read_variable(
    field: &Field,
    name: &str,
    text: &str,
    sources: &Sources,
    gathered: &mut Gathered,
) {
    let variable = field.variable();
    let mut origin = Origin::Variable(name.to_owned());
    let mut value = text.to_owned();
    if name != variable {
        if sources.env.contains_key(&variable) {
            let fault = format!("is given twice: set either {variable} or {name}, not both");
            gathered.mistake(field.name, None, origin, fault);
            return;
        }
        value = match secret_file(text) {
            Ok(content) => content,
            Err(fault) => {
                // Masked like the value: people put the secret itself where its path belongs.
                gathered.mistake(field.name, Some((field.mask)(text)), origin, fault);
                return;
            }
        };
        origin = Origin::SecretFile(name.to_owned());
    }
    // Names and values that are no UTF-8 have come here with this mark in them.
    if value.contains('\u{fffd}') {
        gathered.mistake(field.name, Some((field.mask)(&value)), origin, "is not UTF-8");
        return;
    }
    gathered.values.insert(field.name.to_owned(), Given { text: value, origin });
}

/// The content without the line end that editors put there. Nothing in it is a mistake, not
/// "no value": a mount that failed must not switch a secret off.
fn secret_file(path: &str) -> Result<String, String> {
    let content = fs::read_to_string(path)
        .map_err(|error| format!("the file that is named can't be read: {error}"))?;
    match content.trim_end_matches(['\r', '\n']) {
        "" => Err("the file that is named is empty; the value must be in it".to_owned()),
        value => Ok(value.to_owned()),
    }
}

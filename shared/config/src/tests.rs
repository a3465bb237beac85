//! Tests of the configuration as a whole, from its sources to its documents.

mod documents;
mod hiding;
mod loading;
mod mistakes;
mod values;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{Config, ConfigErrors, Sources};

/// 32 zero bytes.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A directory with a configuration file and secret files in it, removed in the end.
struct Desk {
    dir: PathBuf,
    env: BTreeMap<String, String>,
}

impl Desk {
    fn new(toml: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("bellbuoy-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let desk = Self { dir, env: BTreeMap::new() };
        desk.file("bellbuoy.toml", toml);
        desk
    }

    /// What production needs at least.
    fn production(toml: &str) -> Self {
        Self::new(toml)
            .env("BELLBUOY_PROFILE", "production")
            .env("BELLBUOY_HTTP_PUBLIC_URL", "https://alerts.example.com")
            .env("BELLBUOY_SEAL_KEY", KEY)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn secret(self, name: &str, content: &str) -> Self {
        let path = self.file(name, content);
        self.env(name, path.to_str().unwrap())
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self) -> PathBuf {
        self.dir.join("bellbuoy.toml")
    }

    fn sources(&self) -> Sources {
        Sources { file: None, default_file: self.path(), env: self.env.clone() }
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.sources())
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn mistakes(&self) -> ConfigErrors {
        self.load().expect_err("a mistake")
    }

    /// The message with the directory's name taken out of it.
    fn message(&self) -> String {
        self.mistakes().to_string().replace(&format!("{}/", self.dir.display()), "")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn load_only(file: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(Sources {
        file: file.map(Path::to_owned),
        default_file: PathBuf::from("/nowhere/bellbuoy.toml"),
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

//! What is packed and deployed: the Dockerfile and compose.yaml say only what there is, and nothing that may change
//! under them. Their form is checked by `tests/run`, with the schema of Compose and with hadolint.

use std::collections::BTreeSet;
use std::process::Command;

use config::Config;

use super::sources::{none, read};

const COMPOSE: &str = "compose.yaml";
const DOCKERFILE: &str = "Dockerfile";

/// What the files themselves define, beside the settings of the product.
const THEIR_OWN: [&str; 2] = ["BELLBUOY_IMAGE", "BELLBUOY_PROFILE"];

/// Services without a health check, and why.
const UNCHECKED: [&str; 3] = [
    // They end.
    "migrate",
    "s3-bucket",
    // Nothing in the image could ask it.
    "sqs",
];

/// The words in a text that begin like our variables.
fn variables(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let starts = text.match_indices("BELLBUOY_").map(|(at, _)| at);
    starts.map(|at| text[at..].chars().take_while(|c| is_part(*c)).collect()).collect()
}

/// The text without its comments.
fn bare(path: &str) -> String {
    let text = read(path);
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The services of compose.yaml and their lines.
fn services() -> Vec<(String, String)> {
    let text = bare(COMPOSE);
    let inside = text.split("\nservices:\n").nth(1).expect("services");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in inside.lines() {
        let indent = line.len() - line.trim_start().len();
        match (indent, found.last_mut()) {
            (0, _) if !line.is_empty() => break,
            (2, _) => found.push((line.trim().trim_end_matches(':').to_owned(), String::new())),
            (_, Some((_, lines))) => *lines += &format!("{line}\n"),
            (_, None) => {}
        }
    }
    assert!(found.len() >= 10, "{found:?}");
    found
}

#[test]
fn variables_are_settings() {
    let known = variables(&Config::env_example());
    let mut wrong = Vec::new();
    for path in [COMPOSE, DOCKERFILE] {
        let used = variables(&bare(path));
        assert!(!used.is_empty(), "{path} sets nothing");
        for name in used {
            let plain = name.strip_suffix("_FILE").unwrap_or(&name);
            if !known.contains(plain) && !THEIR_OWN.contains(&plain) {
                wrong.push(format!("{path}: {name}"));
            }
        }
    }
    none("there is no such setting", &wrong);
}

#[test]
fn images_are_pinned() {
    let of_compose = bare(COMPOSE);
    let images = of_compose.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let of_docker = bare(DOCKERFILE);
    let bases = of_docker.lines().filter_map(|line| line.strip_prefix("FROM "));
    let images: Vec<&str> = images
        .filter(|image| !image.contains("BELLBUOY_IMAGE"))
        .chain(bases.filter_map(|base| base.split(' ').next()))
        .collect();
    assert!(images.len() >= 10, "{images:?}");
    let is_pinned = |image: &&&str| {
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        // A major version alone is a name for whatever is newest of it.
        image.contains("@sha256:")
            || tag.matches(['.', '-']).count() > 0 && tag.contains(|c: char| c.is_ascii_digit())
    };
    let loose: Vec<String> =
        images.iter().filter(|image| !is_pinned(image)).map(ToString::to_string).collect();
    none("name a version, to the patch", &loose);
}

#[test]
fn commands_are_those_of_the_product() {
    let binary = env!("CARGO_BIN_EXE_bellbuoy");
    let mut asked = 0;
    let mut wrong = Vec::new();
    let ours = services().into_iter().filter(|(_, lines)| lines.contains("<<: *role"));
    let commands = ours.filter_map(|(name, lines)| {
        let command = lines.lines().find_map(|line| line.trim().strip_prefix("command: "))?;
        Some((name, list(command)))
    });
    let docker = bare(DOCKERFILE);
    let packed = docker.lines().filter_map(|line| {
        let (_, command) = line.split_once("CMD ")?;
        let mut words = list(command);
        words.retain(|word| word != "bellbuoy");
        Some((DOCKERFILE.to_owned(), words))
    });
    for (place, words) in commands.chain(packed) {
        let done = Command::new(binary).args(&words).arg("--help").output().expect("runs");
        asked += 1;
        if !done.status.success() {
            wrong.push(format!("{place}: bellbuoy {}", words.join(" ")));
        }
    }
    assert!(asked >= 6, "only {asked} commands were found");
    none("there is no such command", &wrong);
}

/// The words of `[a, "b"]`.
fn list(text: &str) -> Vec<String> {
    let inside = text.trim().trim_start_matches('[').trim_end_matches(']');
    inside.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

#[test]
fn services_are_bounded_and_asked_how_they_are() {
    let mut wrong = Vec::new();
    for (name, lines) in services() {
        let ours = lines.contains("<<: *role");
        if !lines.contains("healthcheck:") && !ours && !UNCHECKED.contains(&name.as_str()) {
            wrong.push(format!("{name} has no health check"));
        }
        let ends = lines.contains("restart: \"no\"");
        if !lines.contains("limits:") && !lines.contains("*resources") && !ends {
            wrong.push(format!("{name} has no limits"));
        }
        let published =
            lines.lines().map(str::trim).filter(|line| line.starts_with("- 127.0.0.1:"));
        let ports = lines.split("ports:\n").nth(1).unwrap_or_default();
        let ports = ports.lines().take_while(|line| line.starts_with("      - ")).count();
        if published.count() < ports {
            wrong.push(format!("{name} is published beyond this machine"));
        }
    }
    none("in compose.yaml", &wrong);
}

#[test]
fn nothing_starts_with_a_password_that_everybody_knows() {
    let text = bare(COMPOSE);
    let loose: Vec<String> = text
        .lines()
        .filter(|line| {
            let secret = ["PASSWORD", "SECRET", "SEAL_KEY"].iter().any(|word| line.contains(word));
            let open = line
                .split(":-")
                .skip(1)
                .any(|rest| !rest.starts_with('}') && !rest.starts_with("postgres://"));
            secret && open
        })
        .map(str::to_owned)
        .collect();
    none("a default for a secret", &loose);
}

#[test]
fn the_dockerfile_knows_every_package() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    let docker = read(DOCKERFILE);
    let mut wrong = Vec::new();
    for member in members.iter().filter_map(toml::Value::as_str) {
        let copied = match member {
            "." => "COPY Cargo.toml Cargo.lock ./".to_owned(),
            member => format!("COPY {member}/Cargo.toml {member}/"),
        };
        if !docker.contains(&copied) {
            wrong.push(format!("{copied} is missing"));
        }
    }
    none("the layer of the dependencies needs every manifest", &wrong);
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().expect("a version");
    assert!(docker.contains(&format!("FROM rust:{rust}.")), "the image is not built with {rust}");
}

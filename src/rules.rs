//! `bellbuoy rules`: lists rules, prints them as files, tries such files on an event, holds them against stored events, and
//! applies them.

mod backtest;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use config::Config;
use domain::clock::Clock;
use domain::fault::Fault;
use domain::id::{EventId, ProjectId, RuleId};
use domain::precondition::Precondition;
use domain::rule::{FieldChange, Priority, RuleBody, RuleKind, RuleMode, RuleRecord};

use runtime::process::Failure;
use serde_json::{Value, json};
use services::admin::{Admin, Explained, Sample, Tried};
use services::audit::Initiator;
use store::rules::RuleFilter;

use crate::out::{self, say};
use crate::project::find;

/// What to do.
#[derive(Subcommand)]
pub enum What {
    /// Lists rules, newest first.
    #[command(alias = "ls")]
    List {
        #[command(flatten)]
        of: Of,
        /// Only those in this mode.
        #[arg(long, value_parser = mode)]
        mode: Option<RuleMode>,
        /// Only those of this kind.
        #[arg(long, value_parser = kind)]
        kind: Option<RuleKind>,
        /// Only those of this priority.
        #[arg(long, value_parser = priority)]
        priority: Option<Priority>,
        /// Only those that events of this type may match or resolve.
        #[arg(long)]
        event_type: Option<String>,
        /// Only those with this in their name.
        #[arg(long)]
        q: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints a rule as a file for `apply`.
    Get {
        #[command(flatten)]
        of: Of,
        /// The rule: its name or id.
        rule: String,
    },
    /// Tries the rules of a file on an event: what they would do with it. Nothing is kept.
    Test {
        #[command(flatten)]
        of: Of,
        /// The file, JSON or YAML, with one rule or a list of them; - is the standard input.
        file: PathBuf,
        /// A file with the event: its type, source and payload.
        #[arg(long)]
        event: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Holds the rules of a file against stored events: what they would have done. Nobody is notified.
    Backtest {
        #[command(flatten)]
        of: Of,
        /// The file, JSON or YAML, with one rule or a list of them; - is the standard input.
        file: PathBuf,
        /// How many days back.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=92))]
        days: u8,
    },
    /// Creates the rules of a file, and updates those whose names are there already.
    Apply {
        #[command(flatten)]
        of: Of,
        /// The file, JSON or YAML, with one rule or a list of them; - is the standard input.
        file: PathBuf,
        /// Changes nothing, and says what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Whose rules.
#[derive(Args)]
pub struct Of {
    /// The project: its slug or id.
    #[arg(long)]
    project: String,
}

/// A rule as a file has it.
struct Draft {
    mode: Option<RuleMode>,
    body: RuleBody,
}

/// How many are asked for at once.
const PAGE: usize = 200;

/// Does it and says what it did.
pub async fn run(config: Config, what: What) -> Result<ExitCode, Failure> {
    let admin = Admin::beside(&config).await?;
    let done = work(&admin, what).await;
    admin.close().await;
    done
}

async fn work(admin: &Admin, what: What) -> Result<ExitCode, Failure> {
    match what {
        What::List { of, mode, kind, priority, event_type, q, json } => {
            let filter = RuleFilter { mode, kind, priority, name: q, event_type };
            list(admin, find(admin, &of.project).await?.id, filter, json).await?;
        }
        What::Get { of, rule } => {
            let project = find(admin, &of.project).await?.id;
            out::json(&file_of(&named(admin, project, &rule).await?))?;
        }
        What::Test { of, file, event, json } => {
            let project = find(admin, &of.project).await?.id;
            let (drafts, sample) = (drafts(&file)?, sample(&event)?);
            return test(admin, project, drafts, &sample, json).await;
        }
        What::Backtest { of, file, days } => {
            let project = find(admin, &of.project).await?.id;
            for Draft { body, .. } in drafts(&file)? {
                let rule = admin.rule_named(project, &body.name).await?.map(|one| one.rule.id);
                backtest::run(admin, project, rule, body, days).await?;
            }
        }
        What::Apply { of, file, dry_run } => {
            let project = find(admin, &of.project).await?.id;
            apply(admin, project, drafts(&file)?, dry_run).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    admin: &Admin,
    project: ProjectId,
    filter: RuleFilter,
    json: bool,
) -> Result<(), Failure> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = admin.rules(project, filter.clone(), before, PAGE).await?;
        let is_last = page.len() < PAGE;
        before = page.last().map(|one| one.rule.id);
        all.extend(page);
        if is_last {
            break;
        }
    }
    if json {
        let told = |one: &RuleRecord| {
            let mut told = file_of(one);
            told["id"] = json!(one.rule.id);
            told["version"] = json!(one.rule.version);
            told
        };
        return out::json(&Value::Array(all.iter().map(told).collect()));
    }
    for RuleRecord { rule, .. } in &all {
        let body = &rule.body;
        let (mode, priority) = (rule.mode.as_str(), body.priority.as_str());
        say!("{}  {mode:<6}  {priority:<8}  {:<7}  {}", rule.id, body.kind.as_str(), body.name);
    }
    Ok(())
}

/// The rule of that id or name.
async fn named(admin: &Admin, project: ProjectId, rule: &str) -> Result<RuleRecord, Failure> {
    if let Some(found) = admin.rule_named(project, rule).await? {
        return Ok(found);
    }
    match rule.parse::<RuleId>() {
        Ok(id) => Ok(admin.rule(project, id).await?),
        Err(_) => Err(format!("there is no rule {rule:?} in this project").into()),
    }
}

/// A rule as a file has it.
fn file_of(record: &RuleRecord) -> Value {
    let mut told = serde_json::to_value(&record.rule.body).unwrap_or_default();
    told["mode"] = json!(record.rule.mode);
    told
}

async fn apply(
    admin: &Admin,
    project: ProjectId,
    drafts: Vec<Draft>,
    dry_run: bool,
) -> Result<(), Failure> {
    let mut planned = Vec::new();
    // All are judged before the first is applied.
    for draft in drafts {
        let name = draft.body.name.clone();
        let there = admin.rule_named(project, &name).await?;
        let id = there.as_ref().map(|one| one.rule.id);
        let faults = admin.rule_faults(project, id, &draft.body).await?;
        if !faults.is_empty() {
            return Err(format!("rule {name:?}: {}", told(&faults)).into());
        }
        planned.push((there, draft));
    }
    let initiator = Initiator::system();
    for (there, Draft { mode, body }) in planned {
        let name = body.name.clone();
        let failed = |error| Failure::from(format!("rule {name:?}: {error}"));
        let Some(there) = there else {
            say!("create  {name}");
            if !dry_run {
                let mode = mode.unwrap_or(RuleMode::Live);
                let made = admin.create_rule(project, body, mode, &initiator).await;
                made.map_err(failed)?;
            }
            continue;
        };
        let changes = there.changes_to(mode.unwrap_or(there.rule.mode), &body);
        say!("{}  {name}", if changes.is_empty() { "same  " } else { "update" });
        for FieldChange { field, before, after } in &changes {
            say!("  {field}: {before} -> {after}");
        }
        if !dry_run && !changes.is_empty() {
            let (id, condition) = (there.rule.id, Precondition::Tags(vec![there.tag()]));
            let changed = admin.change_rule(project, id, body, mode, &condition, &initiator).await;
            changed.map_err(failed)?;
        }
    }
    Ok(())
}

async fn test(
    admin: &Admin,
    project: ProjectId,
    drafts: Vec<Draft>,
    sample: &Sample,
    json: bool,
) -> Result<ExitCode, Failure> {
    let (mut fine, mut all) = (true, Vec::new());
    for draft in drafts {
        let name = draft.body.name.clone();
        let id = admin.rule_named(project, &name).await?.map(|one| one.rule.id);
        let tried = admin.try_rule(project, id, draft.body, sample).await?;
        fine &= tried.faults.is_empty();
        if json {
            all.push(shown(&name, &tried));
        } else {
            print(&name, &tried)?;
        }
    }
    if json {
        out::json(&Value::Array(all))?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(name: &str, tried: &Tried) -> Value {
    let condition = |one: &Explained| {
        let part = |part: &domain::trace::TracePart| json!({ "text": part.text, "result": part.result, "note": part.note });
        json!({ "holds": one.holds, "parts": one.parts.iter().map(part).collect::<Vec<_>>() })
    };
    let fault = |one: &Fault| json!({ "field": one.field, "message": one.message });
    json!({
        "name": name,
        "faults": tried.faults.iter().map(fault).collect::<Vec<_>>(),
        "condition": tried.condition.as_ref().map(condition),
        "resolve_condition": tried.resolve.as_ref().map(condition),
        "group": tried.outcome.as_ref().map(|one| &one.group),
        "recipient_count": tried.outcome.as_ref().map(|one| one.total),
    })
}

fn print(name: &str, tried: &Tried) -> Result<(), Failure> {
    say!("{name}");
    for fault in &tried.faults {
        say!("  wrong     {}: {}", fault.field, fault.message);
    }
    for (word, found) in [("matches", &tried.condition), ("resolves", &tried.resolve)] {
        let Some(found) = found else { continue };
        say!("  {word:<8}  {}", answer(found.holds));
        for part in &found.parts {
            let note = part.note.as_ref().map(|note| format!("   ({note})")).unwrap_or_default();
            say!("    {:<5}  {}{note}", answer(part.result), part.text);
        }
        for (name, value) in &found.values {
            say!("    {name} = {value}");
        }
    }
    if let Some(outcome) = &tried.outcome {
        say!("  group     {}", outcome.group);
        say!("  notifies  {}", outcome.total);
        for (_, name, role) in &outcome.recipients {
            say!(
                "    {name}{}",
                role.as_ref().map(|role| format!(" ({role})")).unwrap_or_default()
            );
        }
    }
    Ok(())
}

const fn answer(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => "takes too many steps",
    }
}

/// The rules of a file.
fn drafts(file: &Path) -> Result<Vec<Draft>, Failure> {
    let all = match parse(file)? {
        Value::Array(all) => all,
        one => vec![one],
    };
    let draft = |(at, mut rule): (usize, Value)| {
        let mode = rule.as_object_mut().and_then(|rule| rule.remove("mode"));
        let read = mode
            .map(serde_json::from_value)
            .transpose()
            .and_then(|mode| Ok(Draft { mode, body: serde_json::from_value(rule)? }));
        read.map_err(|error| format!("{}: rule {}: {error}", file.display(), at + 1).into())
    };
    all.into_iter().enumerate().map(draft).collect()
}

fn sample(file: &Path) -> Result<Sample, Failure> {
    let event = parse(file)?;
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let wrong = |right: &str| Failure::from(format!("{}: {right}", file.display()));
    let now = Clock::System.now();
    Ok(Sample {
        id: EventId::fresh(now).to_string(),
        kind: text("type").ok_or_else(|| wrong("the event has no type"))?,
        source: text("source").unwrap_or_default(),
        subject: text("subject"),
        received_at: now,
        payload: match &event["payload"] {
            payload @ Value::Object(_) => payload.clone(),
            _ => return Err(wrong("the event has no payload that is an object")),
        },
    })
}

/// What a file says, be it JSON or YAML, of which JSON is a part.
fn parse(file: &Path) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| failed(&error))?;
        text
    } else {
        std::fs::read_to_string(file).map_err(|error| failed(&error))?
    };
    // Numbers and escapes of JSON are read as JSON has them.
    match serde_json::from_str(&text) {
        Ok(value) => Ok(value),
        Err(_)
            if text.trim_start().starts_with(['{', '['])
                && file.extension().is_some_and(|end| end == "json") =>
        {
            let error = serde_json::from_str::<Value>(&text).err();
            Err(failed(&error.map(|error| error.to_string()).unwrap_or_default()).into())
        }
        Err(_) => serde_yaml::from_str(&text).map_err(|error| failed(&error).into()),
    }
}

fn told(faults: &[Fault]) -> String {
    let each = faults.iter().map(|one| format!("{}: {}", one.field, one.message));
    each.collect::<Vec<_>>().join("; ")
}

fn mode(word: &str) -> Result<RuleMode, String> {
    RuleMode::parse(word).ok_or_else(|| one_of(RuleMode::ALL))
}

fn kind(word: &str) -> Result<RuleKind, String> {
    RuleKind::parse(word).ok_or_else(|| one_of(RuleKind::ALL))
}

fn priority(word: &str) -> Result<Priority, String> {
    Priority::parse(word).ok_or_else(|| one_of(Priority::ALL))
}

fn one_of<T: std::fmt::Display>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    format!("one of {}", all.join(", "))
}

//! `bellbuoy files`: what an operator does with the files of a project.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clap::Subcommand;
use config::Config;
use crypto::seal::Sealer;
use domain::clock::Clock;
use domain::id::ProjectId;
use files::key::{FileKey, FilePrefix};
use files::link::LinkOptions;
use files::{Files, PAGE};
use futures_util::StreamExt;
use futures_util::stream::try_unfold;
use runtime::app::open_files;
use runtime::process::Failure;
use serde_json::json;
use services::probe;
use store::Store;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::out::{self, say};

/// What is done.
#[derive(Subcommand)]
pub enum What {
    /// Stores a file, replacing one of the same path.
    Put {
        /// The project, by its slug or id.
        project: String,
        /// Where it is within the project, like sounds/bell.mp3.
        path: String,
        /// The file to store; - for standard input.
        file: PathBuf,
        /// Its media type.
        #[arg(long = "type", default_value = "application/octet-stream")]
        content_type: String,
    },
    /// Reads a file.
    Get {
        /// The project, by its slug or id.
        project: String,
        /// Where it is within the project.
        path: String,
        /// Where to write it [default: standard output].
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Lists files, in the order of their paths.
    Ls {
        /// The project, by its slug or id.
        project: String,
        /// What their paths begin with [default: all].
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Deletes files; one that is missing is no error.
    Rm {
        /// The project, by its slug or id.
        project: String,
        /// Where they are within the project.
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Creates a signed link, with which anyone can read a file for a while.
    Url {
        /// The project, by its slug or id.
        project: String,
        /// Where it is within the project.
        path: String,
        /// For how many seconds [default: files.url_ttl].
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=604_800))]
        seconds: Option<u64>,
        /// Its media type.
        #[arg(long = "type")]
        content_type: Option<String>,
        /// The name under which it is saved.
        #[arg(long)]
        name: Option<String>,
        /// Lets a browser show it, if it is of a kind that does no harm.
        #[arg(long)]
        inline: bool,
    },
}

impl What {
    fn project(&self) -> &str {
        match self {
            Self::Put { project, .. }
            | Self::Get { project, .. }
            | Self::Ls { project, .. }
            | Self::Rm { project, .. }
            | Self::Url { project, .. } => project,
        }
    }
}

/// How much is read at once of what is stored.
const PIECE: usize = 64 << 10;

/// Does it and says what it did.
pub async fn run(config: Config, what: What, as_json: bool) -> Result<ExitCode, Failure> {
    let (project, sealer) = find(&config, what.project()).await?;
    let files = open_files(&config, &sealer)?;
    match what {
        What::Put { path, file, content_type, .. } => {
            let key = FileKey::new(project, &path)?;
            put(&files, &key, file, &content_type, as_json).await?;
        }
        What::Get { path, output, .. } => {
            get(&files, &FileKey::new(project, &path)?, output, as_json).await?;
        }
        What::Ls { prefix, .. } => ls(&files, &FilePrefix::new(project, &prefix)?, as_json).await?,
        What::Rm { paths, .. } => {
            // All are understood before the first one goes.
            let keys: Result<Vec<_>, _> =
                paths.iter().map(|path| FileKey::new(project, path)).collect();
            for key in keys? {
                files.delete(&key).await?;
                told(
                    as_json,
                    &json!({ "deleted": key.as_str() }),
                    &format!("deleted  {}", key.path()),
                )?;
            }
        }
        What::Url { path, seconds, content_type, name, inline, .. } => {
            let key = FileKey::new(project, &path)?;
            // A link to nothing would be found out by whoever gets it.
            files.head(&key).await?;
            let ttl = seconds.map(Duration::from_secs);
            let options = LinkOptions { ttl, content_type, name, inline };
            let url = files.link(&key, &options, Clock::System.now()).await?;
            let public = files.public_url(&key);
            told(as_json, &json!({ "url": url, "public_url": public }), &url)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(as_json: bool, json: &serde_json::Value, words: &str) -> Result<(), Failure> {
    if as_json {
        say!("{json}")
    } else {
        say!("{words}")
    }
    Ok(())
}

/// The project by its id, or by its slug, which the store knows; and what signs links, if its key is the store's.
async fn find(config: &Config, name: &str) -> Result<(ProjectId, Sealer), Failure> {
    let store = Store::connect(&config.store, config.log.slow_query).await?;
    let found = found(config, &store, name).await;
    store.close().await;
    found
}

async fn found(config: &Config, store: &Store, name: &str) -> Result<(ProjectId, Sealer), Failure> {
    let found = match name.parse() {
        Ok(id) => Some(store.project(id).await?.id),
        Err(_) => store.project_by_slug(name).await?.map(|project| project.id),
    };
    let id =
        found.ok_or_else(|| format!("there is no project {name:?}; see `bellbuoy project ls`"))?;
    let sealer = match probe::known_sealer(config, store).await? {
        Some(sealer) => sealer,
        None => Sealer::open(config)?,
    };
    Ok((id, sealer))
}

async fn put(
    files: &Files,
    key: &FileKey,
    from: PathBuf,
    content_type: &str,
    as_json: bool,
) -> Result<(), Failure> {
    let source: Box<dyn AsyncRead + Send + Unpin> = if from.as_os_str() == "-" {
        Box::new(standard(&std::io::stdin())?)
    } else {
        let opened = tokio::fs::File::open(&from).await;
        Box::new(opened.map_err(|error| format!("{}: {error}", from.display()))?)
    };
    let body = try_unfold(source, async |mut source| {
        let mut buffer = BytesMut::with_capacity(PIECE);
        let count = source.read_buf(&mut buffer).await?;
        Ok((count > 0).then(|| (Bytes::from(buffer), source)))
    });
    let stored = files.put(key, content_type, body.boxed()).await?;
    let hash: String = stored.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let said = json!({ "key": key.as_str(), "size": stored.length, "sha256": hash });
    told(
        as_json,
        &said,
        &format!("stored  {}  {} bytes  sha256 {hash}", key.path(), stored.length),
    )?;
    Ok(())
}

async fn get(
    files: &Files,
    key: &FileKey,
    to: Option<PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut content = files.get(key, None).await?;
    let mut sink: Box<dyn tokio::io::AsyncWrite + Send + Unpin> = match &to {
        Some(path) => {
            // What a project stored is nobody's else on this machine; a file that is there keeps its mode.
            let mut options = tokio::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let made = options.open(path).await;
            Box::new(made.map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => Box::new(standard(&std::io::stdout())?),
    };
    while let Some(piece) = content.body.next().await {
        out::told(sink.write_all(&piece?).await)?;
    }
    out::told(sink.flush().await)?;
    // On standard output there is the file itself.
    if let Some(path) = to {
        let (path, size) = (path.display().to_string(), content.info.size);
        let said = json!({ "key": key.as_str(), "size": size, "output": path });
        told(as_json, &said, &format!("read  {}  {size} bytes  into {path}", key.path()))?;
    }
    Ok(())
}

/// Standard input or output as a file: without buffers, which a file that is copied has no use for.
fn standard(stream: &impl AsFd) -> std::io::Result<tokio::fs::File> {
    let owned = stream.as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(std::fs::File::from(owned)))
}

/// A line for each, or a JSON object for each: there may be more than fit into memory.
async fn ls(files: &Files, prefix: &FilePrefix, as_json: bool) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = files.list(prefix, after.as_ref(), PAGE).await?;
        for one in &page.files {
            let (size, modified) = (one.size, one.modified.rfc3339());
            let said = json!({ "key": one.key.as_str(), "size": size, "modified": modified });
            told(as_json, &said, &format!("{size:>12}  {modified}  {}", one.key.path()))?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

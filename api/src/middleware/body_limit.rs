//! How much of a body is read: what one request may send, which is little for whoever is not known, and what all of them
//! may take of the memory together. It is judged before anything of it is read.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use config::HttpConfig;
use domain::fault::FaultCode;
use domain::id::ProjectId;
use futures_util::StreamExt;
use poem::http::{HeaderMap, Method, header};
use poem::{Body, Request};

use crate::catalog::is_stream;
use crate::problem::{Code, Overflow, Problem};

/// The limits of bodies.
pub struct Bodies {
    max: usize,
    max_anonymous: usize,
    memory: Arc<Memory>,
}

/// A request whose body may be read, as far as it says.
pub struct Admitted {
    /// The request.
    pub request: Request,
    /// What its body takes of the memory, until this is dropped.
    pub reserved: Option<Arc<Reserved>>,
}

impl Bodies {
    /// As the settings have it.
    pub fn new(http: &HttpConfig) -> Self {
        let memory = Memory { most: http.body_memory.as_usize(), held: Mutex::default() };
        Self {
            max: http.max_body.as_usize(),
            max_anonymous: http.max_anonymous_body.as_usize(),
            memory: Arc::new(memory),
        }
    }

    /// Lets a request of somebody in that project, or of a stranger, be read up to its limit.
    ///
    /// # Errors
    /// When it says itself that it is too large, or how it is encoded can't be read.
    pub fn admit(
        &self,
        mut request: Request,
        project: Option<ProjectId>,
    ) -> Result<Admitted, Problem> {
        let length = length(request.headers())?;
        judge_encoding(request.headers())?;
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        // Without either header a request has no body, and GET is the most frequent of those.
        if length == Some(0) || (length.is_none() && !chunked && *request.method() == Method::GET) {
            return Ok(Admitted { request, reserved: None });
        }
        let Some(project) = project else {
            // Not refused at once: whoever needs a key should be told that, and not how long a body may be.
            let most = self.max_anonymous;
            if length.is_none_or(|length| length > most as u64) {
                watch(&mut request, most, Overflow::Anonymous(most), None);
            }
            return Ok(Admitted { request, reserved: None });
        };
        if is_stream(request.uri().path()) {
            // It is read piece by piece, and none of it is kept.
            return Ok(Admitted { request, reserved: None });
        }
        if length.is_some_and(|length| length > self.max as u64) {
            return Err(crate::problem::too_large(Some(self.max)));
        }
        // The server cuts a body off at the length that was said: a small one needs no watching.
        if length.is_some_and(|length| length <= self.max_anonymous as u64) {
            return Ok(Admitted { request, reserved: None });
        }
        let memory = Arc::clone(&self.memory);
        let reserved = Arc::new(Reserved { memory, project, bytes: Mutex::new(0) });
        let watcher = Watcher { reserved: Arc::clone(&reserved), free: self.max_anonymous };
        watch(&mut request, self.max, Overflow::Large(self.max), Some(watcher));
        Ok(Admitted { request, reserved: Some(reserved) })
    }
}

/// Reserves memory for what is read beyond what each body has for free.
struct Watcher {
    reserved: Arc<Reserved>,
    free: usize,
}

/// Makes the body end with an error where it goes beyond its limit.
fn watch(request: &mut Request, most: usize, overflow: Overflow, watcher: Option<Watcher>) {
    let body = request.take_body().into_bytes_stream();
    let (mut left, mut watcher) = (most, watcher);
    let watched = body.map(move |chunk| {
        let chunk: Bytes = chunk?;
        left = left.checked_sub(chunk.len()).ok_or_else(|| io::Error::other(overflow))?;
        if let Some(watcher) = &mut watcher {
            let beyond = chunk.len().saturating_sub(watcher.free);
            watcher.free = watcher.free.saturating_sub(chunk.len());
            if !watcher.reserved.more(beyond) {
                return Err(io::Error::other(Overflow::Crowded));
            }
        }
        Ok::<_, io::Error>(chunk)
    });
    request.set_body(Body::from_bytes_stream(watched));
}

/// What all bodies take that are being read.
struct Memory {
    most: usize,
    held: Mutex<HashMap<ProjectId, usize>>,
}

/// What one of them takes.
pub struct Reserved {
    memory: Arc<Memory>,
    project: ProjectId,
    bytes: Mutex<usize>,
}

impl Reserved {
    /// Takes more, if there is as much; no project takes more than half of all.
    fn more(&self, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let mut held = self.memory.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = held.values().sum();
        let own = held.get(&self.project).copied().unwrap_or_default();
        if own + bytes > self.memory.most / 2 || all + bytes > self.memory.most {
            return false;
        }
        held.insert(self.project, own + bytes);
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        true
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if bytes == 0 {
            return;
        }
        let mut held = self.memory.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(&self.project).copied().unwrap_or_default().saturating_sub(bytes);
        if left == 0 {
            held.remove(&self.project);
        } else {
            held.insert(self.project, left);
        }
    }
}

/// Refuses what is packed: nothing here unpacks it, and what is not unpacked is not read as what it is.
fn judge_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut packed = headers.get_all(header::CONTENT_ENCODING).iter();
    let is_plain = |text: &str| {
        text.split(',')
            .map(str::trim)
            .all(|one| one.is_empty() || one.eq_ignore_ascii_case("identity"))
    };
    let Some(given) = packed.find(|value| !value.to_str().is_ok_and(is_plain)) else {
        return Ok(());
    };
    let given: String = String::from_utf8_lossy(given.as_bytes()).chars().take(100).collect();
    let detail = format!(
        "Content-Encoding: {given} is not read here; send the body as it is, without that header."
    );
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| {
        let problem = Problem::parameter(
            "Content-Length",
            FaultCode::Invalid,
            "it must be a number of bytes",
        );
        Problem { code: Code::BadRequest, ..problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn no_project_takes_more_than_half_of_the_memory() {
        let memory = Arc::new(Memory { most: 100, held: Mutex::default() });
        let of = |project: u128| {
            let project = ProjectId(Uuid::from_u128(project));
            Reserved { memory: Arc::clone(&memory), project, bytes: Mutex::new(0) }
        };
        let (one, again, two, three) = (of(1), of(1), of(2), of(3));
        assert!(one.more(30) && again.more(20) && !again.more(1));
        assert!(two.more(40) && !three.more(11) && three.more(10));
        drop(one);
        assert!(again.more(20) && !again.more(20));
        drop((again, two, three));
        assert!(memory.held.lock().expect("a lock").is_empty());
    }
}

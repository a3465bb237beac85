//! The roles of this product, and how several run in one process.

use std::net::SocketAddr;

use config::{Config, WorkerQueue};
use domain::clock::Clock;
use domain::job::QueueName;
use runtime::process::{self, Failure, Role, Running};

/// Which roles a process has.
#[derive(Clone, Debug)]
pub struct Roles {
    /// The HTTP API.
    pub api: bool,
    /// A worker on these queues.
    pub worker: Option<Vec<QueueName>>,
    /// The scheduler.
    pub scheduler: bool,
}

impl Roles {
    /// All of them, the worker on every queue.
    pub fn all() -> Self {
        Self { api: true, worker: Some(QueueName::ALL.to_vec()), scheduler: true }
    }

    /// None yet.
    pub const fn none() -> Self {
        Self { api: false, worker: None, scheduler: false }
    }

    /// The roles, and where the API will listen. The configuration then says the port that it really has: links follow
    /// it.
    ///
    /// # Errors
    /// When the API's port can't be had.
    pub fn list(self, config: &mut Config) -> Result<(Vec<Role>, Option<SocketAddr>), Failure> {
        let (mut roles, mut address) = (Vec::new(), None);
        if self.api {
            let (role, listening) = api::role(config)?;
            roles.push(role);
            config.http.listen = listening;
            address = Some(listening);
        }
        roles.extend(self.worker.map(worker::role));
        if self.scheduler {
            roles.push(scheduler::role());
        }
        Ok((roles, address))
    }
}

/// The queues that the configuration gives a worker.
pub fn queues(config: &Config) -> Vec<QueueName> {
    config
        .worker
        .queues
        .iter()
        .filter_map(|queue: &WorkerQueue| QueueName::parse(queue.as_str()))
        .collect()
}

/// Starts roles in this process; answers where the API listens.
///
/// # Errors
/// When they can't be started.
pub async fn start(
    mut config: Config,
    roles: Roles,
    clock: Clock,
) -> Result<(Running, Option<SocketAddr>), Failure> {
    let (roles, address) = roles.list(&mut config)?;
    Ok((process::start(config, roles, clock).await?, address))
}

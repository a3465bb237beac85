//! The chain of the audit log: sealed, verified, and forgotten from its beginning.

use super::Audit;
use crate::reseal::CHECKPOINT;
use domain::audit::{Broken, Checkpoint, Flaw, Link, Linked, Walk};
use domain::id::ProjectId;
use domain::time::Time;
use store::StoreError;

/// How many rows a step seals, verifies or forgets: a few milliseconds' worth.
const STEP: i64 = 500;

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many rows were looked at and are as they were sealed.
    pub checked: u64,
    /// The last of them; what was forgotten before it if there are none.
    pub head: Link,
    /// The first row that is not as it should be.
    pub broken: Option<Broken>,
    /// Whether there may be more behind `head`.
    pub more: bool,
    /// How many rows are still waiting to be sealed.
    pub unsealed: i64,
    /// Up to where the log was forgotten.
    pub checkpoint: Option<Checkpoint>,
}

/// What was forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many rows.
    pub rows: u64,
    /// The logs that are broken among their oldest rows: nothing more of them is forgotten, for it may be evidence.
    pub broken: Vec<(ProjectId, Broken)>,
}

impl Audit {
    /// Gives everything that is committed its place in its project's chain; answers how many rows that were.
    ///
    /// # Errors
    /// When the store is away. What could be sealed in other projects is sealed then.
    pub async fn seal_all(&self) -> Result<u64, StoreError> {
        let (mut all, mut failed) = (0, None);
        for (project, _) in self.store.unsealed_audit().await? {
            match self.seal_project(project).await {
                Ok(rows) => all += rows,
                Err(error) => {
                    tracing::warn!(%project, %error, "an audit log was not sealed");
                    failed = Some(error);
                }
            }
        }
        metrics::counter!("bellbuoy_audit_sealed_total").increment(all);
        failed.map_or(Ok(all), Err)
    }

    async fn seal_project(&self, project: ProjectId) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let sealed = self.store.seal_audit(project, STEP).await?;
            all += sealed.rows as u64;
            if (sealed.rows as i64) < STEP {
                return Ok(all);
            }
        }
    }

    /// Writes the end of every chain to the log of the process, where whoever changes the store can't reach it.
    ///
    /// # Errors
    /// When the store is away, or an end can't be read. The others are told then.
    pub async fn tell_heads(&self) -> Result<u64, StoreError> {
        let (mut told, mut failed) = (0, None);
        for (project, _) in self.store.audited_projects().await? {
            match self.store.audit_head(project).await {
                Ok(Some(head)) => {
                    let hash = hex::encode(head.hash);
                    tracing::info!(%project, seq = head.seq, hash, "the head of an audit log");
                    told += 1;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%project, %error, "the head of an audit log was not read");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(told), Err)
    }

    /// The number of the last place in a project's chain; 0 when it has none.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn last_place(&self, project: ProjectId) -> Result<i64, StoreError> {
        Ok(self.store.audit_head(project).await?.map_or(0, |head| head.seq))
    }

    /// Holds up to `limit` rows of a project's log against its chain, from behind the place `after` on, or from its
    /// beginning.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn verify(
        &self,
        project: ProjectId,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Verdict, StoreError> {
        loop {
            let checkpoint = self.store.audit_checkpoint(project).await?;
            let verdict = self.walk(project, checkpoint.clone(), after, limit).await?;
            let Some(broken) = verdict.broken else { return Ok(verdict) };
            // What was forgotten while we walked is not missing: the walk begins anew behind it.
            let now = self.store.audit_checkpoint(project).await?;
            let passed = |one: &Checkpoint| one.link.seq >= broken.seq;
            if now == checkpoint || !now.as_ref().is_some_and(passed) {
                return Ok(verdict);
            }
        }
    }

    async fn walk(
        &self,
        project: ProjectId,
        checkpoint: Option<Checkpoint>,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Verdict, StoreError> {
        let mut verdict = Verdict {
            checked: 0,
            head: checkpoint.as_ref().map_or(Link::START, |one| one.link),
            broken: None,
            more: false,
            unsealed: self.store.count_unsealed_audit(project).await?,
            checkpoint,
        };
        if let Some(one) = &verdict.checkpoint
            && !self.is_ours(project, one)
        {
            verdict.broken = Some(Broken { seq: one.link.seq, id: None, flaw: Flaw::Checkpoint });
            return Ok(verdict);
        }
        if let Some(after) = after.filter(|after| *after > verdict.head.seq) {
            match self.store.audit_link(project, after).await? {
                Some(link) => verdict.head = link,
                None => {
                    verdict.broken = Some(Broken { seq: after, id: None, flaw: Flaw::Missing });
                    return Ok(verdict);
                }
            }
        }
        let mut walk = Walk::behind(verdict.head);
        loop {
            let left = i64::try_from(limit - verdict.checked).unwrap_or(STEP).min(STEP);
            if left == 0 {
                verdict.more = true;
                return Ok(verdict);
            }
            let (links, broken) = self.step(project, &mut walk, left).await?;
            verdict.checked += u64::try_from(walk.at().seq - verdict.head.seq).unwrap_or(0);
            verdict.head = walk.at();
            verdict.broken = broken;
            if broken.is_some() {
                return Ok(verdict);
            }
            if links < left {
                verdict.broken = self.store.stray_audit(project).await?.map(|id| Broken {
                    seq: verdict.head.seq + 1,
                    id: Some(id),
                    flaw: Flaw::Stray,
                });
                return Ok(verdict);
            }
        }
    }

    /// Walks over up to `limit` places; answers how many there were, and the first broken one.
    async fn step(
        &self,
        project: ProjectId,
        walk: &mut Walk,
        limit: i64,
    ) -> Result<(i64, Option<Broken>), StoreError> {
        match self.store.audit_links(project, walk.at().seq, limit).await {
            Ok(links) => Ok((links.len() as i64, walk.over(&links).err())),
            // What can't even be read was not written by us; which one it is, is found one by one.
            Err(StoreError::Corrupt(_)) if limit > 1 => {
                for _ in 0..limit {
                    if let (_, Some(broken)) = Box::pin(self.step(project, walk, 1)).await? {
                        return Ok((limit, Some(broken)));
                    }
                }
                Ok((limit, None))
            }
            Err(StoreError::Corrupt(why)) => {
                let broken = Broken { seq: walk.at().seq + 1, id: None, flaw: Flaw::Changed };
                tracing::warn!(%project, seq = broken.seq, why, "a row of an audit log can't be read");
                Ok((limit, Some(broken)))
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets, in every project, the oldest rows up to the first that was written at `before` or later, and leaves a
    /// signed checkpoint. What is broken stays.
    ///
    /// # Errors
    /// When the store is away, or rows can't even be read. What could be forgotten in other projects is forgotten then.
    pub async fn forget_before(&self, before: Time) -> Result<Forgotten, StoreError> {
        let (mut all, mut failed) = (Forgotten::default(), None);
        for (project, _) in self.store.audited_projects().await? {
            if let Err(error) = self.forget_project(project, before, &mut all).await {
                tracing::warn!(%project, %error, "old rows of an audit log were not forgotten");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn forget_project(
        &self,
        project: ProjectId,
        before: Time,
        all: &mut Forgotten,
    ) -> Result<(), StoreError> {
        while let Some(upto) = self.forgettable(project, before, all).await? {
            let rows = self.store.forget_audit(project, &upto).await?;
            all.rows += rows;
            if (rows as i64) < STEP {
                break;
            }
        }
        Ok(())
    }

    /// How far the next step may forget.
    async fn forgettable(
        &self,
        project: ProjectId,
        before: Time,
        all: &mut Forgotten,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let last = self.store.audit_checkpoint(project).await?;
        let start = last.as_ref().map_or(Link::START, |one| one.link);
        if let Some(one) = &last
            && !self.is_ours(project, one)
        {
            all.broken(project, Broken { seq: start.seq, id: None, flaw: Flaw::Checkpoint });
            return Ok(None);
        }
        let mut links = self.store.audit_links(project, start.seq, STEP).await?;
        let old = |one: &Linked| one.row.as_ref().is_none_or(|row| row.at < before);
        let count = links.iter().take_while(|one| old(one)).count();
        links.truncate(count);
        let mut walk = Walk::behind(start);
        if let Err(broken) = walk.over(&links) {
            all.broken(project, broken);
        }
        let (link, at) = (walk.at(), self.clock.now());
        if link == start {
            return Ok(None);
        }
        let signature = self
            .sealer
            .sign(CHECKPOINT, &Checkpoint::signed(project, link, at))
            .map_err(super::broken)?;
        Ok(Some(Checkpoint { link, at, signature }))
    }

    fn is_ours(&self, project: ProjectId, one: &Checkpoint) -> bool {
        let signed = Checkpoint::signed(project, one.link, one.at);
        self.sealer.is_signed(CHECKPOINT, &signed, &one.signature)
    }
}

impl Forgotten {
    fn broken(&mut self, project: ProjectId, broken: Broken) {
        if self.broken.iter().any(|(known, _)| *known == project) {
            return;
        }
        let (seq, flaw) = (broken.seq, broken.flaw.as_str());
        tracing::error!(%project, seq, flaw, "an audit log is broken; nothing from there on is forgotten");
        metrics::counter!("bellbuoy_audit_broken_total").increment(1);
        self.broken.push((project, broken));
    }
}

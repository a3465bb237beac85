//! Schedules and their ticks. Only fixed intervals yet: what the built-in housekeeping needs.

use std::time::Duration;

use super::names::words;
use crate::id::{TickId, derived};
use crate::time::Time;
use uuid::Uuid;

words! {
    /// What a tick is for: a closed list.
    Task {
        /// Forget idempotency keys that have expired.
        ForgetIdempotencyKeys = 1 "forget_idempotency_keys",
        /// Count broken promises, repair them, and report.
        Audit = 2 "audit",
        /// Forget processes that ended long ago and ticks that are done.
        ForgetHistory = 3 "forget_history",
        /// Make the partitions that the next weeks need.
        MakePartitions = 4 "make_partitions",
        /// Tell the outside that all is well.
        Heartbeat = 5 "heartbeat",
        /// Take away what broken-off stores of files left behind.
        SweepFiles = 6 "sweep_files",
        /// Give what is new in the audit logs its place in their chains.
        SealAudit = 7 "seal_audit",
        /// Write the heads of the audit logs' chains to the log of the process.
        TellAuditHeads = 8 "tell_audit_heads",
        /// Forget audit rows that are past their retention.
        ForgetAudit = 9 "forget_audit",
        /// Sum up the deliveries of the last hours for the audit logs.
        SumUpDeliveries = 10 "sum_up_deliveries",
        /// Go on with erasing people where that was interrupted.
        FinishErasures = 40 "finish_erasures",
    }
}

/// The tick of a schedule at a time; unique by both.
pub fn tick_id(schedule: Uuid, due_at: Time) -> TickId {
    TickId(derived(
        crate::id::floor(due_at),
        "tick",
        &[schedule.as_bytes(), &due_at.micros().to_be_bytes()],
    ))
}

/// The first time after `now` on the grid that `next` and `every` make: what was missed is caught up once.
pub fn next_after(next: Time, every: Duration, now: Time) -> Time {
    let step = i64::try_from(every.as_micros()).unwrap_or(i64::MAX).max(1);
    let behind = now.micros().saturating_sub(next.micros()).max(0);
    Time::from_micros(next.micros().saturating_add((behind / step + 1).saturating_mul(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_ticks_are_caught_up_once() {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let every = Duration::from_secs(30);
        for (next, now, then) in
            [(0, 0, 30), (0, 29, 30), (0, 30, 60), (0, 3600, 3630), (60, 10, 90)]
        {
            assert_eq!(next_after(at(next), every, at(now)), at(then), "{next} at {now}");
        }
    }
}

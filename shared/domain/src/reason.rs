//! The closed list of reasons why something rang, did not, or died. Traces, metrics and the API use these words alone.

use super::names::words;

words! {
    /// Why a match did not ring, or a delivery did not arrive.
    Reason {
        /// The group rang as often as its window allows.
        WindowFull = 1 "window_full",
        /// The rule names nobody who is there.
        NoRecipient = 2 "no_recipient",
        /// There is no target on any channel of the escalation policy.
        NoTarget = 3 "no_target",
        /// A silence hides it.
        Silenced = 4 "silenced",
        /// Another rule's alert is open that makes this one needless.
        Inhibited = 5 "inhibited",
        /// It waits whether such an alert opens.
        Waiting = 6 "waiting",
        /// Somebody takes care of the alert.
        Acknowledged = 7 "acknowledged",
        /// A later event had resolved it before it was evaluated.
        AlreadyResolved = 8 "already_resolved",
        /// It is outside the active hours of the rule.
        OutsideHours = 9 "outside_hours",
        /// The threshold of the rule is not reached.
        BelowThreshold = 14 "below_threshold",
        /// It goes into the summary that follows.
        Digested = 15 "digested",
        /// The rule is in shadow mode: it would have rung.
        Shadow = 16 "shadow",
        /// Nothing was open that could be resolved.
        NothingOpen = 17 "nothing_open",
        /// The provider refused for good.
        Refused = 10 "refused",
        /// Every attempt failed.
        AttemptsSpent = 11 "attempts_spent",
        /// The target is gone or switched off.
        TargetGone = 12 "target_gone",
        /// The address is one that we may not call.
        AddressForbidden = 13 "address_forbidden",
    }
}

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

//! Histories: what happens to a project, one thing after the other, made from a seed.

use bellbuoy_harness::Chance;

/// The hosts that events are about; each is a group of every rule.
pub const HOSTS: [&str; 2] = ["a", "b"];

/// How often a group may ring: how many times in how many seconds.
pub type Window = (u32, u32);

/// How a rule begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleSays {
    /// Whether it notifies nobody.
    pub shadow: bool,
    /// How often a group may ring; always, if nothing is said.
    pub window: Option<Window>,
    /// Whether events resolve its alerts.
    pub resolves: bool,
    /// Whether the end of an alert is told.
    pub notify_resolved: bool,
}

/// The rules of every history, as they are before anything happens.
pub const RULES: [RuleSays; 3] = [
    RuleSays { shadow: false, window: None, resolves: true, notify_resolved: true },
    RuleSays { shadow: false, window: Some((2, 60)), resolves: true, notify_resolved: false },
    RuleSays { shadow: false, window: Some((1, 30)), resolves: false, notify_resolved: true },
];

/// What users do to the alert of a rule and a host, if one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Acknowledge it, for so many seconds if it is said.
    Acknowledge(Option<u64>),
    /// Take that back.
    Unacknowledge,
    /// Resolve it.
    Resolve,
}

/// Something that happens. Events and silences have numbers, so that an operation that is left out changes no other; one
/// that names what is not there does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// An event is accepted that was received so many seconds ago.
    Accept { event: u32, host: &'static str, firing: bool, late: u64 },
    /// A worker evaluates events, whether they were evaluated before or not.
    Evaluate { worker: usize, events: Vec<u32> },
    /// A worker begins to, and dies after it got on so often.
    EvaluateAndDie { worker: usize, events: Vec<u32>, polls: u32 },
    /// Both workers do at the same time.
    EvaluateBoth { first: Vec<u32>, second: Vec<u32> },
    /// A worker looks at the groups again whose time has come.
    LookAgain { worker: usize },
    /// A worker begins to, and dies.
    LookAgainAndDie { worker: usize, polls: u32 },
    /// A rule is changed.
    ChangeRule { rule: usize, shadow: bool, window: Option<Window> },
    /// A host is silenced for so many seconds.
    Silence { silence: u32, host: &'static str, seconds: u64 },
    /// A silence is ended before its time.
    EndSilence { silence: u32 },
    /// Somebody does something to an alert.
    ByHand { rule: usize, host: &'static str, hand: Hand },
    /// Time goes by; a clock that is set back goes back.
    Step { seconds: i64 },
}

/// The history of a seed: always the same one.
pub fn history(seed: u64) -> Vec<Op> {
    let mut maker = Maker { chance: Chance::of(seed), events: 0, silences: 0 };
    let length = 10 + maker.chance.below(20);
    (0..length).map(|_| maker.op()).collect()
}

/// What every history ends with: all that was accepted is evaluated, and nothing waits any more.
pub fn ending(history: &[Op]) -> Vec<Op> {
    let accepted = |op: &Op| match op {
        Op::Accept { event, .. } => Some(*event),
        _ => None,
    };
    let events = history.iter().filter_map(accepted).collect();
    vec![
        Op::Evaluate { worker: 0, events },
        Op::LookAgain { worker: 1 },
        // All silences and acknowledgements with an end are over then.
        Op::Step { seconds: 3600 },
        Op::LookAgain { worker: 0 },
        Op::LookAgain { worker: 1 },
    ]
}

struct Maker {
    chance: Chance,
    events: u32,
    silences: u32,
}

impl Maker {
    fn op(&mut self) -> Op {
        let host = *self.chance.pick(&HOSTS);
        let worker = self.index(2);
        match self.chance.below(100) {
            0..32 => {
                self.events += 1;
                Op::Accept {
                    event: self.events,
                    host,
                    firing: self.chance.below(3) > 0,
                    late: *self.chance.pick(&[0, 0, 0, 1, 7]),
                }
            }
            32..48 => Op::Evaluate { worker, events: self.batch() },
            48..56 => Op::EvaluateAndDie { worker, events: self.batch(), polls: self.polls() },
            56..62 => Op::EvaluateBoth { first: self.batch(), second: self.batch() },
            62..68 => Op::LookAgain { worker },
            68..71 => Op::LookAgainAndDie { worker, polls: self.polls() },
            71..76 => Op::ChangeRule {
                rule: self.index(RULES.len()),
                shadow: self.chance.below(2) == 0,
                window: *self.chance.pick(&[None, Some((1, 30)), Some((2, 60)), Some((3, 20))]),
            },
            76..80 => {
                self.silences += 1;
                let seconds = *self.chance.pick(&[5, 20, 60, 90]);
                Op::Silence { silence: self.silences, host, seconds }
            }
            80..82 if self.silences > 0 => {
                let silence = self.among(self.silences);
                Op::EndSilence { silence }
            }
            82..90 => {
                let hand = match self.chance.below(8) {
                    0..3 => Hand::Acknowledge(*self.chance.pick(&[Some(10), Some(40), Some(100)])),
                    3 => Hand::Acknowledge(None),
                    4 => Hand::Unacknowledge,
                    _ => Hand::Resolve,
                };
                Op::ByHand { rule: self.index(RULES.len()), host, hand }
            }
            _ => Op::Step { seconds: *self.chance.pick(&[1, 1, 5, 10, 29, 30, 31, 60, 120, -3]) },
        }
    }

    /// Up to five of the last eight events, in any order, perhaps one of them twice.
    fn batch(&mut self) -> Vec<u32> {
        if self.events == 0 {
            return Vec::new();
        }
        let size = 1 + self.chance.below(5);
        let recent = self.events.min(8);
        (0..size).map(|_| self.events - recent + self.among(recent)).collect()
    }

    /// A number from 1 to `last`.
    fn among(&mut self, last: u32) -> u32 {
        1 + u32::try_from(self.chance.below(last.into())).expect("below a u32")
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.chance.below(end as u64)).expect("below a usize")
    }

    fn polls(&mut self) -> u32 {
        self.among(14) - 1
    }
}

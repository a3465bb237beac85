use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ledger() -> Ledger {
    Ledger::new(100, Duration::from_secs(30))
}

fn limit(key: &str, rate: f64, burst: f64) -> Limit<'_> {
    Limit { key, rate, burst }
}

fn granted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Granted(_))
}

/// A coordination that reckons as the engines do.
#[derive(Default)]
struct Shared(HashMap<String, (f64, Option<Instant>)>);

impl Shared {
    fn spend(&mut self, now: Instant, spent: &[Spent]) -> Vec<f64> {
        let one = |spent: &Spent| {
            let entry = self.0.entry(spent.key.clone()).or_insert((spent.burst, None));
            let passed = entry.1.map_or(0.0, |at| (now - at).as_secs_f64());
            entry.0 = (entry.0 + passed * spent.rate).min(spent.burst) - spent.spent;
            entry.0 = entry.0.max(-spent.burst);
            entry.1 = Some(now);
            entry.0
        };
        spent.iter().map(one).collect()
    }
}

/// Runs `ledgers` for `seconds`, each asked `demand` times a window; answers how many each was granted.
fn run(ledgers: &mut [Ledger], demand: &[u32], seconds: u32, tell: bool) -> Vec<u32> {
    let (start, shares) = (Instant::now(), ledgers.len() as f64);
    let mut shared = Shared::default();
    let mut counts = vec![0; ledgers.len()];
    for window in 0..seconds * 20 {
        let now = start + Duration::from_millis(50) * window;
        for (place, ledger) in ledgers.iter_mut().enumerate() {
            for _ in 0..demand[place] {
                let verdict = ledger.take(now, shares, &[limit("k", 100.0, 50.0)], 1.0);
                counts[place] += u32::from(granted(&verdict));
            }
            let spent = ledger.collect(100);
            if tell {
                let left = shared.spend(now, &spent);
                ledger.learn(now, shares, &spent, &left);
            }
        }
    }
    counts
}

#[test]
fn alone_it_grants_the_burst_and_the_rate_and_never_more() {
    for tell in [true, false] {
        let count = run(&mut [ledger()], &[100], 10, tell)[0];
        // The last window begins at 9.95 s; a window's refill may still be on its way.
        assert!((1040..=1045).contains(&count), "{count}, told: {tell}");
    }
}

#[test]
fn several_share_one_limit() {
    for (demand, tell, lowest, highest) in [
        (vec![100, 100, 100, 100], true, 1000, 1150),
        (vec![100, 100, 100, 100], false, 1000, 1045),
        // Whoever is the only one to be asked gets nearly all of it, though four could ask.
        (vec![100, 0, 0, 0], true, 900, 1045),
        // Without word of the others it keeps to its share.
        (vec![100, 0, 0, 0], false, 240, 262),
    ] {
        let mut ledgers: Vec<Ledger> = (0..4).map(|_| ledger()).collect();
        let counts = run(&mut ledgers, &demand, 10, tell);
        let sum: u32 = counts.iter().sum();
        assert!((lowest..=highest).contains(&sum), "{counts:?}, told: {tell}");
    }
}

#[test]
fn all_limits_have_room_or_none_is_charged() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let limits = [limit("wide", 1.0, 10.0), limit("narrow", 1.0, 2.0)];
    for remaining in [1, 0] {
        let verdict = ledger.take(now, 1.0, &limits, 1.0);
        let reset = SECOND * (2 - remaining as u32);
        assert_eq!(verdict, Verdict::Granted(Some(Quota { limit: 2, remaining, reset })));
    }
    let Verdict::Denied { key, quota, retry_after } = ledger.take(now, 1.0, &limits, 1.0) else {
        panic!("granted a third");
    };
    assert_eq!((key.as_str(), quota.remaining, retry_after), ("narrow", 0, SECOND));
    let verdict = ledger.take(now, 1.0, &limits[..1], 8.0);
    assert!(granted(&verdict), "the denied request was charged");
    assert!(granted(&ledger.take(now + retry_after, 1.0, &limits[1..], 1.0)));
}

#[test]
fn no_rate_is_no_limit() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let limits = [limit("a", 0.0, 1.0), limit("b", f64::NAN, 1.0), limit("c", -1.0, 1.0)];
    assert_eq!(ledger.take(now, 1.0, &limits, 1e9), Verdict::Granted(None));
    assert_eq!(ledger.take(now, 1.0, &[], 1.0), Verdict::Granted(None));
    assert!(ledger.collect(10).is_empty());
}

#[test]
fn more_than_a_burst_passes_when_full_and_is_paid_back() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let limits = [limit("k", 10.0, 10.0)];
    assert!(granted(&ledger.take(now, 1.0, &limits, 15.0)));
    assert!(!granted(&ledger.take(now + SECOND / 4, 1.0, &limits, 1.0)));
    assert!(granted(&ledger.take(now + SECOND, 1.0, &limits, 1.0)));
    assert!(!granted(&ledger.take(now + SECOND, 1.0, &limits, 15.0)));
    // A share smaller than one still lets one pass.
    assert!(granted(&ledger.take(now, 4.0, &[limit("one", 1.0, 1.0)], 1.0)));
    assert!(!granted(&ledger.take(now, 4.0, &[limit("one", 1.0, 1.0)], 1.0)));
}

#[test]
fn a_debt_of_the_others_is_heard_of() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let limits = [limit("k", 1.0, 10.0)];
    assert!(granted(&ledger.take(now, 2.0, &limits, 1.0)));
    let spent = ledger.collect(10);
    assert_eq!((spent.len(), spent[0].spent), (1, 1.0));
    ledger.learn(now, 2.0, &spent, &[-4.0]);
    let Verdict::Denied { retry_after, .. } = ledger.take(now, 2.0, &limits, 1.0) else {
        panic!("granted in debt");
    };
    assert_eq!(retry_after, SECOND * 6);
    // A denied request asks as well, or it would never hear that there is room again.
    let spent = ledger.collect(10);
    assert_eq!(spent[0].spent, 0.0);
    ledger.learn(now, 2.0, &spent, &[10.0]);
    assert!(granted(&ledger.take(now, 2.0, &limits, 1.0)));
    // Answers that are no numbers or too few change nothing.
    let spent = ledger.collect(10);
    ledger.learn(now, 2.0, &spent, &[f64::NAN]);
    ledger.learn(now, 2.0, &spent, &[]);
    assert!(granted(&ledger.take(now, 2.0, &limits, 1.0)));
}

#[test]
fn memory_is_bounded_and_debtors_stay() {
    let (mut ledger, now) = (ledger(), Instant::now());
    let debtor = [limit("debtor", 1.0, 10.0)];
    assert!(granted(&ledger.take(now, 1.0, &debtor, 10.0)));
    for number in 0..10_000 {
        let key = number.to_string();
        assert!(granted(&ledger.take(now, 1.0, &[limit(&key, 1.0, 10.0)], 1.0)));
        ledger.collect(10);
    }
    assert!(ledger.entries.len() <= 100);
    assert!(!granted(&ledger.take(now, 1.0, &debtor, 1.0)), "washed out");
    ledger.collect(1000);
    ledger.tidy(now + SECOND * 5, 1.0);
    assert!(!ledger.entries.is_empty());
    ledger.tidy(now + SECOND * 31, 1.0);
    assert!(ledger.entries.is_empty() && ledger.used.is_empty());
}

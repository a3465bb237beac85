//! Chance that can be repeated.

/// Random numbers from a seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From `BELLBUOY_TEST_SEED`, else by chance; says which, so that a failing run can be repeated.
    pub fn announced(what: &str) -> Self {
        let given = std::env::var("BELLBUOY_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
        println!("{what}: BELLBUOY_TEST_SEED={seed}");
        Self(seed)
    }

    /// From a seed.
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// By chance.
    pub fn fresh() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }

    /// One that goes its own way from here.
    pub fn branch(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(of.len() as u64)).expect("an index");
        &of[at]
    }
}

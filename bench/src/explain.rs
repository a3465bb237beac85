//! Where the time of a run goes, from the product's own metrics: for who wants to make it faster.

use std::collections::BTreeMap;

/// Sums and counts of histograms, by their name and labels.
#[derive(Default)]
pub struct Histograms(BTreeMap<String, (f64, f64)>);

impl Histograms {
    /// Reads the Prometheus text of a role.
    pub fn read(&mut self, role: &str, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            let labels = labels.trim_end_matches('}');
            if let Some(name) = name.strip_suffix("_sum") {
                self.0.entry(format!("{role} {name} {labels}")).or_default().0 = value;
            } else if let Some(name) = name.strip_suffix("_count") {
                self.0.entry(format!("{role} {name} {labels}")).or_default().1 = value;
            }
        }
    }

    /// What was added since `before`, as lines: how often, how often for each event, and the mean.
    pub fn since(&self, before: &Self, events: u64) -> Vec<String> {
        let line = |(name, (sum, count)): (&String, &(f64, f64))| {
            let (sum_before, count_before) = before.0.get(name).copied().unwrap_or_default();
            let (sum, count) = (sum - sum_before, count - count_before);
            (count > 0.0).then(|| {
                let (each, mean) = (count / events as f64, sum / count);
                format!("{name}: {count} times, {each:.3} per event, mean {mean:.6}, sum {sum:.3}")
            })
        };
        self.0.iter().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told() {
        let text = |sum: f64, count: f64| {
            format!(
                "# TYPE s histogram\ns_bucket{{verb=\"a\"}} 1\ns_sum{{verb=\"a\"}} {sum}\ns_count{{verb=\"a\"}} {count}\n"
            )
        };
        let (mut before, mut after) = (Histograms::default(), Histograms::default());
        before.read("api", &text(1.0, 2.0));
        after.read("api", &text(4.0, 8.0));
        assert_eq!(
            after.since(&before, 12),
            ["api s verb=\"a\": 6 times, 0.500 per event, mean 0.500000, sum 3.000"]
        );
    }
}

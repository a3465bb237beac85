//! What was measured: a table for people, JSON for comparing.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One figure.
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    base: Option<(String, f64)>,
    goal: Option<Goal>,
}

/// What a figure should be; missing it is shown, and fails nothing: machines differ.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Its ratio is this or more.
    RatioAtLeast(f64),
    /// Its ratio is this or less.
    RatioAtMost(f64),
    /// Its value is this or less.
    AtMost(f64),
}

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
    facts: Vec<(String, String)>,
}

impl Report {
    /// Notes something about the run that is no figure.
    pub fn fact(&mut self, name: impl Into<String>, text: impl Into<String>) {
        let (name, text) = (name.into(), text.into());
        println!("{name}: {text}");
        self.facts.push((name, text));
    }

    /// Adds a figure, and says so at once: a run takes minutes.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) -> &mut Figure {
        let name = name.into();
        eprintln!("  {name}: {} {unit}", round(value));
        self.figures.push(Figure { name, value, unit, base: None, goal: None });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    /// Adds a figure with its ratio to another one, if that was measured in this run.
    pub fn compare(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        base: &str,
    ) -> &mut Figure {
        let of = self.value(base).filter(|of| *of > 0.0);
        let figure = self.add(name, value, unit);
        figure.base = of.map(|of| (base.to_owned(), value / of));
        figure
    }

    /// The value of a figure that was measured before.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// The table, as Markdown that can also be read as it is.
    pub fn table(&self) -> String {
        let head = ["name", "value", "unit", "ratio", "to", "goal"].map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(self.figures.iter().map(Figure::row));
        let widths: Vec<usize> = (0..6)
            .map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for (at, row) in rows.iter().enumerate() {
            if at == 1 {
                let line: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                let _ = writeln!(out, "| {} |", line.join(" | "));
            }
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    // Numbers stand under one another.
                    if matches!(column, 1 | 3) {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                })
                .collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }

    /// Everything, in the order in which it was measured.
    pub fn json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        json!({ "facts": facts, "figures": figures })
    }
}

impl Figure {
    /// Says what it should be.
    pub fn goal(&mut self, goal: Goal) {
        self.goal = Some(goal);
    }

    fn met(&self) -> Option<bool> {
        match self.goal? {
            Goal::RatioAtLeast(least) => self.base.as_ref().map(|(_, ratio)| *ratio >= least),
            Goal::RatioAtMost(most) => self.base.as_ref().map(|(_, ratio)| *ratio <= most),
            Goal::AtMost(most) => Some(self.value <= most),
        }
    }

    fn row(&self) -> [String; 6] {
        let (base, ratio) = match &self.base {
            Some((base, ratio)) => (base.clone(), format!("{ratio:.3}")),
            None => (String::new(), String::new()),
        };
        let goal = match self.goal {
            Some(Goal::RatioAtLeast(least)) => format!("ratio ≥ {least}"),
            Some(Goal::RatioAtMost(most)) => format!("ratio ≤ {most}"),
            Some(Goal::AtMost(most)) => format!("≤ {most} {}", self.unit),
            None => String::new(),
        };
        let missed = if self.met() == Some(false) { ", missed" } else { "" };
        [
            self.name.clone(),
            round(self.value),
            self.unit.to_owned(),
            ratio,
            base,
            format!("{goal}{missed}"),
        ]
    }

    fn json(&self) -> Value {
        let mut one = json!({ "name": self.name, "value": self.value, "unit": self.unit });
        if let Some((base, ratio)) = &self.base {
            one["ratio"] = json!(ratio);
            one["to"] = json!(base);
        }
        match self.goal {
            Some(Goal::RatioAtLeast(least)) => {
                one["goal"] = json!({ "ratio_at_least": least, "met": self.met() })
            }
            Some(Goal::RatioAtMost(most)) => {
                one["goal"] = json!({ "ratio_at_most": most, "met": self.met() })
            }
            Some(Goal::AtMost(most)) => one["goal"] = json!({ "at_most": most, "met": self.met() }),
            None => {}
        }
        one
    }
}

/// Three digits that mean something; more would be noise.
fn round(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_what_was_measured() {
        let mut report = Report::default();
        report.compare("a", 5.0, "req/s", "echo").goal(Goal::RatioAtLeast(0.1));
        report.add("echo", 1000.0, "req/s");
        report.compare("b", 50.0, "req/s", "echo").goal(Goal::RatioAtLeast(0.1));
        report.add("p50", 2.0, "ms").goal(Goal::AtMost(2.5));
        let table = report.table();
        assert!(
            table.contains("| b    |  50.0 | req/s | 0.050 | echo | ratio ≥ 0.1, missed |"),
            "{table}"
        );
        let json = report.json();
        assert_eq!(json["figures"][0]["goal"]["met"], Value::Null);
        assert_eq!(json["figures"][3]["goal"]["met"], json!(true));
    }
}

//! "Did you mean …?"

/// A hint at the candidate that was probably meant, or nothing when none is near.
pub(super) fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("; did you mean {candidate}?"),
        None => String::new(),
    }
}

/// The candidate with the fewest slips between, if they are few for the length of the name;
/// else one of the same key in another section.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let key = last(&name);
    let allowed = (key.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let slips = slips(&name, &candidate.to_lowercase());
            let elsewhere = key == last(candidate);
            (slips <= allowed || elsewhere).then_some((slips > allowed, slips, candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate)
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Letters to insert, delete, exchange or swap with their neighbour.
fn slips(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in to.iter().enumerate() {
            let exchanged = above[j] + usize::from(letter != wanted);
            let mut best = exchanged.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == to[j - 1] && from[i - 1] == *wanted {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        for (from, to, count) in [
            ("", "", 0),
            ("listen", "listen", 0),
            ("listn", "listen", 1),
            ("litsen", "listen", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(slips(from, to), count, "{from} → {to}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["http.listen", "delivery.concurrency", "cache.ttl"];
        assert_eq!(nearest("http.listn", names), Some("http.listen"));
        assert_eq!(nearest("http.Listen", names), Some("http.listen"));
        assert_eq!(nearest("worker.concurrency", names), Some("delivery.concurrency"));
        assert_eq!(nearest("concurrency", names), Some("delivery.concurrency"));
        assert_eq!(nearest("http.something", names), None);
    }
}

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
            // Letters to insert, delete, exchange or swap with their neighbour.
            let slips = strsim::osa_distance(&name, &candidate.to_lowercase());
            let elsewhere = key == last(candidate);
            (slips <= allowed || elsewhere).then_some((slips > allowed, slips, candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate)
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["http.listen", "delivery.concurrency", "cache.ttl"];
        assert_eq!(nearest("http.listn", names), Some("http.listen"));
        assert_eq!(nearest("http.litsen", names), Some("http.listen"));
        assert_eq!(nearest("http.Listen", names), Some("http.listen"));
        assert_eq!(nearest("worker.concurrency", names), Some("delivery.concurrency"));
        assert_eq!(nearest("concurrency", names), Some("delivery.concurrency"));
        assert_eq!(nearest("http.something", names), None);
    }
}

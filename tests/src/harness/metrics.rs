//! Numbers from a `/metrics` text.

use std::collections::BTreeMap;

/// Series (name with labels, as written) → value.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Metrics(samples.collect())
    }

    /// 0 when there is no such series.
    pub fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_and_comments_are_not() {
        let m = Metrics::parse("# HELP a_total x\na_total 3\nb{c=\"d e\"} 1.5\n# EOF\n");
        assert_eq!(
            (m.get("a_total"), m.get("b{c=\"d e\"}"), m.get("nothing"), m.0.len()),
            (3.0, 1.5, 0.0, 2)
        );
    }
}

//! A flood as a table, with bars: what degrades, and what does not.

use crate::bench::Stretch;

/// The longest bar, in characters.
const WIDTH: f64 = 30.0;

/// A line a load: what was offered, what became of it, and how long the accepted took.
pub(super) fn lines(stretches: &[Stretch]) -> Vec<String> {
    if stretches.is_empty() {
        return Vec::new();
    }
    let most = |of: fn(&Stretch) -> f64| stretches.iter().map(of).fold(1e-9, f64::max);
    let (offered, longest) = (most(|stretch| stretch.offered), most(|stretch| stretch.p99_ms));
    let head = format!(
        "{:>6} {:>10} {:>10} {:>10} {:>9} {:>9}",
        "load", "offered/s", "accepted/s", "refused/s", "p50 ms", "p99 ms"
    );
    let row = |s: &Stretch| {
        format!(
            "{:>5.1}x {:>10.0} {:>10.0} {:>10.0} {:>9.1} {:>9.1}",
            s.load, s.offered, s.accepted, s.refused, s.p50_ms, s.p99_ms
        )
    };
    let split = |s: &Stretch| {
        let (taken, not) = (bar(s.accepted / offered, '#'), bar(s.refused / offered, '.'));
        format!("{:>5.1}x {taken}{not}", s.load)
    };
    let time = |s: &Stretch| format!("{:>5.1}x {}", s.load, bar(s.p99_ms / longest, '#'));
    let mut lines = vec![head];
    lines.extend(stretches.iter().map(row));
    lines.push("accepted # and refused .".into());
    lines.extend(stretches.iter().map(split));
    lines.push("p99 of the accepted".into());
    lines.extend(stretches.iter().map(time));
    lines
}

fn bar(part: f64, of: char) -> String {
    std::iter::repeat_n(of, (part * WIDTH).round() as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_drawn_to_scale() {
        let stretch = |load, accepted, refused, p99_ms| Stretch {
            load,
            offered: accepted + refused,
            accepted,
            refused,
            p50_ms: 20.0,
            p99_ms,
        };
        let drawn = lines(&[stretch(0.5, 200.0, 0.0, 21.0), stretch(3.0, 400.0, 800.0, 31.5)]);
        assert_eq!(drawn[2], "  3.0x       1200        400        800      20.0      31.5");
        assert_eq!(drawn[4..6], ["  0.5x #####", "  3.0x ##########...................."]);
        assert_eq!(drawn[8], format!("  3.0x {}", "#".repeat(30)));
        assert!(lines(&[]).is_empty());
    }
}

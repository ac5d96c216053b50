//! Which of several words was meant by one that is none of them.

use alloc::vec::Vec;

/// The word that differs from what was typed in at most two letters, if just one is nearest. A number is meant as it is.
#[must_use]
pub fn closest<'a>(words: impl Iterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    if typed.len() > 64 || typed.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for word in words {
        let distance = distance(&word.to_ascii_lowercase(), &typed);
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, _)) if distance == least => tied = true,
            _ => (best, tied) = (Some((distance, word)), false),
        }
    }
    let (distance, word) = best?;
    let tolerated = if typed.len() < 4 { 1 } else { 2 };
    (!tied && distance <= tolerated && distance < word.len()).then_some(word)
}

/// Letters to insert, remove, change or swap with their neighbour to get from one word to another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, have) in from.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i.saturating_add(1));
        for (j, want) in to.iter().enumerate() {
            let cell =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let change = cell(&row, j).saturating_add(usize::from(have != want));
            let remove = cell(&row, j.saturating_add(1)).saturating_add(1);
            let insert = cell(&next, j).saturating_add(1);
            let swapped = i > 0
                && j > 0
                && from.get(i.saturating_sub(1)) == Some(want)
                && to.get(j.saturating_sub(1)) == Some(have);
            let swap = if swapped {
                cell(&before, j.saturating_sub(1)).saturating_add(1)
            } else {
                usize::MAX
            };
            next.push(change.min(remove).min(insert).min(swap));
        }
        before = core::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_swap_of_neighbours_as_one() {
        assert_eq!(distance("policy", "polciy"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(closest(["ab", "ac"].into_iter(), "ad"), None);
    }
}

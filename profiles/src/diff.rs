//! The difference between two printed configurations, in a router's form: `+` before lines that are new, `-` before those
//! that are gone, below the lines that they belong to.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

/// A line with those that it belongs to, the outermost first.
type Path<'t> = Vec<&'t str>;

/// Compares two configurations as [`crate::render()`] writes them. Empty where they say the same. A line of an object that has
/// only another place among its neighbours, which matters in an access list, is shown where it was and where it is.
pub fn differences(before: &str, after: &str) -> String {
    let (old, new) = (paths(before), paths(after));
    let known: BTreeSet<&Path<'_>> = old.iter().collect();
    let wanted: BTreeSet<&Path<'_>> = new.iter().collect();
    let mut out = String::new();
    let mut shown: Path<'_> = Vec::new();
    let moved = moved(&old, &new);
    let gone = old
        .iter()
        .filter(|path| !wanted.contains(path) || moved.contains(path));
    let come = new
        .iter()
        .filter(|path| !known.contains(path) || moved.contains(path));
    let marked = gone
        .map(|path| (path, '-'))
        .chain(come.map(|path| (path, '+')));
    // What is about one object stands together.
    let mut marked: Vec<_> = marked.collect();
    let order = new.iter().chain(&old).filter_map(|path| path.first());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, line) in order.enumerate() {
        places.entry(line).or_insert(place);
    }
    marked.sort_by_key(|(path, _)| path.first().and_then(|line| places.get(line)));
    for (path, mark) in marked {
        let depth = path.len().saturating_sub(1);
        let above = path.get(..depth).unwrap_or_default();
        for (level, line) in above.iter().enumerate() {
            if shown.get(..=level) != path.get(..=level) {
                indented(&mut out, level, ' ', line);
            }
        }
        if let Some(line) = path.last() {
            indented(&mut out, depth, mark, line);
        }
        shown.clone_from(path);
    }
    out
}

/// Of the lines of objects that both have, those that have left their order: as few as tell it.
fn moved<'p, 't>(old: &[Path<'t>], new: &'p [Path<'t>]) -> BTreeSet<&'p Path<'t>> {
    let before: BTreeMap<&Path<'_>, usize> = old.iter().zip(0..).collect();
    let mut objects: BTreeMap<&[&str], Vec<(usize, &'p Path<'t>)>> = BTreeMap::new();
    for path in new {
        if let (Some((_, above @ [_, ..])), Some(&place)) = (path.split_last(), before.get(path)) {
            objects.entry(above).or_default().push((place, path));
        }
    }
    // A line with lines of its own is an object, and those have no order.
    let is_object = |path: &Path<'_>| objects.contains_key(path.as_slice());
    let mut moved = BTreeSet::new();
    for lines in objects.values() {
        let lines: Vec<_> = lines
            .iter()
            .filter(|(_, path)| !is_object(path))
            .copied()
            .collect();
        let places: Vec<usize> = lines.iter().map(|(place, _)| *place).collect();
        let kept = longest_rising(&places);
        let left = lines.into_iter().filter(|(place, _)| !kept.contains(place));
        moved.extend(left.map(|(_, path)| path));
    }
    moved
}

/// The members of a longest rising part of some different numbers.
fn longest_rising(numbers: &[usize]) -> BTreeSet<usize> {
    // Of each length the rising part with the lowest end: that end, and the number before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    for &number in numbers {
        let length = ends.partition_point(|end| *end < number);
        let shorter = length.checked_sub(1).and_then(|at| ends.get(at));
        before.extend(shorter.map(|&end| (number, end)));
        match ends.get_mut(length) {
            Some(end) => *end = number,
            None => ends.push(number),
        }
    }
    let last = ends.last().copied();
    core::iter::successors(last, |number| before.get(number).copied()).collect()
}

fn indented(out: &mut String, level: usize, mark: char, line: &str) {
    out.push(mark);
    out.extend(core::iter::repeat_n(' ', level));
    out.push_str(line);
    out.push('\n');
}

/// The lines but for what only separates them.
fn paths(text: &str) -> Vec<Path<'_>> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut all = Vec::new();
    for line in text.lines() {
        let words = line.trim();
        if words.is_empty() || words.starts_with('!') || words == "end" {
            continue;
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        while above.last().is_some_and(|(other, _)| *other >= indent) {
            above.pop();
        }
        above.push((indent, words));
        all.push(above.iter().map(|(_, line)| *line).collect());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_has_no_difference() {
        let text = include_str!("../../examples/flexvpn-headend.conf");
        assert_eq!(differences(text, text), "");
        assert_eq!(
            differences("!\nhostname a\n!\n!\nend\n", "hostname a\n"),
            ""
        );
    }

    #[test]
    fn a_line_of_an_access_list_that_has_moved_is_shown() {
        let list = |lines: &str| {
            let lines: String = lines
                .chars()
                .map(|line| alloc::format!(" permit {line}\n"))
                .collect();
            alloc::format!("ip access-list standard L\n{lines}hostname a\n")
        };
        assert_eq!(
            differences(&list("abc"), &list("cab")),
            " ip access-list standard L\n- permit c\n+ permit c\n"
        );
        // With others that come and go: no more than has changed.
        assert_eq!(
            differences(&list("abcd"), &list("xbda")),
            " ip access-list standard L\n- permit a\n- permit c\n+ permit x\n+ permit a\n"
        );
        // The order of objects means nothing.
        let (one, other) = (
            "crypto ikev2 keyring K\n peer P\n  address 10.0.0.1\n peer Q\n  address 10.0.0.2\n",
            "crypto ikev2 keyring K\n peer Q\n  address 10.0.0.2\n peer P\n  address 10.0.0.1\n",
        );
        assert_eq!(differences(one, other), "");
    }

    #[test]
    fn many_lines_are_compared_in_no_time() {
        let lines = |from: u32| -> String {
            let numbers = from..from.saturating_add(20_000);
            numbers
                .map(|number| alloc::format!("username u{number} password p\n"))
                .collect()
        };
        let told = differences(&lines(0), &lines(20_000));
        assert_eq!(told.lines().count(), 40_000);
    }

    #[test]
    fn lines_stand_below_what_they_belong_to() {
        let before = "hostname a\ncrypto ikev2 keyring K\n peer P\n  address 10.0.0.1\n!\nno ip http server\n";
        let after = "hostname b\ncrypto ikev2 keyring K\n peer P\n  address 10.0.0.2\n peer Q\n!\n";
        assert_eq!(
            differences(before, after),
            "+hostname b\n \
             crypto ikev2 keyring K\n  \
             peer P\n\
             -  address 10.0.0.1\n\
             +  address 10.0.0.2\n\
             + peer Q\n\
             -hostname a\n\
             -no ip http server\n"
        );
    }
}

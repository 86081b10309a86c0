//! Which known word a misspelt one is most like.

/// The longest word that is compared with known ones, in characters.
pub(crate) const MAX_WORD: usize = 40;

/// How many edits make another word of one, at most; fewer for short words.
const MAX_EDITS: usize = 3;

/// The known word that a misspelt one is most like: one edit for every three of its letters away, case and dashes aside.
///
/// ```
/// assert_eq!(foldlog::did_you_mean("Reslt", ["status", "result"]), Some("result"));
/// assert_eq!(foldlog::did_you_mean("colour", ["status", "result"]), None);
/// ```
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.chars().count() > MAX_WORD {
        return None;
    }
    let word = plain(word);
    let near = known.into_iter().map(|known| (edits(&word, known), known));
    let (edits, known) = near.min_by_key(|(edits, _)| *edits)?;
    let most = if known.len() < 4 { 0 } else { (known.len() / 3).min(MAX_EDITS) };
    // `result_url` is another thing than `result`.
    let another_thing = word.strip_prefix(known).is_some_and(|rest| rest.starts_with('_') && rest.len() > 1);
    (edits <= most && !another_thing).then_some(known)
}

/// A word without its case, its dashes and the blanks around it.
pub(crate) fn plain(word: &str) -> String {
    word.trim().to_lowercase().replace(['-', ' '], "_")
}

/// How many characters have to be inserted, removed, replaced or exchanged with their neighbour to make one of the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (at, left) in a.iter().enumerate() {
        let mut row = vec![at + 1];
        for (under, right) in b.iter().enumerate() {
            let before = &rows[at];
            let mut least = (before[under + 1] + 1).min(row[under] + 1).min(before[under] + usize::from(left != right));
            if at > 0 && under > 0 && a[at - 1] == *right && *left == b[under - 1] {
                least = least.min(rows[at - 1][under - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

//! Medians, spreads, and tables in Markdown.

/// Prints a table whose columns stand below each other. The first row names the columns.
pub(crate) fn print(title: &str, rows: &[Vec<String>]) {
    println!("\n{title}\n");
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    for (at, row) in rows.iter().enumerate() {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("| {cell:width$} ")).collect();
        println!("{cells}|");
        if at == 0 {
            println!("{}|", widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))).collect::<String>());
        }
    }
}

/// A row of plain words.
pub(crate) fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    share(values, 50)
}

/// The value below which so many percent lie.
pub(crate) fn share(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The median, with the least and the most.
pub(crate) fn spread(values: &[f64], digits: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.digits$} [{least:.digits$}–{most:.digits$}]", median(values))
}

/// The median of what each round's value is of the same round's limit.
pub(crate) fn ratio(values: &[f64], limits: &[f64]) -> String {
    let ratios: Vec<f64> = values.iter().zip(limits).map(|(value, limit)| value / limit).collect();
    format!("{:.2}", median(&ratios))
}

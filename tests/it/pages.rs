//! The documents, and what stands in them.

use std::path::{Path, PathBuf};

pub fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The code blocks of a section, without their fences.
fn blocks(document: &str, section: &str) -> Vec<String> {
    let from = document.find(section).unwrap_or_else(|| panic!("no section {section}"));
    let section = &document[from..];
    let section = section[3..].find("\n## ").map_or(section, |end| &section[..end + 3]);
    let inside = section.split("```").skip(1).step_by(2);
    inside.map(|block| block.split_once('\n').expect("a fence ends its line").1.to_owned()).collect()
}

/// The journal of the worked example, torn bytes included.
pub fn worked_example(root: &Path) -> PathBuf {
    let dir = root.join("s-1");
    let segments = blocks(&read("docs/FORMAT.md"), "## 8. A worked example");
    assert_eq!(segments.len(), 2);
    std::fs::create_dir_all(&dir).unwrap();
    for (segment, bytes) in (1..).zip(&segments) {
        std::fs::write(dir.join(format!("{segment:08}.jsonl")), bytes).unwrap();
    }
    dir
}

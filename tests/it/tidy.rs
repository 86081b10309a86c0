//! What the project promises about its own shape, checked by reading its files. See `docs/ARCHITECTURE.md`.

use std::path::{Path, PathBuf};

const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_FUNCTION: usize = 70;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(project().join(path.as_ref()))
        .unwrap_or_else(|error| panic!("{:?}: {error}", path.as_ref()))
}

/// Every Rust file below a directory, by its path from the project's root.
fn rust_files(directory: &str) -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![project().join(directory)]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(project()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The part of a file that ships: what stands before its tests.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
}

/// The module of the library that a file belongs to: `fold` for `src/fold/turn.rs`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap().components().next().unwrap().as_os_str().to_string_lossy();
    below.trim_end_matches(".rs").to_owned()
}

/// Goal: data flows one way. Method: `lib.rs` lists the modules in reading order; each may use only what stands before it.
#[test]
fn imports_point_up_the_list_of_modules() {
    let lib = read("src/lib.rs");
    let order: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 20, "{order:?}");
    let place = |module: &str| order.iter().position(|known| *known == module);
    for file in rust_files("src").iter().filter(|file| !is_test(file)) {
        let module = module_of(file);
        let Some(own) = place(&module) else { continue }; // the program, which is outside
        let text = read(file);
        for line in shipped(&text).lines() {
            let Some(used) = line.split("crate::").nth(1).filter(|_| !line.trim_start().starts_with("//")) else {
                continue;
            };
            let used: String = used.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let Some(theirs) = place(&used) else { continue }; // a name that lib.rs re-exports, in a link
            assert!(
                theirs < own || used == module,
                "{}: `{module}` must not use `{used}`, which stands below it",
                file.display()
            );
        }
    }
}

/// Goal: files and functions that can be read at once.
#[test]
fn files_and_functions_stay_small() {
    for file in rust_files("src").iter().filter(|file| !is_test(file)) {
        let text = read(file);
        let code = shipped(&text);
        // Comments and blank lines are not code: nobody shall save on them.
        let counts = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = code.lines().filter(counts).count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines of code: split it by purpose", file.display());
        assert!(text.starts_with("//!"), "{} must begin by saying what it owns", file.display());
        let all: Vec<&str> = code.lines().collect();
        for (start, line) in all.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function =
                line.contains("fn ") && line.trim_end().ends_with('{') && !line.trim_start().starts_with("//");
            if !is_function {
                continue;
            }
            let closing = format!("{}}}", " ".repeat(indent));
            let length = all[start..].iter().position(|line| *line == closing).unwrap_or(0);
            assert!(length <= MOST_LINES_OF_A_FUNCTION, "{}:{}: {length} lines", file.display(), start + 1);
        }
    }
}

/// Goal: what only one place may do is done nowhere else.
#[test]
fn each_kind_of_thing_has_its_one_place() {
    let threads = ["src/pool.rs", "src/watermark.rs", "src/lock.rs", "src/items/threads.rs", "src/cli"];
    let rules: [(&str, &[&str], &str); 5] = [
        ("std::fs::", &["src/storage/fs.rs", "src/cli"], "the disk is reached through `Storage`"),
        ("tokio", &["src/cli"], "the library knows no async runtime"),
        ("std::thread", &threads, "threads are the pool's, or a reader's that was asked for them"),
        ("unsafe ", &[], "nothing here needs it"),
        ("SystemTime", &["src/time.rs", "src/cli"], "the clock is read in one place"),
    ];
    for file in rust_files("src").iter().filter(|file| !is_test(file)) {
        let text = read(file);
        for (word, places, why) in &rules {
            let allowed = places.iter().any(|place| file.starts_with(place));
            let used = |line: &&str| line.contains(word) && !line.trim_start().starts_with("//");
            if let Some(line) = shipped(&text).lines().find(used).filter(|_| !allowed) {
                panic!("{}: `{}`: {why}", file.display(), line.trim());
            }
        }
    }
}

/// Goal: nothing half-finished is left lying about.
#[test]
fn nothing_is_left_to_be_done() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[ign", "ore"), concat!("dbg", "!(")];
    for file in ["src", "tests", "benches"].iter().flat_map(|directory| rust_files(directory)) {
        let text = read(&file);
        for word in words {
            assert!(!text.contains(word), "{} contains {word}: finish it", file.display());
        }
    }
}

/// Goal: the documents keep up with the code.
#[test]
fn the_documents_name_this_version_and_every_event_type() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("docs/CHANGELOG.md").contains(&format!("## {version}")), "the changelog says nothing of {version}");
    let format = read("docs/FORMAT.md");
    for name in foldlog::EVENT_TYPES {
        assert!(format.contains(&format!("`{name}`")), "docs/FORMAT.md says nothing of `{name}`");
    }
    let lib = read("src/lib.rs");
    let architecture = read("docs/ARCHITECTURE.md");
    for module in lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        assert!(architecture.contains(module), "docs/ARCHITECTURE.md says nothing of `{module}`");
    }
}

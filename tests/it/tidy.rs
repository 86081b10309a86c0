//! What the project promises about its own shape, checked by reading its files. See `docs/ARCHITECTURE.md`.

use crate::sources::{Sources, functions, shipped};
use std::collections::{BTreeMap, BTreeSet};
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

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn sources() -> Sources {
    let files = rust_files("src").into_iter().filter(|file| !is_test(file));
    Sources::new(files.map(|file| (file.to_str().unwrap().to_owned(), read(&file))))
}

/// The folders and files at the top of `src` in their declared order: as `lib.rs` lists them, then those above it.
fn order(lib: &str) -> Vec<String> {
    let modules = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    modules.chain(["lib", "cli", "main"]).map(str::to_owned).collect()
}

/// The name at the top of `src` under which a file is: `fold` for `src/fold/session/turn.rs`.
fn unit(path: &str) -> &str {
    path.strip_prefix("src/").unwrap_or(path).split('/').next().unwrap().trim_end_matches(".rs")
}

/// Imports that point up, against the order of folders.
fn upward(sources: &Sources, order: &[String]) -> Vec<String> {
    let place = |path: &str| {
        let known = order.iter().position(|module| module == unit(path));
        known.unwrap_or_else(|| panic!("`{path}` is in no folder that lib.rs lists"))
    };
    let paths: Vec<&str> = sources.paths().collect();
    let imports = paths.iter().flat_map(|path| sources.imports(path).into_iter().map(move |import| (*path, import)));
    let upward = imports.filter(|(path, (target, _))| place(target) > place(path));
    upward.map(|(path, (target, names))| format!("{path} imports {names:?} from {target}, which is above it")).collect()
}

/// Imports from folders that a folder must not know.
fn forbidden(sources: &Sources, rules: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources.paths() {
        for (_, others) in rules.iter().filter(|(folder, _)| path.starts_with(folder)) {
            let targets =
                sources.imports(path).into_keys().filter(|target| others.iter().any(|other| target.starts_with(other)));
            found.extend(targets.map(|target| format!("{path} must not import from {target}")));
        }
    }
    found
}

/// The files of all cycles, and those between two cycles: what is left once every file went that imports nothing that is
/// left, or that nothing left imports.
fn cycles(sources: &Sources) -> Vec<String> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> =
        sources.paths().map(|path| (path, sources.imports(path).into_keys().collect())).collect();
    loop {
        let used: BTreeSet<&str> = imports.values().flatten().copied().collect();
        let before = imports.len();
        let kept: BTreeSet<&str> = imports
            .iter()
            .filter(|(path, targets)| used.contains(*path) && targets.iter().any(|target| imports.contains_key(target)))
            .map(|(path, _)| *path)
            .collect();
        imports.retain(|path, _| kept.contains(path));
        imports.values_mut().for_each(|targets| targets.retain(|target| kept.contains(target)));
        if imports.len() == before {
            break;
        }
    }
    imports.iter().map(|(path, targets)| format!("{path} imports {targets:?}")).collect()
}

/// What a folder must not import from, whatever the order of folders allows.
const APART: &[(&str, &[&str])] = &[
    // Pure: no file, no thread.
    ("src/fold/", &["src/storage/", "src/segments/", "src/runtime/"]),
    ("src/interop/", &["src/storage/", "src/segments/", "src/runtime/"]),
    // Reading shares nothing with writing but the files, and with one writer its watermark.
    ("src/read/", &["src/write/"]),
    ("src/write/", &["src/read/", "src/interop/", "src/fold/"]),
    ("src/cli/term/", &["src/cli/commands/"]),
];

/// Goal: data flows one way. Method: `lib.rs` lists the folders in reading order; no file imports from a folder further down
/// the list. Re-exports are followed to the file that defines a name.
#[test]
fn no_import_points_up() {
    let order = order(&read("src/lib.rs"));
    assert!(order.len() > 12, "{order:?}");
    let sources = sources();
    assert_eq!(upward(&sources, &order), [""; 0]);
    assert_eq!(forbidden(&sources, APART), [""; 0]);
}

/// Goal: every file can be understood with those that it imports, one after the other.
#[test]
fn no_two_files_need_each_other() {
    assert_eq!(cycles(&sources()), [""; 0]);
}

/// Goal: the two tests above can fail. Method: each kind of violation, planted in a few files.
#[test]
fn planted_violations_are_found() {
    let lib = "mod error;\nmod model;\nmod store;\npub use crate::error::Error;\npub use crate::store::Store;\n";
    let planted = |path: &str, text: &str| {
        let good = [
            ("src/lib.rs", lib),
            ("src/error.rs", "pub struct Error;"),
            ("src/model/mod.rs", "mod item;\nmod seq;\npub(crate) use item::Item;\n"),
            ("src/model/item.rs", "use crate::error::Error;\nuse super::seq::Seq;\npub struct Item(Seq, Error);"),
            ("src/model/seq.rs", "pub struct Seq;"),
            ("src/store/mod.rs", "use crate::model::Item;\npub struct Store(Item);"),
        ];
        let mut files: BTreeMap<String, String> =
            good.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        if !path.is_empty() {
            files.get_mut(path).unwrap().push_str(text);
        }
        let sources = Sources::new(files);
        (upward(&sources, &order(lib)).len(), cycles(&sources).len())
    };
    assert_eq!(planted("", ""), (0, 0));
    let seq = "src/model/seq.rs";
    assert_eq!(planted(seq, "\nuse crate::store::Store;").0, 1, "an import that points up");
    assert_eq!(planted(seq, "\nuse crate::{Error, Store};").0, 1, "the same through the root's re-exports");
    assert_eq!(planted(seq, "\nfn f() -> crate::store::Store { todo() }").0, 1, "the same without a `use`");
    assert_eq!(planted(seq, "\n#[cfg(test)]\nmod tests { use crate::Store; }"), (0, 0), "tests may use everything");
    assert_eq!(planted(seq, "\n#[cfg(test)]\nmod tests {}\nuse crate::Store;").0, 1, "what follows the tests ships");
    assert_eq!(planted(seq, "\nuse super::item::Item;"), (0, 2), "two files of a folder that need each other");
    assert_eq!(
        planted(seq, "\nuse crate::model::{self};\nfn f(_: model::Item) {}").1,
        2,
        "the same through the folder"
    );
    assert_eq!(
        planted(seq, "\n// use crate::Store;\nconst TEXT: &str = \"crate::Store\";"),
        (0, 0),
        "words are no imports"
    );
}

/// Goal: a long function is found however its signature is written.
#[test]
fn the_lines_of_a_function_are_counted() {
    let body = "    f();\n".repeat(70);
    let long = format!("struct S;\nfn long(\n    a: [u8; {{ 3 }}],\n) -> u8 {{\n{body}}}\nfn short() {{ \"}}\"; }}\n");
    assert_eq!(functions(&shipped(&long)), [(2, 73), (76, 0)]);
}

/// Goal: files and functions that can be read at once.
#[test]
fn files_and_functions_stay_small() {
    for file in rust_files("src").iter().filter(|file| !is_test(file)) {
        let text = read(file);
        let code = shipped(&text);
        // Comments and blank lines are not code, and strings of several lines are.
        let counts = |(line, code): &(&str, &str)| !code.trim().is_empty() || line.trim_start().starts_with('"');
        let lines = text.lines().zip(code.lines()).filter(counts).count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines of code: split it by purpose", file.display());
        assert!(text.starts_with("//!"), "{} must begin by saying what it owns", file.display());
        for (line, length) in functions(&code) {
            assert!(length <= MOST_LINES_OF_A_FUNCTION, "{}:{line}: {length} lines", file.display());
        }
    }
}

/// Goal: what only one place may do is done nowhere else.
#[test]
fn each_kind_of_thing_has_its_one_place() {
    let threads = ["src/runtime", "src/segments/lock.rs", "src/read/items/parallel.rs", "src/cli"];
    let rules: [(&str, &[&str], &str); 5] = [
        ("std::fs::", &["src/storage", "src/cli"], "the disk is reached through `Storage`"),
        ("tokio", &["src/cli"], "the library knows no async runtime"),
        ("std::thread", &threads, "threads are the pool's, or a reader's that was asked for them"),
        ("unsafe ", &[], "nothing here needs it"),
        ("SystemTime", &["src/model/time.rs", "src/cli"], "the clock is read in one place"),
    ];
    for file in rust_files("src").iter().filter(|file| !is_test(file)) {
        let text = read(file);
        for (word, places, why) in &rules {
            let allowed = places.iter().any(|place| file.starts_with(place));
            let used = |line: &&str| line.contains(word);
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

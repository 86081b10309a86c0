//! Compressed files are named for what they are: counted in one line by `import`, named by `doctor`, never called damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The first bytes of a file that zstd, or gzip, has written.
const ZSTD: &[u8] = b"\x28\xB5\x2F\xFD\x04\x58\x01\x02\x03\n\xFF\xFE";
const GZIP: &[u8] = b"\x1F\x8B\x08\x00\x01\x02";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Exit code, output and messages of a command.
    fn run(&self, command: &str, path: &Path) -> (Option<i32>, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        let Output { status, stdout, stderr } =
            program.arg("--root").arg(self.0.path().join("root")).arg(command).arg(path).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

#[test]
fn import_counts_compressed_files_of_a_directory_in_one_line() {
    let home = Home::new();
    for name in ["a/rollout-1.jsonl.zst", "a/rollout-2.jsonl.zst", "b/chat.json.zst"] {
        home.file(name, ZSTD);
    }
    home.file("picture.png.gz", GZIP); // nobody's log
    let (code, _, words) = home.run("import", &home.0.path().join("logs"));
    assert_eq!((code, words.lines().count()), (Some(1), 1), "{words}");
    assert!(words.contains("3 compressed files") && words.contains("`zstd -d`"), "{words}");
    // Named itself, by its name or by what is in it.
    for (name, tool) in [("a/rollout-1.jsonl.zst", "zstd -d"), ("plain.jsonl", "gunzip")] {
        let path = home.file(name, if tool == "gunzip" { GZIP } else { ZSTD });
        let (code, _, words) = home.run("import", &path);
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains("compressed") && words.contains(tool), "{words}");
    }
}

#[test]
fn doctor_names_compressed_files_and_calls_none_damaged() {
    let home = Home::new();
    let packed = home.file("rollout-1.jsonl.zst", ZSTD);
    home.file("deeper/rollout-2.jsonl.gz", GZIP);
    home.file("good.jsonl", b"{\"a\":1}\n");
    let (code, out, words) = home.run("doctor", &home.0.path().join("logs"));
    assert_eq!((code, out.lines().count()), (Some(1), 1), "{out}{words}");
    for (name, tool) in [("rollout-1.jsonl.zst", "zstd -d"), ("rollout-2.jsonl.gz", "gunzip")] {
        assert!(words.lines().any(|line| line.contains(name) && line.contains(tool)), "{words}");
    }
    let (code, out, words) = home.run("doctor", &packed);
    assert_eq!((code, &*out), (Some(1), ""), "{words}");
    assert!(words.contains("compressed") && !words.contains("damaged"), "{words}");
}

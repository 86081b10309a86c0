//! Compressed files: they are named for what they are, and not read.

use std::path::Path;

/// Extension, first bytes, and the tool that unpacks it.
const KINDS: [(&str, &[u8], &str); 3] =
    [("zst", b"\x28\xB5\x2F\xFD", "zstd -d"), ("gz", b"\x1F\x8B", "gunzip"), ("xz", b"\xFD7zXZ\0", "unxz")];

/// The tool that unpacks a file with such a name, if it is a compressed file of JSON: `rollout.jsonl.zst`.
pub(crate) fn by_name(path: &Path) -> Option<&'static str> {
    let inner = path.file_stem().map(Path::new).and_then(Path::extension)?;
    let is_json = inner == "jsonl" || inner == "json";
    KINDS.iter().find(|(extension, ..)| is_json && path.extension().is_some_and(|own| own == *extension)).map(tool)
}

/// The tool that unpacks a file which begins with these bytes.
pub(crate) fn by_content(head: &[u8]) -> Option<&'static str> {
    KINDS.iter().find(|(_, magic, _)| head.starts_with(magic)).map(tool)
}

fn tool((_, _, tool): &(&str, &[u8], &'static str)) -> &'static str {
    tool
}

/// What is said about one.
pub(crate) fn words(tool: &str) -> String {
    format!("compressed: unpack it first, with `{tool}`")
}

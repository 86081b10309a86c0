//! Compaction calls damage what `verify` calls damage, and nothing else.

use crate::forge::{entry, header};
use crate::support::{Files, ID, Lab, foldlog, segment};
use std::fs;

/// Files that a crash left before their headers were on disk, and segments that are gone without a number.
fn clean_journals() -> Vec<(&'static str, Files)> {
    let half = b"{\"seq\":5".to_vec();
    let one = [header(1, 1, None), entry(1), entry(2)].concat();
    let second = [header(2, 1, None), entry(1)].concat();
    let fourth = [header(4, 2, Some((3, 1, 300))), entry(2)].concat();
    let of = |files: &[&[u8]]| (1..).zip(files).map(|(number, bytes)| (segment(number), bytes.to_vec())).collect();
    vec![
        ("nothing but halves", of(&[&half, &half, &half])),
        ("nothing but empty files", of(&[b"", b"", b""])),
        ("several halves at the end", of(&[&one, &half, &half])),
        ("halves and empty files at the end", of(&[&one, b"", &half, b""])),
        ("a missing segment, and no missing number", Files::from([(segment(2), second), (segment(4), fourth)])),
    ]
}

#[test]
fn what_is_clean_is_no_damage_to_a_compaction() {
    for (name, files) in clean_journals() {
        let lab = Lab::with(&files);
        assert!(lab.read().is_clean(), "{name}: {:?}", lab.read().gaps);
        let report = lab.store.compact(ID).unwrap();
        assert!(!report.met_damage(), "{name}: {:?}", report.left_alone);
        assert!(lab.read().is_clean(), "{name}, compacted: {:?}", lab.read().gaps);
    }
}

#[test]
fn a_missing_segment_with_numbers_is_damage_to_both() {
    let second = [header(2, 1, None), entry(1)].concat();
    let fourth = [header(4, 3, Some((3, 2, 300))), entry(3)].concat();
    let lab = Lab::with(&Files::from([(segment(2), second), (segment(4), fourth)]));
    assert!(!lab.read().is_clean());
    assert!(lab.store.compact(ID).unwrap().met_damage());
}

/// Goal: a directory where a compaction prepares a segment hinders it at that segment only, and is named.
#[test]
fn a_directory_in_the_place_of_a_temporary_file_is_left_alone_and_named() {
    let root = tempfile::tempdir().unwrap();
    let first = [header(1, 1, None), entry(1)].concat();
    let second = [header(2, 2, Some((1, 1, first.len() as u64))), entry(2)].concat();
    let dir = root.path().join(ID);
    fs::create_dir_all(dir.join("00000001.jsonl.tmp")).unwrap();
    fs::write(dir.join("00000001.jsonl"), first).unwrap();
    fs::write(dir.join("00000002.jsonl"), second).unwrap();
    let ran = foldlog(root.path(), &["compact", ID]);
    assert_eq!(ran.code, Some(0), "{} {}", ran.out, ran.err);
    assert!(ran.out.contains("00000001.jsonl.tmp") && ran.out.contains("directory"), "{}", ran.out);
    assert!(dir.join("00000001.jsonl.tmp").is_dir());
    assert_eq!(foldlog(root.path(), &["verify", ID]).code, Some(0));
}

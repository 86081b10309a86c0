//! A file to examine.

use crate::cli::exit::{Exit, Failure};
use crate::cli::plain_file;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file to examine.
pub(crate) struct Patient {
    pub(super) path: PathBuf,
    /// What its copy is called below the output directory.
    pub(super) name: PathBuf,
    /// What it gave, if it is a pipe.
    pub(super) kept: Option<plain_file::Kept>,
}

impl Patient {
    /// What a path stands for that is no directory.
    pub(super) fn named(path: &Path) -> std::io::Result<Patient> {
        let is_other = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let kept = if is_other { Some(plain_file::Kept::of(path)?) } else { None };
        Ok(Patient { path: path.to_owned(), name: path.file_name().map(PathBuf::from).unwrap_or_default(), kept })
    }

    pub(super) fn open(&self) -> Result<File, Failure> {
        let opened = match &self.kept {
            Some(kept) => plain_file::open(&kept.path()),
            None => plain_file::open(&self.path),
        };
        opened.map_err(|error| failed("open", &self.path, &error))
    }
}

pub(crate) fn failed(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Words(Exit::Io, format!("cannot {doing} `{}`: {error}", path.display()))
}

//! A file that appears whole or not at all: written beside its place, synced, then renamed. Readable by its owner alone.

use crate::cli::exit::{Exit, Failure};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that is being written.
pub(crate) struct NewFile {
    path: PathBuf,
    force: bool,
    /// Beside its place, until it is finished; removed if that never comes.
    temporary: PathBuf,
    writer: BufWriter<File>,
}

impl NewFile {
    /// Begins a file. `force`: one that is there is replaced in the end.
    pub(crate) fn create(path: &Path, force: bool) -> Result<NewFile, Failure> {
        let Some(name) = path.file_name() else {
            return Err(Failure::usage(format!("`{}` is no name for a file", path.display())));
        };
        match fs::symlink_metadata(path) {
            Ok(there) if !there.is_file() && !there.is_symlink() => {
                return Err(Failure::usage(format!("`{}` is there and is no plain file", path.display())));
            }
            Ok(_) if !force => return Err(is_there(path)),
            _ => {}
        }
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|error| failed("create", &temporary, &error))?;
        Ok(NewFile { path: path.to_owned(), force, temporary, writer: BufWriter::with_capacity(64 << 10, file) })
    }

    /// Puts the file into its place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let written = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        written.map_err(|error| failed("write", &self.temporary, &error))?;
        self.rename()?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("sync", directory, &error))
    }

    fn rename(&self) -> Result<(), Failure> {
        if self.force {
            return fs::rename(&self.temporary, &self.path).map_err(|error| failed("replace", &self.path, &error));
        }
        // Somebody may have made the file meanwhile.
        match renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE).map_err(io::Error::from) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(&self.path)),
            // A file system that cannot promise it: a link cannot replace anything either.
            Err(_) => fs::hard_link(&self.temporary, &self.path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => is_there(&self.path),
                _ => failed("create", &self.path, &error),
            }),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn is_there(path: &Path) -> Failure {
    Failure::usage(format!("`{}` is there already: --force replaces it", path.display()))
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Words(Exit::Io, format!("cannot {doing} `{}`: {error}", path.display()))
}

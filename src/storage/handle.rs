//! The handle of one directory, opened when it is first needed and shared by all that work on that directory together.

use super::{Storage, StorageDir};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Clones share the open directory. It costs one descriptor from [`Handle::get`] to [`Handle::release`], or to the drop of
/// the last clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handle(Arc<Mutex<Option<Arc<dyn StorageDir>>>>);

impl Handle {
    /// The directory at this path: the one that was opened before, if it was not released since.
    pub(crate) fn get(&self, storage: &dyn Storage, path: &Path) -> io::Result<Arc<dyn StorageDir>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = &*open {
            return Ok(Arc::clone(dir));
        }
        let dir = storage.open_dir(path)?;
        *open = Some(Arc::clone(&dir));
        Ok(dir)
    }

    /// Closes the directory. The next [`Handle::get`] opens what is at its path by then.
    pub(crate) fn release(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

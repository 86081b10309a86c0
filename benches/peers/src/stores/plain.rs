//! Files, without anything that deserves a name.

use super::Append;
use crate::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A `BufWriter`, flushed after each event.
struct Flushed(Mutex<BufWriter<File>>);

pub(crate) fn flushed(dir: &Path) -> Result<Arc<dyn Append>> {
    Ok(Arc::new(Flushed(Mutex::new(BufWriter::new(File::create(dir.join("log"))?)))))
}

impl Append for Flushed {
    fn append(&self, _: u64, line: &[u8]) -> Result<()> {
        let mut file = self.0.lock().map_err(|_| "a panic elsewhere")?;
        file.write_all(line)?;
        file.write_all(b"\n")?;
        Ok(file.flush()?)
    }
}

/// One `write(2)` an event, below a mutex.
struct Written(Mutex<(File, Vec<u8>)>);

pub(crate) fn written(dir: &Path) -> Result<Arc<dyn Append>> {
    Ok(Arc::new(Written(Mutex::new((File::create(dir.join("log"))?, Vec::new())))))
}

impl Append for Written {
    fn append(&self, _: u64, line: &[u8]) -> Result<()> {
        let mut guard = self.0.lock().map_err(|_| "a panic elsewhere")?;
        let (file, buffer) = &mut *guard;
        buffer.clear();
        buffer.extend_from_slice(line);
        buffer.push(b'\n');
        Ok(file.write_all(buffer)?)
    }
}

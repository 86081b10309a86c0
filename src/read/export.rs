//! [`Reader::export`]: a journal read into another format.

use crate::error::{Error, Result};
use crate::interop::export::options::ExportOptions;
use crate::interop::export::{Before, Exported, Exporter, Format};
use crate::model::seq::Seq;
use crate::read::items::Item;
use crate::read::reader::Reader;
use std::io::Write;

impl Reader {
    /// Writes the session in another format.
    ///
    /// Damage is no error: what can be read is exported, the export says where something is missing, and
    /// [`Exported::gaps`] names it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root = tempfile::tempdir()?;
    /// # let store = foldlog::Store::open(root.path())?;
    /// # let journal = store.journal("s-1")?;
    /// # journal.push(foldlog::TurnStarted::new("t-1", "Fix the build"))?;
    /// # journal.close().wait()?;
    /// use foldlog::{ExportOptions, Format};
    ///
    /// let format = Format::named("markdown").ok_or("no such format")?;
    /// let options = ExportOptions::default().turns("-1..".parse().ok()).redact(true);
    /// let mut page = Vec::new();
    /// let exported = store.reader("s-1")?.export(format, &options, &mut page)?;
    /// assert_eq!((exported.turns, exported.gaps.len()), (1, 0));
    /// assert!(String::from_utf8(page)?.contains("> Fix the build"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a file cannot be opened, or `out` takes no more: then the error's source
    /// is what `out` said.
    pub fn export(&self, format: Format, options: &ExportOptions, out: &mut dyn Write) -> Result<Exported> {
        self.export_with(format, options, out, &mut |_| {})
    }

    /// [`Reader::export`], telling after each entry how many there have been. With turns to choose or secrets to find
    /// the journal is read twice, and counted twice.
    ///
    /// # Errors
    /// As for [`Reader::export`].
    pub fn export_with(
        &self,
        format: Format,
        options: &ExportOptions,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Exported> {
        // Asked before reading: a writer that goes away meanwhile has left its last words.
        let live = self.is_live()?;
        let mut entries = 0;
        let mut before = Before::new(options);
        if let Some(before) = &mut before {
            let mut items = self.items()?;
            while let Some(item) = items.next()? {
                if let Item::Entry(entry) = item {
                    crate::fold::Reducer::entry(before, &entry);
                    entries += 1;
                    progress(entries);
                }
            }
        }
        let last = before.as_ref().map_or(Seq::MAX, Before::last_seq);
        let mut exporter = Exporter::new(format, options, &self.origin(), live, before);
        if exporter.has_nothing() {
            return exporter.finish(&mut std::io::sink()).map_err(Error::output);
        }
        let mut gaps = Vec::new();
        let mut items = self.items()?;
        while let Some(item) = items.next()? {
            match item {
                Item::Entry(entry) if entry.seq() > last => break,
                Item::Entry(entry) => {
                    exporter.entry(&entry, out).map_err(Error::output)?;
                    entries += 1;
                    progress(entries);
                }
                Item::Gap(gap) => {
                    if items.is_half_line(&gap) {
                        continue;
                    }
                    exporter.gap(&gap, out).map_err(Error::output)?;
                    gaps.push(gap);
                }
                _ => {}
            }
        }
        let mut exported = exporter.finish(out).map_err(Error::output)?;
        exported.gaps.splice(0..0, gaps);
        Ok(exported)
    }
}

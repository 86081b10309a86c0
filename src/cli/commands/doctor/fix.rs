//! Writing repaired copies: never in place, never over anything, and every change told.

use super::patient::{Patient, failed};
use super::report::Report;
use crate::cli::exit::Failure;
use crate::cli::term::out::Out;
use foldlog::{Doctor, Mended};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(crate) fn write(
    mut doctor: Doctor<BufReader<File>>,
    patient: &Patient,
    output: &Path,
    report: &mut Report,
    out: &mut Out,
) -> Result<(), Failure> {
    let target = output.join(&patient.name);
    let failed_to = |doing: &'static str| move |error: &io::Error| failed(doing, &output.join(&patient.name), error);
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory).map_err(|error| failed("create", directory, &error))?;
    }
    // What was recorded is nobody else's business, and nothing is ever written over.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target);
    let mut copy = BufWriter::with_capacity(256 << 10, file.map_err(|error| failed_to("create")(&error))?);
    report.copied_to(&target);
    let (mut written, mut byte) = (0, 0);
    while let Some(line) = doctor.next().map_err(|error| failed("read", &patient.path, &error))? {
        let lines = match &line.mended {
            Mended::AsIs => {
                let breaks: &[u8] = if doctor.ends_line() { b"\n" } else { b"" };
                copy.write_all(doctor.bytes())
                    .and_then(|()| copy.write_all(breaks))
                    .map_err(|error| failed_to("write")(&error))?;
                u64::from(doctor.ends_line())
            }
            Mended::Lines(bytes) => {
                copy.write_all(bytes).map_err(|error| failed_to("write")(&error))?;
                let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
                report.change(line.line, byte, written + 1, lines, out)?;
                lines
            }
        };
        written += lines;
        byte = doctor.position();
    }
    let file = copy.into_inner().map_err(|error| failed_to("write")(error.error()))?;
    file.sync_all().map_err(|error| failed_to("sync")(&error))
}

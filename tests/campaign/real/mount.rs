//! File systems of our own: images on loop devices, mounted for as long as a part needs them, whose power can be cut.

#![allow(unsafe_code, reason = "to cut a file system's power is a call of the kernel that no safe library has")]

use rustix::ioctl;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    /// Without a journal: what it does when its disk fails is seen as it is.
    Ext4Plain,
    Xfs,
    Tmpfs,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Ext4 | Kind::Ext4Plain => "ext4",
            Kind::Xfs => "xfs",
            Kind::Tmpfs => "tmpfs",
        }
    }

    /// Why it cannot be had here; `None` if it can.
    pub fn missing(self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("only root may mount".to_owned());
        }
        let dir = workshop();
        let place = Mounted::new(self, dir.path(), 320 << 20);
        place.err().map(|error| format!("{} cannot be mounted: {error}", self.name()))
    }
}

/// Where images lie: in memory if that is possible, so that a campaign does not wear out a disk.
pub fn workshop() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory for images")
}

/// A mounted file system. Unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    kind: Kind,
    image: PathBuf,
    pub place: PathBuf,
}

impl Mounted {
    /// A new file system of at most so many bytes, its image and its place below `dir`.
    pub fn new(kind: Kind, dir: &Path, bytes: u64) -> Result<Mounted, String> {
        let mounted = Mounted { kind, image: dir.join("image"), place: dir.join("mounted") };
        std::fs::create_dir_all(&mounted.place).map_err(|error| error.to_string())?;
        if kind == Kind::Tmpfs {
            let place = mounted.place.as_os_str().to_owned();
            let mount =
                Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(place).out();
            return mount.map(|()| mounted);
        }
        let image = File::create(&mounted.image).and_then(|image| image.set_len(bytes));
        image.map_err(|error| error.to_string())?;
        let mut make = Command::new(format!("mkfs.{}", kind.name()));
        match kind {
            Kind::Ext4 => make.args(["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"]),
            Kind::Ext4Plain => make.args(["-q", "-F", "-E", "lazy_itable_init=1", "-O", "^has_journal"]),
            _ => make.args(["-q", "-f"]),
        };
        make.arg(&mounted.image).out()?;
        mounted.mount()?;
        Ok(mounted)
    }

    fn mount(&self) -> Result<(), String> {
        Command::new("mount").args(["-o", "loop", "-t", self.kind.name()]).arg(&self.image).arg(&self.place).out()
    }

    /// Mounts it again with other options.
    pub fn remount(&self, options: &str) -> Result<(), String> {
        Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.place).out()
    }

    /// From this call on nothing reaches the disk, whatever the file system has not written yet is gone.
    pub fn cut_power(&self) {
        /// `EXT4_IOC_SHUTDOWN`, and the same for XFS: `_IOR('X', 125, __u32)`.
        const SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);
        /// Not even the file system's own log is written.
        const WITHOUT_LOG: u32 = 2;
        let place = File::open(&self.place).expect("the place is there");
        // SAFETY: this opcode takes a pointer to a `u32`, which is what `Setter` passes.
        unsafe { ioctl::ioctl(&place, ioctl::Setter::<SHUTDOWN, u32>::new(WITHOUT_LOG)) }.expect("the power is cut");
    }

    /// Takes it off and puts it on again, as a machine does that starts.
    pub fn restart(&self) {
        self.unmount().expect("it can be unmounted");
        self.mount().expect("it can be mounted again");
    }

    fn unmount(&self) -> Result<(), String> {
        let mut tried = 0;
        loop {
            match Command::new("umount").arg(&self.place).out() {
                // A thread that has just ended may hold a file for a moment longer.
                Err(_) if tried < 200 => std::thread::sleep(Duration::from_millis(5)),
                done => return done,
            }
            tried += 1;
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if Command::new("umount").arg(&self.place).out().is_err() {
            let _ = Command::new("umount").arg("-l").arg(&self.place).out();
        }
    }
}

trait Out {
    /// Runs a command in silence; what it complains about is the error.
    fn out(&mut self) -> Result<(), String>;
}

impl Out for Command {
    fn out(&mut self) -> Result<(), String> {
        let output =
            self.stdin(Stdio::null()).output().map_err(|error| format!("{:?}: {error}", self.get_program()))?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(complaint) }
    }
}

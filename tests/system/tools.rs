//! What the tests need beside Rust. Where it is missing a test fails, since one that passes would claim what it has not seen.

use std::path::Path;
use std::process::{Command, Stdio};

/// Fails if a program cannot be run here. `package` is what it comes with on Debian.
pub fn need(program: &str, package: &str) {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "this test needs `{program}`: install it (Debian: apt-get install {package}), or run plain `cargo test`"
    );
}

/// Fails if processes cannot be traced here.
pub fn need_strace() {
    need("strace", "strace");
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    assert!(
        traced.is_ok_and(|status| status.success()),
        "this test needs to trace processes: run it where `strace true` works (containers: --cap-add SYS_PTRACE)"
    );
}

/// Fails if this is not root.
pub fn need_root() {
    assert!(rustix::process::geteuid().is_root(), "this test needs root, to mount or to become another user");
}

/// A small file system in memory. Unmounted when dropped.
pub struct Tmpfs<'a>(&'a Path);

impl Tmpfs<'_> {
    pub fn mount<'a>(at: &'a Path, options: &str) -> Tmpfs<'a> {
        need_root();
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "this test needs the right to mount a tmpfs (containers: --cap-add SYS_ADMIN): {words}"
        );
        Tmpfs(at)
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

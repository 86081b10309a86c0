//! What only Linux has: the numbers by which it tells file systems apart.

use rustix::fs::StatFs;

/// File systems whose files others may change, on other machines or by a process of their own: the kernel here notifies of
/// no such change, and locks taken here may not reach them. The numbers are those of statfs(2).
pub(crate) const SHARED: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x786F_4256, "vboxsf"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x5346_414F, "AFS"),
];

/// The name of a file system that others may use too.
pub(crate) fn shared_system(system: &StatFs) -> Option<&'static str> {
    let kind = system.f_type as u32;
    SHARED.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

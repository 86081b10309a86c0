//! TEMP
pub(crate) mod record;
use foldlog::{Error, ErrorKind};
pub(crate) enum Exit {
    Fine,
    No,
}
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: u8,
    pub message: String,
}
pub(crate) type Outcome = Result<Exit, Failure>;
impl Failure {
    pub(crate) fn usage(m: impl Into<String>) -> Failure {
        Failure { code: 2, message: m.into() }
    }
    pub(crate) fn io(e: std::io::Error) -> Failure {
        Failure { code: 7, message: e.to_string() }
    }
}
impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        Failure {
            code: match e.kind() {
                ErrorKind::Locked => 5,
                ErrorKind::NotFound => 4,
                ErrorKind::InvalidInput => 2,
                _ => 7,
            },
            message: e.to_string(),
        }
    }
}
pub(crate) fn words(t: &str) {
    eprintln!("foldlog: {t}");
}

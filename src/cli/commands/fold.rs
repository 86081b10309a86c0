//! `foldlog fold`: the session's record as JSON.

use crate::cli::args::FoldArgs;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::select;
use crate::cli::term::damage;
use crate::cli::term::out::Out;
use crate::cli::term::progress::Watched;
use foldlog::{Seq, SessionFold, Store};

pub(crate) fn run(args: &FoldArgs, store: &Store, out: &mut Out) -> Outcome {
    let reader = select::reader(store, args.session.as_deref())?;
    let upto = args.at.map_or(Seq::MAX, Seq::new);
    let fold = Watched::new(SessionFold::default(), reader.session_id().as_str());
    let (session, gaps) = reader.reduce_to(upto, fold)?;
    let json = match args.pretty {
        true => serde_json::to_string_pretty(&session.record),
        false => serde_json::to_string(&session.record),
    };
    let json = json.map_err(|error| Failure::Words(Exit::Io, format!("the record cannot be written: {error}")))?;
    out.json(&json)?;
    out.flush()?;
    Ok(damage::report(&reader, &gaps))
}

//! TEMP
mod cli;
use clap::Parser;
#[derive(Parser)]
struct A {
    #[arg(long)]
    root: Option<String>,
    #[command(subcommand)]
    c: C,
}
#[derive(clap::Subcommand)]
enum C {
    Record(cli::record::RecordArgs),
    Verify { s: String },
    Fold { s: String },
}
fn main() -> std::process::ExitCode {
    let a = A::parse();
    let store = match a.root {
        Some(r) => foldlog::Store::open(r),
        None => foldlog::Store::open_default(),
    };
    match a.c {
        C::Record(r) => match cli::record::run(r, store) {
            Ok(cli::Exit::Fine) => 0.into(),
            Ok(cli::Exit::No) => 1.into(),
            Err(f) => {
                eprintln!("foldlog: {}", f.message);
                f.code.into()
            }
        },
        C::Verify { s } => {
            println!("{}", serde_json::to_string(&store.unwrap().reader(s).unwrap().verify().unwrap()).unwrap());
            0.into()
        }
        C::Fold { s } => {
            println!("{}", serde_json::to_string(&store.unwrap().reader(s).unwrap().fold().unwrap()).unwrap());
            0.into()
        }
    }
}

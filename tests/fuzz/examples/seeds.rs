//! Writes each target's seeds where cargo-fuzz looks for them.

fn main() -> std::io::Result<()> {
    for target in foldlog_fuzz::TARGETS {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        std::fs::create_dir_all(&corpus)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(corpus.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}

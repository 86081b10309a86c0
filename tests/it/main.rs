//! All integration tests, one binary. See each module's first lines for what it shows.
mod cli_read;
mod smoke;

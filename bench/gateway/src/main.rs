//! What the gateway costs: a load generator, a scripted upstream, a bare forwarding proxy of the
//! same shape, and a driver that runs them side by side and prints ratios.
//!
//! The figure that is stable on a noisy machine is CPU time per call of the measured process;
//! requests per second and latency depend on what else runs.

mod bodies;
mod driver;
mod listen;
mod load;
mod process;
mod proxy;
mod report;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the gateway costs, side by side with a bare proxy.
#[derive(Parser)]
enum Command {
    /// Run everything and print the ratios.
    Run(RunArgs),
    /// The scripted upstream, until killed.
    Upstream {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// The bare proxy, until killed.
    Proxy {
        /// Where to listen.
        listen: SocketAddr,
        /// Where to forward.
        upstream: SocketAddr,
        /// Threads.
        workers: usize,
    },
}

/// How to run.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The binary to measure.
    #[arg(long)]
    atalaya: PathBuf,
    /// Seconds of each measurement in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of the proxy and of the gateway.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Exit code 1 if a bar is missed.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<std::process::ExitCode, Error> {
    match Command::parse() {
        Command::Upstream { listen } => upstream::serve(listen)?,
        Command::Proxy {
            listen,
            upstream,
            workers,
        } => proxy::serve(listen, upstream, workers)?,
        Command::Run(args) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let all_met = runtime.block_on(driver::run(&args))?;
            if args.check && !all_met {
                return Ok(std::process::ExitCode::from(1));
            }
        }
    }
    Ok(std::process::ExitCode::SUCCESS)
}

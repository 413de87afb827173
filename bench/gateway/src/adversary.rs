//! Malformed and hostile requests, many per protocol, against a gateway in a process of its own:
//! it must neither die nor hang nor grow, and log exactly one decision for each call.
//!
//! A call is what the gateway answers with a decision's id. What is no HTTP is answered by the
//! protocol itself and is no call. Everything is made from a seed, so that a failure can be repeated.

mod requests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::LocalSet;

use crate::driver::{own, say, wait_until_ready};
use crate::{Error, listen, process};
use requests::{Dice, PROTOCOLS, Protocol};

/// A request that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);
/// Most memory that the gateway may ever have, MiB, beyond what it has when idle.
const GROWTH_MIB_MAX: f64 = 256.0;
/// Bytes of a line without an end.
const LONG_LINE_BYTES: usize = 100 << 20;

/// How much, and against what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Requests for each protocol.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Connections at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seed of the generator.
    #[arg(long, default_value_t = 0x5eed)]
    seed: u64,
    /// Only protocols whose name begins like this.
    #[arg(long, default_value = "")]
    only: String,
    /// A whole node to be attacked; the gateway alone by default.
    #[arg(long)]
    atalaya: Option<PathBuf>,
}

/// What came of some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    sent: u64,
    /// Answers with a decision.
    calls: u64,
    /// Answers without one: no HTTP.
    refused_by_http: u64,
    /// Connections that were closed without a word.
    silent: u64,
    hung: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.calls += other.calls;
        self.refused_by_http += other.refused_by_http;
        self.silent += other.silent;
        self.hung += other.hung;
    }
}

struct Target {
    address: SocketAddr,
    admin: SocketAddr,
    process: Child,
    _folder: tempfile::TempDir,
}

pub(crate) async fn run(args: &Args) -> Result<bool, Error> {
    let upstream = listen::free_address()?;
    let _upstream = own(&["upstream", &upstream.to_string()])?;
    let mut target = start(args, upstream).await?;
    let pid = target.process.id().ok_or("the gateway has ended")?;
    let idle = process::memory_mib(pid, "VmRSS")?;
    say(
        "| protocol | sent | decisions | calls | no HTTP | silent | hung | MiB |\n|---|---|---|---|---|---|---|---|",
    )?;
    let mut is_fine = true;
    for protocol in PROTOCOLS
        .iter()
        .filter(|one| one.name.starts_with(&args.only))
    {
        let before = decisions(target.admin).await?;
        let seen = attack(args, target.address, protocol).await;
        let decided = settled(target.admin, before, seen.calls).await?;
        let memory = process::memory_mib(pid, "VmHWM")?;
        say(&format!(
            "| {} | {} | {decided} | {} | {} | {} | {} | {memory:.0} |",
            protocol.name, seen.sent, seen.calls, seen.refused_by_http, seen.silent, seen.hung
        ))?;
        is_fine &= decided == seen.calls && seen.hung == 0 && seen.silent == 0;
    }
    let peak = process::memory_mib(pid, "VmHWM")?;
    is_fine &= peak - idle <= GROWTH_MIB_MAX;
    let is_alive = target.process.try_wait()?.is_none();
    let verdict = if is_fine && is_alive {
        "fine"
    } else {
        "BROKEN"
    };
    say(&format!(
        "\nmemory {idle:.0} MiB idle, {peak:.0} MiB at most; alive: {is_alive}; {verdict}"
    ))?;
    Ok(is_fine && is_alive)
}

async fn start(args: &Args, upstream: SocketAddr) -> Result<Target, Error> {
    let folder = tempfile::tempdir()?;
    let (address, admin) = (listen::free_address()?, listen::free_address()?);
    let process = match &args.atalaya {
        None => own(&[
            "guard",
            &address.to_string(),
            &admin.to_string(),
            &upstream.to_string(),
        ])?,
        Some(binary) => {
            let config = folder.path().join("atalaya.yml");
            let data = folder.path().join("data");
            std::fs::write(
                &config,
                format!(
                    "version: 1\ndata_dir: {}\nadmin: {{listen: \"{admin}\"}}\nlog: {{level: error}}\ngateway:\n  listen: [\"{address}\"]\n  workers: 2\n  upstreams: {{bench: {{base_url: \"http://{upstream}\"}}}}\n  routes: [{{upstream: bench}}]\n  timeouts: {{header_ms: 2000, body_ms: 2000}}\n",
                    data.display()
                ),
            )?;
            let mut command = Command::new(binary);
            command.arg("serve").arg("--config").arg(&config);
            command.kill_on_drop(true).spawn()?
        }
    };
    wait_until_ready(admin).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(Target {
        address,
        admin,
        process,
        _folder: folder,
    })
}

/// All decisions that were made so far.
async fn decisions(admin: SocketAddr) -> Result<u64, Error> {
    let bytes = exchange(
        admin,
        b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await?;
    let text = String::from_utf8_lossy(&bytes);
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("atalaya_decisions_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

/// Decisions since then, when as many are there as calls, or no more come.
async fn settled(admin: SocketAddr, before: u64, calls: u64) -> Result<u64, Error> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let since = decisions(admin).await? - before;
        if since >= calls || Instant::now() > end {
            return Ok(since);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn attack(args: &Args, target: SocketAddr, protocol: &'static Protocol) -> Seen {
    let local = LocalSet::new();
    let share = args.count.div_ceil(args.connections);
    let tasks: Vec<_> = (0..args.connections)
        .map(|number| {
            let seed = args.seed
                ^ (u64::try_from(number).unwrap_or(0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            local.spawn_local(async move {
                let mut dice = Dice::new(seed);
                let mut seen = Seen::default();
                for _ in 0..share {
                    seen.add(one(target, &protocol.request(&mut dice)).await);
                }
                seen
            })
        })
        .collect();
    let slow = local.spawn_local(patience(target, protocol));
    local.await;
    let mut all = Seen::default();
    for task in tasks {
        all.add(task.await.unwrap_or_default());
    }
    all.add(slow.await.unwrap_or_default());
    all
}

/// Those that cost patience: sent byte by byte and never ended, and lines without an end in both
/// directions.
async fn patience(target: SocketAddr, protocol: &'static Protocol) -> Seen {
    let mut seen = Seen::default();
    let slow: Vec<_> = (0..8_usize)
        .map(|number| tokio::task::spawn_local(slow_loris(target, protocol, number)))
        .collect();
    for task in slow {
        seen.add(task.await.unwrap_or_default());
    }
    seen.add(long_request(target, protocol).await);
    for script in [
        "long-line",
        "crlf",
        "half-characters",
        "no-frames",
        "deep",
        "twice",
    ] {
        seen.add(one(target, &protocol.scripted(script)).await);
    }
    seen
}

/// A head, or a head and half a body, a byte at a time, and then nothing more.
async fn slow_loris(target: SocketAddr, protocol: &'static Protocol, number: usize) -> Seen {
    let whole = protocol.good();
    let cut = if number.is_multiple_of(2) {
        whole.len() / 3
    } else {
        whole.len().saturating_sub(3)
    };
    let sent = async {
        let mut stream = TcpStream::connect(target).await?;
        for byte in &whole[..cut] {
            stream.write_all(&[*byte]).await?;
        }
        read(&mut stream).await
    };
    let (bytes, is_hung) = match tokio::time::timeout(HANG, sent).await {
        Ok(Ok(bytes)) => (bytes, false),
        Ok(Err(_)) => (Vec::new(), false),
        Err(_) => (Vec::new(), true),
    };
    let mut seen = counted(&bytes, is_hung);
    // Half a head may be closed without a word: there was no request.
    seen.silent = 0;
    seen
}

/// A body of one line that is longer than anything that is taken.
async fn long_request(target: SocketAddr, protocol: &'static Protocol) -> Seen {
    let sent = async {
        let mut stream = TcpStream::connect(target).await?;
        let (mut from, mut to) = stream.split();
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            protocol.method, protocol.path
        );
        let piece = vec![b'A'; 64 << 10];
        let writing = async {
            to.write_all(head.as_bytes()).await?;
            for _ in 0..LONG_LINE_BYTES / piece.len() {
                to.write_all(format!("{:x}\r\n", piece.len()).as_bytes())
                    .await?;
                to.write_all(&piece).await?;
                to.write_all(b"\r\n").await?;
            }
            to.write_all(b"0\r\n\r\n").await
        };
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 << 10];
        let reading = async {
            while let Ok(length) = from.read(&mut buffer).await {
                if length == 0 {
                    break;
                }
                bytes.extend_from_slice(&buffer[..length]);
            }
        };
        tokio::pin!(reading);
        // The answer comes before all of it is sent; then the connection is closed.
        tokio::select! {
            () = &mut reading => {}
            _ = writing => reading.await,
        }
        Ok::<_, std::io::Error>(bytes)
    };
    match tokio::time::timeout(HANG, sent).await {
        Ok(bytes) => counted(&bytes.unwrap_or_default(), false),
        Err(_) => counted(&[], true),
    }
}

async fn one(target: SocketAddr, request: &Rc<[u8]>) -> Seen {
    match tokio::time::timeout(HANG, exchange(target, request)).await {
        Ok(bytes) => counted(&bytes.unwrap_or_default(), false),
        Err(_) => counted(&[], true),
    }
}

async fn exchange(target: SocketAddr, request: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut from, mut to) = stream.split();
    // The gateway may answer, and close, before it has read everything.
    let (_, bytes) = tokio::join!(to.write_all(request), async {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 << 10];
        while let Ok(length) = from.read(&mut buffer).await {
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&buffer[..length]);
        }
        bytes
    });
    Ok(bytes)
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn counted(bytes: &[u8], is_hung: bool) -> Seen {
    let text = String::from_utf8_lossy(bytes);
    let calls = text.matches("x-atalaya-decision-id: ").count();
    let is_http = text.starts_with("HTTP/1.1 ");
    Seen {
        sent: 1,
        calls: u64::try_from(calls).unwrap_or(0),
        refused_by_http: u64::from(calls == 0 && is_http),
        silent: u64::from(calls == 0 && !is_http && !is_hung),
        hung: u64::from(is_hung),
    }
}

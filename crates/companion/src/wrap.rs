//! `mcp wrap`: a server that speaks over standard input and output, with somebody between who looks
//! at every message in both directions.
//!
//! Two threads carry lines, each in order; a message waits until it is decided. The server's
//! standard error is the caller's, and so is its exit code. When the caller closes its side, the
//! server's standard input ends, by which it knows that it is to end.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::lines::{Line, Lines};
use crate::mcp::{Judge, Judgement, Side, replies};

/// How long what the server said last is carried after its end: a child of it may hold the pipe.
const REST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to end when nobody speaks with it any more; then it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended, from then on.
const END_POLL: Duration = Duration::from_millis(10);

/// Why a server could not be wrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The command cannot be started.
    #[error("cannot start `{command}`: {error}")]
    Start {
        /// The command.
        command: String,
        /// Why.
        error: std::io::Error,
    },
    /// The server cannot be watched.
    #[error("waiting for the server: {0}")]
    Wait(std::io::Error),
}

/// How a wrapped server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: u8,
}

/// A server to be wrapped.
pub struct Wrap {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Longest message, bytes.
    pub line_bytes_max: usize,
}

/// Where lines are written to; nothing when that side is closed.
type Out = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

impl Wrap {
    /// Runs the server until it ends.
    ///
    /// # Errors
    /// When it cannot be started or watched.
    pub fn run<I, O>(
        &self,
        (input, output): (I, O),
        judges: [Box<dyn Judge>; 2],
    ) -> Result<Ended, WrapError>
    where
        I: Read + Send + 'static,
        O: Write + Send + 'static,
    {
        let mut child = self.start()?;
        let to_server = out(child.stdin.take());
        let to_client = out(Some(output));
        let (Some(from_server), [of_client, of_server]) = (child.stdout.take(), judges) else {
            return Err(WrapError::Wait(std::io::Error::other("it has no output")));
        };
        let max = self.line_bytes_max;
        let (server, client) = (Arc::clone(&to_server), Arc::clone(&to_client));
        let (done, ended) = mpsc::channel();
        let client_done = done.clone();
        // It ends with the caller's input, which may be after the server's end.
        std::thread::spawn(move || {
            let lines = Lines::new(input, max);
            carry(lines, Side::Client, of_client, (&server, &client));
            close(&server);
            // The receiver may be gone.
            let _ = client_done.send(Side::Client);
        });
        std::thread::spawn(move || {
            let lines = Lines::new(from_server, max);
            carry(lines, Side::Server, of_server, (&to_client, &to_server));
            // Nobody can be told any more: then the server is to end too.
            close(&to_server);
            // The receiver may have given up waiting.
            let _ = done.send(Side::Server);
        });
        // One side has ended; threads do not end without saying so.
        let mut first = ended.recv().ok();
        let status = end(&mut child).map_err(WrapError::Wait)?;
        while first != Some(Side::Server) {
            match ended.recv_timeout(REST_TIMEOUT) {
                Ok(side) => first = Some(side),
                Err(_) => break,
            }
        }
        Ok(Ended {
            code: exit_code(status),
        })
    }

    fn start(&self) -> Result<Child, WrapError> {
        let mut words = self.command.iter();
        let name = words.next().cloned().unwrap_or_default();
        Command::new(&name)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| WrapError::Start {
                command: name,
                error,
            })
    }
}

/// Waits for a server that is about to end.
fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if since.elapsed() > END_TIMEOUT {
            child.kill()?;
            return child.wait();
        }
        std::thread::sleep(END_POLL);
    }
}

fn out<W: Write + Send + 'static>(writer: Option<W>) -> Out {
    let boxed = writer.map(|writer| Box::new(writer) as Box<dyn Write + Send>);
    Arc::new(Mutex::new(boxed))
}

fn close(out: &Out) {
    *out.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Writes a line; whether the other side still listens.
fn write(out: &Out, line: &[u8]) -> bool {
    let mut place = out.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(writer) = place.as_mut() else {
        return false;
    };
    let written = writer
        .write_all(line)
        .and_then(|()| writer.write_all(b"\n"))
        .and_then(|()| writer.flush());
    if written.is_err() {
        *place = None;
    }
    written.is_ok()
}

/// Carries the messages of one side until it ends or nobody listens.
fn carry<R: Read>(
    mut lines: Lines<R>,
    from: Side,
    mut judge: Box<dyn Judge>,
    (onward, back): (&Out, &Out),
) {
    while let Ok(Some(line)) = lines.next_line() {
        if matches!(&line, Line::Whole(bytes) if bytes.trim_ascii().is_empty()) {
            continue;
        }
        let judgement = judge.judge(from, &line);
        let is_heard = match (&judgement, &line) {
            (Judgement::Pass, Line::Whole(message)) => write(onward, message),
            (Judgement::Edited(message), _) => write(onward, message),
            _ => {
                let replies = replies(from, &line, &judgement);
                let told = |out: &Out, list: &[serde_json::Value]| {
                    list.iter()
                        .all(|reply| write(out, reply.to_string().as_bytes()))
                };
                told(onward, &replies.onward) && told(back, &replies.back)
            }
        };
        if !is_heard {
            return;
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            return u8::try_from(128 + signal).unwrap_or(u8::MAX);
        }
    }
    status
        .code()
        .map_or(u8::MAX, |code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

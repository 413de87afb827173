//! Messages of a web socket (RFC 6455), without extensions: what is compressed would have to be
//! unpacked before it is looked at, so compression is never agreed on.
//!
//! Nothing is taken by a number that the other side says: a buffer grows with the bytes that came.
//! Left out: what messages say.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest payload of a control frame (section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// What is read at once.
const READ_BYTES: usize = 16 << 10;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Which side of the socket is ours: a client's frames are masked, a server's are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A whole text.
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// The other side ends, or has gone.
    Close,
}

/// Why a socket cannot be read on. Carries no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("the frames do not follow RFC 6455")]
    Protocol,
    #[error("a binary message")]
    Binary,
    #[error("a text that is not UTF-8")]
    Utf8,
    #[error("a message that is too long")]
    TooLong,
    #[error("the connection broke")]
    Broken,
}

impl SocketError {
    /// Section 7.4.1.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Self::Protocol | Self::Broken => 1002,
            Self::Binary => 1003,
            Self::Utf8 => 1007,
            Self::TooLong => 1009,
        }
    }
}

/// A web socket.
pub(crate) struct Socket<T> {
    io: T,
    side: Side,
    /// Bytes that came and are not read yet.
    kept: BytesMut,
    /// The message in the making.
    message: Vec<u8>,
    is_within: bool,
    message_bytes_max: usize,
    /// How long the other side may take to read a message.
    send_max: Duration,
}

/// A frame's head.
#[derive(Clone, Copy)]
struct Head {
    is_last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    head_bytes: usize,
    payload_bytes: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    pub(crate) fn new(io: T, side: Side, message_bytes_max: usize, send_max: Duration) -> Self {
        Self {
            io,
            side,
            kept: BytesMut::new(),
            message: Vec::new(),
            is_within: false,
            message_bytes_max,
            send_max,
        }
    }

    /// The next message. May be dropped while it waits, without loss.
    pub(crate) async fn next(&mut self) -> Result<Message, SocketError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            self.kept.reserve(READ_BYTES);
            match self.io.read_buf(&mut self.kept).await {
                Ok(0) => return Ok(Message::Close),
                Ok(_) => {}
                Err(_) => return Err(SocketError::Broken),
            }
        }
    }

    /// Sends a text.
    pub(crate) async fn text(&mut self, text: &[u8]) -> Result<(), SocketError> {
        self.send(TEXT, text).await
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, payload: &[u8]) -> Result<(), SocketError> {
        self.send(PONG, payload).await
    }

    /// Says that it is over, and why.
    pub(crate) async fn close(&mut self, code: u16) {
        // Whoever has gone need not be told.
        let _ = self.send(CLOSE, &code.to_be_bytes()).await;
        let _ = tokio::time::timeout(self.send_max, self.io.shutdown()).await;
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<(), SocketError> {
        let frame = encode(self.side, opcode, payload)?;
        let sent = async {
            self.io.write_all(&frame).await?;
            self.io.flush().await
        };
        // Who does not read must not keep a call in the making for ever.
        match tokio::time::timeout(self.send_max, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SocketError::Broken),
        }
    }

    /// A message of the bytes that are there.
    fn take(&mut self) -> Result<Option<Message>, SocketError> {
        while let Some(head) = self.head()? {
            let whole = head.head_bytes + head.payload_bytes;
            if self.kept.len() < whole {
                return Ok(None);
            }
            self.kept.advance(head.head_bytes);
            let mut payload = self.kept.split_to(head.payload_bytes);
            if let Some(mask) = head.mask {
                for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
                    *byte ^= key;
                }
            }
            if let Some(message) = self.frame(head, &payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result<Option<Message>, SocketError> {
        match head.opcode {
            PING => return Ok(Some(Message::Ping(payload.to_vec()))),
            PONG => return Ok(Some(Message::Pong)),
            CLOSE => return Ok(Some(Message::Close)),
            BINARY => return Err(SocketError::Binary),
            TEXT if !self.is_within => {}
            CONTINUATION if self.is_within => {}
            _ => return Err(SocketError::Protocol),
        }
        self.message.extend_from_slice(payload);
        self.is_within = !head.is_last;
        if self.is_within {
            return Ok(None);
        }
        let text = String::from_utf8(std::mem::take(&mut self.message));
        text.map(|text| Some(Message::Text(text)))
            .map_err(|_| SocketError::Utf8)
    }

    /// The head of the next frame, once it is there (section 5.2).
    fn head(&self) -> Result<Option<Head>, SocketError> {
        let [first, second, rest @ ..] = self.kept.as_ref() else {
            return Ok(None);
        };
        let (opcode, is_masked) = (first & 0x0f, second & 0x80 != 0);
        let is_control = opcode & 0x08 != 0;
        let is_last = first & 0x80 != 0;
        let is_sound = first & 0x70 == 0
            && is_masked == (self.side == Side::Server)
            && (is_last || !is_control);
        if !is_sound {
            return Err(SocketError::Protocol);
        }
        let (length, length_bytes) = match second & 0x7f {
            126 => (number::<2>(rest), 2),
            127 => (number::<8>(rest), 8),
            short => (Some(u64::from(short)), 0),
        };
        let Some(length) = length else {
            return Ok(None);
        };
        let payload_bytes = usize::try_from(length).map_err(|_| SocketError::TooLong)?;
        if is_control && payload_bytes > CONTROL_BYTES_MAX {
            return Err(SocketError::Protocol);
        }
        if !is_control && self.message.len().saturating_add(payload_bytes) > self.message_bytes_max
        {
            return Err(SocketError::TooLong);
        }
        let mask = match rest.get(length_bytes..length_bytes + 4) {
            _ if !is_masked => None,
            Some(mask) => Some([mask[0], mask[1], mask[2], mask[3]]),
            None => return Ok(None),
        };
        Ok(Some(Head {
            is_last,
            opcode,
            mask,
            head_bytes: 2 + length_bytes + if is_masked { 4 } else { 0 },
            payload_bytes,
        }))
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.get(..N)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

fn encode(side: Side, opcode: u8, payload: &[u8]) -> Result<Vec<u8>, SocketError> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | opcode);
    let masked = if side == Side::Client { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => out.push(masked | u8::try_from(short).unwrap_or(0)),
        medium @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&u16::try_from(medium).unwrap_or(0).to_be_bytes());
        }
        long => {
            out.push(masked | 127);
            out.extend_from_slice(&u64::try_from(long).unwrap_or(0).to_be_bytes());
        }
    }
    if side == Side::Server {
        out.extend_from_slice(payload);
        return Ok(out);
    }
    let mut mask = [0; 4];
    let filled = SystemRandom::new().fill(&mut mask);
    filled.map_err(|_| SocketError::Broken)?;
    out.extend_from_slice(&mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(side: Side, bytes: &[u8]) -> Result<Vec<Message>, SocketError> {
        let io = std::io::Cursor::new(bytes.to_vec());
        let mut socket = Socket::new(io, side, 1_000, Duration::from_secs(1));
        let mut all = Vec::new();
        loop {
            let message = socket.next().await?;
            let is_end = message == Message::Close;
            all.push(message);
            if is_end {
                return Ok(all);
            }
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_pieces_are_one_text() {
        let long = "é".repeat(300);
        for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            for text in ["", "hi", &"a".repeat(126), &long] {
                let bytes = encode(from, TEXT, text.as_bytes()).unwrap();
                let read = read(to, &bytes).await.unwrap();
                assert_eq!(read[0], Message::Text(text.to_owned()));
            }
        }
        // "é" is cut in half, with a ping in between.
        let pieces = [0x01, 1, 0xc3, 0x89, 1, b'x', 0x80, 1, 0xa9];
        let messages = read(Side::Client, &pieces).await.unwrap();
        assert_eq!(
            messages[..2],
            [Message::Ping(b"x".to_vec()), Message::Text("é".to_owned())]
        );
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_waited_for() {
        let (near, _far) = tokio::io::duplex(16);
        let mut socket = Socket::new(near, Side::Server, 1_000, Duration::from_millis(50));
        assert_eq!(socket.text(&[b'a'; 8]).await, Ok(()));
        assert_eq!(socket.text(&[b'a'; 64]).await, Err(SocketError::Broken));
    }

    #[tokio::test]
    async fn what_does_not_follow_the_rules_is_refused() {
        for (bytes, error) in [
            // Reserved bits, as compression sets them.
            (&[0xc1, 0][..], SocketError::Protocol),
            // Masked by a server.
            (&[0x81, 0x80, 0, 0, 0, 0], SocketError::Protocol),
            (&[0x80, 0], SocketError::Protocol),
            (&[0x01, 0, 0x81, 0], SocketError::Protocol),
            (&[0x09, 0], SocketError::Protocol),
            (&[0x89, 126, 0, 126], SocketError::Protocol),
            (&[0x83, 0], SocketError::Protocol),
            (&[0x82, 0], SocketError::Binary),
            (&[0x81, 1, 0xff], SocketError::Utf8),
            (&[0x81, 126, 0x03, 0xe9], SocketError::TooLong),
            (
                &[0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                SocketError::TooLong,
            ),
        ] {
            assert_eq!(read(Side::Client, bytes).await, Err(error), "{bytes:?}");
        }
        assert_eq!(
            read(Side::Server, &[0x81, 0]).await,
            Err(SocketError::Protocol)
        );
    }
}

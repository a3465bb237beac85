//! As much of HTTP/1.1 as the load and the sink need, by hand: load, product and engines share the cores, so every
//! cycle that a full client would burn here is one that the product is not measured with.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept; bodies come with a Content-Length.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer the last message was.
    used: usize,
}

/// A request or an answer.
pub struct Message<'a> {
    head: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
}

/// More than any message that is expected here.
const MOST: usize = 4 << 20;

impl Wire {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::of(TcpStream::connect(address).await?)
    }

    /// Takes a connection over.
    pub fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096), used: 0 })
    }

    /// Sends what is a whole message already.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await
    }

    /// The next message; `None` when the other side has closed between two.
    pub async fn receive(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.more().await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        };
        let body = head + 4;
        let whole = body + length(&self.buffer[..head])?;
        while self.buffer.len() < whole {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.used = whole;
        Ok(Some(Message { head: &self.buffer[..head], body: &self.buffer[body..whole] }))
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.buffer.len() > MOST {
            return Err(io::Error::other("a message that is too large"));
        }
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Message<'_> {
    /// The status of an answer; 0 when it has none.
    pub fn status(&self) -> u16 {
        let digits = self.head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let value = head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        (found.eq_ignore_ascii_case(name.as_bytes()) && value.first() == Some(&b':'))
            .then(|| &value[1..])
    })?;
    std::str::from_utf8(value).ok().map(str::trim)
}

fn length(head: &[u8]) -> io::Result<usize> {
    if header(head, "transfer-encoding").is_some() {
        return Err(io::Error::other("a body in chunks, which nobody here sends"));
    }
    match header(head, "content-length") {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| io::Error::other("a Content-Length that is none")),
    }
}

/// Where `needle` begins.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn messages_are_kept_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut out =
            Wire::connect(listener.local_addr().expect("address")).await.expect("connects");
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut into = Wire::of(stream).expect("takes it");
        out.send(b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\nX-A:  b \r\n\r\nabcHTTP/1.1 204 No")
            .await
            .expect("sends");
        let first = into.receive().await.expect("reads").expect("one");
        assert_eq!((first.body, first.header("x-a")), (&b"abc"[..], Some("b")));
        assert_eq!(first.header("x"), None);
        out.send(b" Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
            .await
            .expect("sends");
        let second = into.receive().await.expect("reads").expect("one");
        assert_eq!((second.status(), second.body), (204, &b""[..]));
        drop(out);
        assert!(into.receive().await.is_err(), "it ended within a message");
    }
}

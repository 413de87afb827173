//! Listening sockets that several threads share.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

pub(crate) fn listener(address: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    tokio::net::TcpListener::from_std(socket.into())
}

/// A port that is free now.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

//! The tokio-uring crate, as its users write it: a task for each connection, one buffer that goes round.

use std::rc::Rc;

use tokio_uring::BufResult;
use tokio_uring::buf::{BoundedBuf, Slice};
use tokio_uring::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Mode, Options, announce, end_with_input};
use crate::address::Address;

/// Serves until standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    end_with_input();
    let (mode, size) = (options.mode, options.buffer_size);
    let address = options.address.clone();
    let mut builder = tokio_uring::builder();
    builder.entries(1024).uring_builder(tokio_uring::uring_builder().setup_cqsize(8192));
    builder.start(async move {
        match address {
            Address::Tcp(_) => {
                let (listener, got) = address.listen()?;
                let listener = TcpListener::from_std(listener.into());
                announce(&got);
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    tokio_uring::spawn(serve(Rc::new(stream), mode, size));
                }
            }
            Address::Udp(_) => anyhow::bail!("this one serves streams"),
            Address::Unix(ref path) => {
                let listener = UnixListener::bind(path)?;
                announce(&address);
                loop {
                    let stream = listener.accept().await?;
                    tokio_uring::spawn(serve(Rc::new(stream), mode, size));
                }
            }
        }
    })
}

/// The two kinds of stream, which share no trait in the crate.
trait Stream {
    async fn read(&self, buffer: Vec<u8>) -> BufResult<usize, Vec<u8>>;
    async fn write_all(&self, buffer: Slice<Vec<u8>>) -> BufResult<(), Slice<Vec<u8>>>;
}

impl Stream for TcpStream {
    async fn read(&self, buffer: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        Self::read(self, buffer).await
    }
    async fn write_all(&self, buffer: Slice<Vec<u8>>) -> BufResult<(), Slice<Vec<u8>>> {
        let (result, buffer) = Self::write_all(self, buffer).await;
        let length = buffer.len();
        (result, buffer.slice(..length))
    }
}

impl Stream for UnixStream {
    async fn read(&self, buffer: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        Self::read(self, buffer).await
    }
    async fn write_all(&self, buffer: Slice<Vec<u8>>) -> BufResult<(), Slice<Vec<u8>>> {
        let (result, buffer) = Self::write_all(self, buffer).await;
        let length = buffer.len();
        (result, buffer.slice(..length))
    }
}

/// Serves one connection until it ends. What a load generator that is done does to it is no error.
async fn serve<S: Stream + 'static>(stream: Rc<S>, mode: Mode, size: usize) {
    let mut buffer = vec![0; size];
    if mode == Mode::Source {
        loop {
            let (result, slice) = stream.write_all(buffer.slice(..size)).await;
            if result.is_err() {
                return;
            }
            buffer = slice.into_inner();
        }
    }
    loop {
        let (result, filled) = stream.read(buffer).await;
        let Ok(length @ 1..) = result else { return };
        buffer = filled;
        if mode == Mode::Echo {
            let (result, slice) = stream.write_all(buffer.slice(..length)).await;
            if result.is_err() {
                return;
            }
            buffer = slice.into_inner();
        }
    }
}

//! tokio-uring at the other end: an implementation that shares nothing with ours but the kernel.

use std::thread;

use iouring_reactor::socket::Domain;
use iouring_reactor::{Config, HandleId};
use tokio_uring::net::{TcpListener, TcpStream, UnixStream};

use crate::node::{Node, available, pattern, run, std_address};

const CLIENTS: usize = 8;
const LENGTH: usize = 200_000;

#[test]
fn tokio_uring_echoes_to_us() {
    if !available() {
        return;
    }
    let (tell, told) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        tokio_uring::start(async move {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let mut tasks = Vec::new();
            for _ in 0..CLIENTS {
                let (stream, _) = listener.accept().await.unwrap();
                tasks.push(tokio_uring::spawn(async move {
                    let mut buffer = vec![0; 10_000];
                    loop {
                        let (count, back) = stream.read(buffer).await;
                        buffer = back;
                        let count = count.unwrap();
                        if count == 0 {
                            break;
                        }
                        let (sent, _) = stream.write_all(buffer[..count].to_vec()).await;
                        sent.unwrap();
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    let address = told.recv().unwrap();
    let address = iouring_reactor::address::SocketAddress::ip("127.0.0.1", address.port()).unwrap();
    let mut node = Node::new(&Config::default(), false);
    let ids: Vec<HandleId> = (0..CLIENTS).map(|_| node.connect(address)).collect();
    run(&mut [&mut node], |nodes| ids.iter().all(|id| nodes[0].book(*id).connected == Some(0)));
    for (seed, &id) in ids.iter().enumerate() {
        node.reactor.read_start(id);
        node.write(id, &pattern(seed, LENGTH));
        node.reactor.shut_down_write(id);
    }
    run(&mut [&mut node], |nodes| ids.iter().all(|id| nodes[0].book(*id).ended.is_some()));
    for (seed, id) in ids.iter().enumerate() {
        assert!(node.book(*id).received == pattern(seed, LENGTH));
    }
    server.join().unwrap();
    node.finish();
}

#[test]
fn we_echo_to_tokio_uring() {
    if !available() {
        return;
    }
    let mut node = Node::new(&Config::default(), false);
    node.echo = true;
    let (listener, address) = node.listen(Domain::Ipv4, 64);
    let peer = std_address(&address);
    let client = thread::spawn(move || {
        tokio_uring::start(async move {
            let tasks: Vec<_> = (0..CLIENTS)
                .map(|seed| {
                    tokio_uring::spawn(async move {
                        let stream = TcpStream::connect(peer).await.unwrap();
                        let mut heard = Vec::<u8>::new();
                        for bytes in pattern(seed, LENGTH).chunks(9_000) {
                            let (sent, _) = stream.write_all(bytes.to_vec()).await;
                            sent.unwrap();
                            // Ping-pong, so that neither side waits for the other to make room.
                            let until = heard.len() + bytes.len();
                            while heard.len() < until {
                                let (count, buffer) = stream.read(vec![0; 9_000]).await;
                                heard.extend(&buffer[..count.unwrap()]);
                            }
                        }
                        stream.shutdown(std::net::Shutdown::Write).unwrap();
                        loop {
                            let (count, buffer) = stream.read(vec![0; 9_000]).await;
                            match count.unwrap() {
                                0 => break,
                                count => heard.extend(&buffer[..count]),
                            }
                        }
                        assert!(heard == pattern(seed, LENGTH));
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    run(&mut [&mut node], |nodes| {
        let accepted = &nodes[0].book(listener).accepted;
        accepted.len() == CLIENTS && accepted.iter().all(|id| nodes[0].book(*id).closed)
    });
    client.join().unwrap();
    node.finish();
}

#[test]
fn over_a_unix_socket_too() {
    if !available() {
        return;
    }
    let mut node = Node::new(&Config::default(), false);
    node.echo = true;
    let path = std::env::temp_dir().join(format!("iouring-reactor-{}", std::process::id()));
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let listener = node.adopt_listener(socket.into(), 64);
    let client = thread::spawn(move || {
        tokio_uring::start(async move {
            let stream = UnixStream::connect(&path).await.unwrap();
            let (sent, _) = stream.write_all(pattern(1, 50_000)).await;
            sent.unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = Vec::<u8>::new();
            loop {
                let (count, buffer) = stream.read(vec![0; 9_000]).await;
                match count.unwrap() {
                    0 => break,
                    count => heard.extend(&buffer[..count]),
                }
            }
            assert!(heard == pattern(1, 50_000));
            std::fs::remove_file(path).unwrap();
        });
    });
    run(&mut [&mut node], |nodes| nodes[0].book(listener).accepted.first().is_some_and(|id| nodes[0].book(*id).closed));
    client.join().unwrap();
    node.finish();
}

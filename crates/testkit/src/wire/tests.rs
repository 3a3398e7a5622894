use super::*;

/// A server that answers each byte with it.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
            });
        }
    });
    address
}

#[test]
fn bytes_and_turns_are_counted_and_a_cut_comes_where_it_was_asked_for() {
    let proxy = Proxy::start(echo());
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    for _ in 0..3 {
        let mut back = [0; 1];
        client.write_all(b"a").unwrap();
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"a");
    }
    assert_eq!((proxy.bytes(Way::Up), proxy.bytes(Way::Down), proxy.turns()), (3, 3, 3));
    proxy.cut_after(Way::Down, 2);
    client.write_all(b"bcde").unwrap();
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"bc");
    proxy.heal();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    client.write_all(b"f").unwrap();
    client.read_exact(&mut [0]).unwrap();
    assert_eq!(proxy.accepted(), 2);
    proxy.refuse();
    let mut refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    assert!(matches!(refused.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn messages_are_counted_however_they_are_cut_into_pieces() {
    let mut stream = Vec::new();
    stream.extend([0, 0, 0, 8, 4, 210, 22, 47]);
    stream.extend([0, 0, 0, 12, 0, 3, 0, 0, b'u', 0, 0, 0]);
    for kind in *b"PBDESPd" {
        stream.push(kind);
        stream.extend([0, 0, 0, 9]);
        stream.extend(b"12345");
    }
    let expected = BTreeMap::from([(b'P', 2), (b'B', 1), (b'D', 1), (b'E', 1), (b'S', 1), (b'd', 1)]);
    for size in [1, 2, 3, 7, stream.len()] {
        let (mut frames, mut counts) = (Frames::default(), BTreeMap::new());
        stream.chunks(size).for_each(|piece| frames.add(piece, &mut counts));
        assert_eq!(counts, expected, "{size}");
    }
}

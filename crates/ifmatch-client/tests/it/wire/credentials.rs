//! Credentials of a URL are sent in a field, and nowhere else.

use super::get;
use ifmatch_client::wire::{Access, Url};
use std::io::{Read, Write};
use std::net::TcpListener;

/// A proxy gets the URL in the first line of the request.
#[test]
fn credentials_of_a_url_are_not_in_what_a_proxy_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(head).unwrap()
    });
    let access =
        Access { proxy: Some(Url::parse(&format!("http://{address}")).unwrap()), ..Access::default() };
    let answer = get(&access, "http://user:password@api.example/x").unwrap();
    assert_eq!(answer.url.password(), Some("password"));
    let head = proxy.join().unwrap();
    assert!(head.starts_with("GET http://api.example/x HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("authorization: basic dxnlcjpwyxnzd29yza=="), "{head}");
    assert!(!head.contains("password"), "{head}");
}

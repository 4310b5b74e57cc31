use super::*;

/// What an answer comes to when it arrives in pieces of this size: its head, its content, its trailers, and what is left.
fn read(
    answer: &str,
    piece_bytes: usize,
) -> Result<(u16, String, Option<HeaderMap>, bool, String), Malformed> {
    let (mut input, mut scanned) = (BytesMut::new(), Scanned::default());
    let (mut head, mut content, mut trailers) = (None, BytesMut::new(), None);
    for piece in answer.as_bytes().chunks(piece_bytes) {
        input.extend_from_slice(piece);
        if head.is_none() {
            head = super::head(&mut input, &mut scanned, false)?;
        }
        while let Some(head) = &mut head {
            match &mut head.content {
                Content::Length(left) if *left > 0 && !input.is_empty() => {
                    let data = input.split_to(input.len().min(usize::try_from(*left).unwrap()));
                    *left -= data.len() as u64;
                    content.extend_from_slice(&data);
                }
                Content::Chunked(chunks) => match chunks.next(&mut input, &mut scanned)? {
                    Found::Nothing => break,
                    Found::Data(data) => content.extend_from_slice(&data),
                    Found::End(fields) => {
                        trailers = fields;
                        head.content = Content::NONE;
                    }
                },
                Content::ToEnd => {
                    content.extend_from_slice(&input.split());
                    break;
                }
                Content::Length(_) => break,
            }
        }
    }
    let head = head.ok_or(Malformed("cut"))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok((head.status.as_u16(), text(&content), trailers, head.keep, text(&input)))
}

#[test]
fn pieces_make_no_difference() {
    for (answer, content, trailer, keep, left) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef", "abc", None, true, "def"),
        ("HTTP/1.1 200\r\ncontent-length: 3, 3\r\ncontent-length: 3\r\n\r\nabc", "abc", None, true, ""),
        ("HTTP/1.1 200 OK\r\nconnection: a, Close\r\ncontent-length: 0\r\n\r\n", "", None, false, ""),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na", "a", None, false, ""),
        ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", None, false, ""),
        ("HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "", None, false, "0\r\n\r\n"),
        ("HTTP/1.1 204 No\r\ncontent-length: 1\r\n\r\n", "", None, false, ""),
        ("HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n", "", None, true, ""),
        ("HTTP/1.1 304 No\r\ncontent-length: 1\r\n\r\n", "", None, true, ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n+",
            "0123456789",
            None,
            true,
            "+",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: ,\t,Chunked ,\r\n\r\n1 \r\na\r\n0;e\r\nx: 1\r\n\r\n",
            "a",
            Some("1"),
            true,
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "a",
            None,
            false,
            "",
        ),
        ("HTTP/1.1 200 OK\ncontent-length: 1\n\na", "a", None, true, ""),
    ] {
        for piece_bytes in [1, 2, 3, 5, 8, 1000] {
            let (_, got, trailers, kept, rest) = read(answer, piece_bytes).unwrap();
            assert_eq!(
                (got.as_str(), kept, rest.as_str()),
                (content, keep, left),
                "{answer:?} {piece_bytes}"
            );
            assert_eq!(trailers.map(|fields| fields["x"].clone()), trailer.map(HeaderValue::from_static));
        }
    }
}

#[test]
fn what_has_no_single_meaning_is_malformed() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\na",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ntransfer-encoding:\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 304 No\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 304 No\r\ncontent-length: abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\n content-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\na",
        "HTTP/2 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
    ] {
        for piece_bytes in [1, 7, 1000] {
            assert!(read(answer, piece_bytes).is_err(), "{answer:?} {piece_bytes}");
        }
    }
    for chunks in [
        "\r\n",
        ";x\r\n",
        "-1\r\n",
        "0x1\r\n",
        "1\n",
        "1\r\rab",
        "1\r\nab",
        "1\r\na\n",
        "11111111111111111\r\n",
        "1 1\r\n",
        "1;\n\r\n",
        "0\r\nno field\r\n\r\n",
        "0\r\n folded: 1\r\n\r\n",
        "0\r\n\n",
        "0\r\nx: 1\n\r\n",
        "0\r\nx: 1\r\n\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        for piece_bytes in [1, 7, 1000] {
            assert!(read(&answer, piece_bytes).is_err(), "{chunks:?} {piece_bytes}");
        }
    }
}

#[test]
fn a_length_is_handed_on_once_and_where_there_can_be_one() {
    let lengths = |answer: &str, of_head_request| {
        let head = head(&mut answer.as_bytes().into(), &mut Scanned::default(), of_head_request);
        let lines = |head: Head| -> Vec<_> {
            head.headers
                .get_all(CONTENT_LENGTH)
                .iter()
                .map(|line| line.to_str().unwrap().to_owned())
                .collect()
        };
        head.map(|head| lines(head.unwrap()))
    };
    for twice in ["content-length: 2, 2\r\n", "content-length: 2\r\ncontent-length: 2\r\n"] {
        for (status, of_head_request) in [("200 OK", false), ("200 OK", true), ("304 No", false)] {
            let answer = format!("HTTP/1.1 {status}\r\n{twice}\r\n");
            assert_eq!(lengths(&answer, of_head_request), Ok(vec!["2".to_owned()]), "{answer}");
        }
    }
    for of_head_request in [false, true] {
        assert_eq!(lengths("HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\n", of_head_request), Ok(vec![]));
    }
    for bad in ["-1", "abc", "2, 3", ""] {
        assert!(lengths(&format!("HTTP/1.1 200 OK\r\ncontent-length: {bad}\r\n\r\n"), true).is_err());
    }
}

#[test]
fn what_is_not_http_is_found_out_early_and_a_long_line_is_not_parsed_in_parts() {
    let first_look =
        |bytes: &[u8]| head(&mut bytes.into(), &mut Scanned::default(), false).map(|head| head.is_some());
    for begins in ["H", "HTTP/1.1 20", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\ncontent-len"] {
        assert_eq!(first_look(begins.as_bytes()), Ok(false), "{begins}");
    }
    for other in ["S", "SSH-2.0-OpenSSH", "HTTP/1.1 2x"] {
        assert!(first_look(other.as_bytes()).is_err(), "{other}");
    }
    let long = [b'x'; FIRST_LOOK_BYTES_MAX + 1];
    assert!(first_look(&long[1..]).is_err());
    assert_eq!(first_look(&long), Ok(false), "left to the end of the line");
}

#[test]
fn sizes_are_bounded() {
    let long = |bytes| format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(bytes));
    assert!(read(&long(HEAD_BYTES_MAX - 100), 4096).is_ok());
    assert!(read(&long(HEAD_BYTES_MAX), 4096).is_err());
    let many = |fields| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(fields));
    assert!(read(&many(FIELDS_MAX), 4096).is_ok());
    assert!(read(&many(FIELDS_MAX + 1), 4096).is_err());
    let chunked =
        |chunks: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let extended = |bytes| chunked(&format!("1;{}\r\na\r\n", "e".repeat(bytes)));
    assert!(read(&extended(EXTENSION_BYTES_MAX), 4096).is_ok());
    assert!(read(&extended(EXTENSION_BYTES_MAX + 1), 4096).is_err());
    let padded = |zeros, blanks| chunked(&format!("{}1{}\r\na\r\n", "0".repeat(zeros), " ".repeat(blanks)));
    assert!(read(&padded(30, 30), 4096).is_ok());
    for (zeros, blanks) in [(300, 0), (0, 300)] {
        assert!(read(&padded(zeros, blanks), 7).is_err());
    }
    let small = "1;eeee\r\na\r\n".repeat(EXTENSION_BYTES_MAX / 4 + 1);
    assert!(read(&chunked(&small), 4096).is_err());
    let trailing = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{}",
        "x: 1\r\n".repeat(HEAD_BYTES_MAX / 6 + 1)
    );
    assert!(read(&trailing, 4096).is_err());
}

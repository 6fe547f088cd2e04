//! The way of the bytes: broken and cut bodies, key orders, sizes, and secrets that must not show.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

fn small() -> Value {
    let rows = vec![
        with(dpsk(0), json!({"vlanid": "44", "ssidList": ["a", "b"]})),
        with(
            dpsk(1),
            json!({"name": "Zo\u{eb} \u{1f511}", "expirationDateTime": "2027-06-15T00:00-07:00[America/Denver]"}),
        ),
    ];
    body(
        full(vec![(pool("A"), rows), (pool("B"), vec![dpsk(2)])]),
        json!({"expired": "renew", "ssid_network_map": {}}),
    )
}

#[test]
fn a_byte_order_mark_is_passed_over_and_utf_16_is_named() {
    let text = small().to_string();
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    assert!(parse_request(marked.as_slice(), now()).is_ok());
    let wide = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(order);
        mark.iter().copied().chain(units).collect::<Vec<u8>>()
    };
    for body in [
        wide(b"\xFF\xFE", u16::to_le_bytes),
        wide(b"\xFE\xFF", u16::to_be_bytes),
        wide(b"", u16::to_le_bytes),
        wide(b"", u16::to_be_bytes),
    ] {
        match parse_request(body.as_slice(), now()) {
            Err(RequestError::Malformed(fault)) => assert!(fault.detail.contains("UTF-16"), "{}", fault.detail),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_cut_at_any_byte_is_malformed_and_says_where() {
    let text = small().to_string();
    assert!(parse_request(text.as_bytes(), now()).is_ok());
    for end in 0..text.len() {
        match parse_request(&text.as_bytes()[..end], now()) {
            Err(RequestError::Malformed(fault)) => {
                assert_eq!((fault.pointer.as_str(), fault.code), ("/", Code::MalformedJson));
                let is_clear = match end {
                    0 => fault.detail.starts_with("the body is empty"),
                    _ => fault.detail.contains("cut off") || fault.detail.contains("not UTF-8"),
                };
                assert!(
                    is_clear && fault.detail.contains("at line 1, column "),
                    "{end}: {}",
                    fault.detail
                );
            }
            other => panic!("cut at {end}: {other:?}"),
        }
    }
}

#[test]
fn any_byte_replaced_never_panics_nor_shows_a_passphrase() {
    let text = small().to_string().into_bytes();
    for place in 0..text.len() {
        for byte in [b'"', b'{', b']', b'0', b',', b'\\', 0xff, 0] {
            let mut broken = text.clone();
            broken[place] = byte;
            if let Err(error) = parse_request(broken.as_slice(), now()) {
                assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
            }
        }
    }
}

#[test]
fn malformed_bodies_are_told_by_line_and_column() {
    for (text, detail) in [
        (
            "{\n  \"controller_id\": 1,,\n}",
            "not JSON (expecting member name or object end) at line 2, column 22",
        ),
        (
            "{\"venue_id\": \"a\" \"options\": {}}",
            "not JSON (missing comma) at line 1, column 18",
        ),
        ("{} {}", "something follows the end of the document at line 1, column 4"),
        (
            "   ",
            "the document ends too early: the body is cut off at line 1, column 4",
        ),
        ("<html>", "not JSON (malformed json) at line 1, column 1"),
    ] {
        match parse_request(text.as_bytes(), now()) {
            Err(RequestError::Malformed(fault)) => assert_eq!(fault.detail, detail),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn depth_is_bounded() {
    for text in [r#"{"metadata":"#.to_owned() + &"[".repeat(100_000), "[".repeat(100_000)] {
        match parse_request(text.as_bytes(), now()) {
            Err(RequestError::Malformed(fault)) => assert_eq!(fault.code, Code::TooDeep),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_failing_reader_is_told_from_a_bad_document() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("over the limit")),
                read => Ok(read),
            }
        }
    }
    let text = small().to_string();
    for end in [0, 1, 100, text.len()] {
        match parse_request(Failing(&text.as_bytes()[..end]), now()) {
            Err(RequestError::Read(error)) => assert_eq!(error.to_string(), "over the limit"),
            other => panic!("{end}: {other:?}"),
        }
    }
}

/// One byte a read: nothing depends on how the body is cut into pieces.
struct Dripping<'a>(&'a [u8]);
impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn the_pieces_of_the_body_do_not_matter() {
    let text = small().to_string();
    let drop_by_drop = parse_request(Dripping(text.as_bytes()), now()).unwrap();
    let at_once = parse_request(text.as_bytes(), now()).unwrap();
    let plan_of = |request: &ImportRequest| plan(&request.export, &request.options, now()).0;
    assert_eq!(plan_of(&drop_by_drop), plan_of(&at_once));
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let rows = json!([
        dpsk(0),
        with(dpsk(1), json!({"vlanid": "x"})),
        with(dpsk(2), json!({"vlanid": 7}))
    ])
    .to_string();
    let options = r#""options":{"invalid_rows":"skip","group_by_vlan":true}"#.to_owned();
    let mut found = Vec::new();
    for inner in permutations(&[
        format!(r#""pool":{}"#, pool("A")),
        format!(r#""dpsks":{rows}"#),
        r#""metadata":{"a":[{}]}"#.to_owned(),
    ]) {
        let data = format!(r#""dpsk_data":{{{inner}}}"#);
        for text in permutations(&[
            data,
            options.clone(),
            r#""controller_id":7"#.to_owned(),
            r#""venue_id":"v""#.to_owned(),
        ]) {
            let request = parse_request(format!("{{{text}}}").as_bytes(), now()).unwrap();
            let (plan, mapper) = plan(&request.export, &request.options, now());
            let rows: Vec<_> = request.export.rows.into_iter().map(|row| mapper.map(row)).collect();
            found.push((request.controller_id, plan, rows));
        }
    }
    assert_eq!(found.len(), 6 * 24);
    assert!(found.iter().all(|other| *other == found[0]));
    assert_eq!(found[0].1.totals.imports, 2);
}

fn permutations(parts: &[String]) -> Vec<String> {
    if parts.len() == 1 {
        return parts.to_vec();
    }
    let each = (0..parts.len()).flat_map(|first| {
        let mut rest = parts.to_vec();
        let first = rest.remove(first);
        permutations(&rest)
            .into_iter()
            .map(move |rest| format!("{first},{rest}"))
    });
    each.collect()
}

#[test]
fn no_passphrase_shows_in_debug_or_in_what_is_stored() {
    let rows = vec![
        dpsk(0),
        with(
            dpsk(1),
            json!({"name": "", "useDeviceCountLimit": true, "deviceCountLimit": 900}),
        ),
    ];
    let request = parse(&body(extract(rows), json!({}))).unwrap();
    let (plan, mapper) = plan(&request.export, &request.options, now());
    let mut shown = format!(
        "{request:?} {plan:?} {mapper:?} {}",
        serde_json::to_string(&plan).unwrap()
    );
    for row in request.export.rows {
        let (row, secret) = mapper.map(row);
        assert!(secret.expose().ends_with("-secret!"));
        shown += &format!(
            "{row:?} {secret:?} {}",
            serde_json::to_string(&(&row, &secret)).unwrap()
        );
    }
    assert!(shown.contains("AccountDpsk-1") && !shown.contains("secret!"), "{shown}");

    let bad = vec![
        with(dpsk(0), json!({"passphrase": "s3cret"})),
        with(dpsk(1), json!({"passphrase": "s3cret".repeat(11)})),
        with(dpsk(2), json!({"passphrase": "s3cret-ü-x"})),
        with(dpsk(3), json!({"passphrase": ["s3cret"]})),
        with(dpsk(4), json!({"passphrase": "s3cret-twice"})),
        with(dpsk(5), json!({"passphrase": "s3cret-twice"})),
    ];
    let refused = parse(&body(extract(bad.clone()), json!({}))).unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("s3cret"));
    let (plan, mut rows) = planned(extract(bad), json!({"invalid_rows": "skip"}));
    rows.remove(4);
    let stored = format!("{plan:?} {} {rows:?}", serde_json::to_string(&rows).unwrap());
    assert_eq!(rows.len(), 5);
    assert!(!stored.contains("s3cret"), "{stored}");
}

/// A body of `rows` DPSKs, made while it is read.
struct Generated {
    next: usize,
    rows: usize,
    piece: io::Cursor<Vec<u8>>,
}

impl Generated {
    fn new(rows: usize) -> Self {
        let head = format!(r#"{{"controller_id":1,"dpsk_data":{{"pool":{},"dpsks":["#, pool("Big"));
        Self {
            next: 0,
            rows,
            piece: io::Cursor::new(head.into_bytes()),
        }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || self.next > self.rows {
                return Ok(read);
            }
            let comma = if self.next == 0 { "" } else { "," };
            let piece = if self.next < self.rows {
                let vlan = if self.next < limits::MAX_ROWS {
                    ""
                } else {
                    "beyond the limit"
                };
                format!("{comma}{}", with(dpsk(self.next), json!({"vlanid": vlan})))
            } else {
                r#"]},"venue_id":"v","options":{}}"#.to_owned()
            };
            self.next += 1;
            self.piece = io::Cursor::new(piece.into_bytes());
        }
    }
}

#[test]
fn a_hundred_thousand_rows_are_read_and_mapped_in_bounded_time() {
    let start = Instant::now();
    let request = parse_request(Generated::new(limits::MAX_ROWS), now()).unwrap();
    let (plan, mapper) = plan(&request.export, &request.options, now());
    let rows = request.export.rows.into_iter().map(|row| mapper.map(row));
    assert!(
        rows.enumerate()
            .all(|(index, (row, _))| row.row as usize == index && row.pool == Some(0))
    );
    assert_eq!((plan.totals.imports, plan.pools[0].passphrases), (100_000, 100_000));
    // Seconds in an unoptimised build; the bound only catches what grows faster than the input.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn one_row_too_many_refuses_the_import_with_the_count() {
    match parse_request(Generated::new(limits::MAX_ROWS + 3), now()) {
        Err(RequestError::Content(faults)) => {
            assert_eq!(
                (faults.total(), faults.list()[0].code),
                (1, Code::TooManyRows),
                "the rest is not looked at"
            );
            assert!(faults.list()[0].detail.starts_with("100003 DPSKs"));
        }
        other => panic!("{:?}", other.map(|request| request.export.rows.len())),
    }
}

#[test]
fn what_is_not_read_may_hold_anything() {
    let ignored = r#"[1e999999, -0.0, {"": [null, true]}, "\ud83d\udd11"]"#;
    let row = dpsk(0)
        .to_string()
        .replacen('{', &format!(r#"{{"links":{ignored},"#), 1);
    let data = format!(
        r#"{{"pool":{{"x":{ignored},"dpsks":[7],{},"dpsks":[{row}],"y":{ignored}}}"#,
        &pool("A").to_string()[1..]
    );
    let text = format!(r#"{{"controller_id":1,"venue_id":"v","dpsk_data":{data}}}"#);
    let request = parse_request(text.as_bytes(), now()).unwrap();
    assert_eq!((request.export.rows.len(), request.export.shape), (1, Shape::Pool));
}

#[test]
fn a_number_beyond_all_bounds_is_a_fault_of_its_field() {
    let text = body(json!([dpsk(0)]), json!({})).to_string();
    let text = text.replacen(r#""deviceCountLimit":0"#, r#""deviceCountLimit":1e999999"#, 1);
    match parse_request(text.as_bytes(), now()) {
        Err(RequestError::Content(faults)) => {
            assert_eq!(
                (&*faults.list()[0].pointer, faults.total()),
                ("/dpsk_data/0/deviceCountLimit", 1)
            );
        }
        other => panic!("{other:?}"),
    }
}

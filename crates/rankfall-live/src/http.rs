//! Requests and responses of HTTP/1.1, one per connection, with limits on everything a client may
//! send.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest head of a request.
const MOST_HEAD: usize = 16 << 10;
/// Longest body.
const MOST_BODY: usize = 64 << 10;
/// Most header lines.
const MOST_HEADERS: usize = 64;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that arrived whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRequest {
    /// `GET` or `POST`, or what else was asked for.
    pub method: String,
    /// Path without what follows a question mark.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Names in lower case, in order; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
}

/// Why a request is not answered as it wished: a status, and a sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refused(pub u16, pub &'static str);

impl HttpRequest {
    /// The only header of this name; none where there is none, or several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.iter();
        only(headers.filter_map(|(n, value)| (n == name).then_some(value.as_str())))
    }

    /// Whether there is any header of this name.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n == name)
    }

    /// The only value of a key in the query.
    pub fn query_value(&self, key: &str) -> Option<&str> {
        let pairs = self.query.split('&');
        only(pairs.filter_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')))
    }
}

fn only<'a>(mut found: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    found.next().filter(|_| found.next().is_none())
}

/// Reads one request.
///
/// # Errors
/// What is refused, with its status; a client that is gone or too slow.
pub fn read(stream: &mut TcpStream) -> io::Result<Result<HttpRequest, Refused>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let (request, head) = loop {
        match parse(&bytes) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) if bytes.len() >= MOST_HEAD => {
                return Ok(Err(Refused(431, "the head of the request is too long")));
            }
            Ok(None) => more(stream, &mut bytes, deadline)?,
            Err(refused) => return Ok(Err(refused)),
        }
    };
    let length = match body_length(&request) {
        Ok(length) => length,
        Err(refused) => return Ok(Err(refused)),
    };
    while bytes.len() < head + length {
        more(stream, &mut bytes, deadline)?;
    }
    let body = bytes[head..head + length].to_vec();
    Ok(Ok(HttpRequest { body, ..request }))
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}

/// A request without its body, and where that begins; none before all of the head is there.
///
/// # Errors
/// What is no request.
pub fn parse(bytes: &[u8]) -> Result<Option<(HttpRequest, usize)>, Refused> {
    const MALFORMED: Refused = Refused(400, "this is no request of HTTP/1.1");
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refused(431, "the request has too many headers"));
        }
        Err(_) => return Err(MALFORMED),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(MALFORMED);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let text = |header: &httparse::Header| {
        let value = std::str::from_utf8(header.value).ok()?;
        Some((header.name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let request = HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: parsed.headers.iter().filter_map(text).collect(),
        body: Vec::new(),
    };
    Ok(Some((request, head)))
}

fn body_length(request: &HttpRequest) -> Result<usize, Refused> {
    if request.has("transfer-encoding") {
        return Err(Refused(501, "a body needs a Content-Length"));
    }
    if !request.has("content-length") {
        return Ok(0);
    }
    let length = request.header("content-length");
    let digits = length.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse::<usize>().ok()) {
        Some(length) if length <= MOST_BODY => Ok(length),
        Some(_) => Err(Refused(413, "the body is too long")),
        None => Err(Refused(400, "the Content-Length is no number")),
    }
}

/// Headers of every response: nobody else may read, embed or remember it.
const COMMON: &str = "Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
     X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
     Cross-Origin-Opener-Policy: same-origin\r\nX-Frame-Options: DENY\r\n";

/// Writes a response whole.
///
/// # Errors
/// A client that is gone.
pub fn respond(
    stream: &mut impl Write,
    status: u16,
    kind: &str,
    more: &str,
    body: &[u8],
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{COMMON}{more}\r\n",
        reason(status),
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

//! Whom the server answers, and that nothing a client sends stops it.

use rankfall::prelude::*;
use rankfall_live::protocol::{Message, Messages, Request, Settings};
use rankfall_live::scenario::Scenario;
use rankfall_live::server::{PageContent, Server};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn scenario() -> Arc<Scenario> {
    let experiment = Experiment::builder("small")
        .gaussian(100, 3, 2)
        .width(5)
        .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(2.0))
        .time(4.0)
        .trajectories(8)
        .build()
        .unwrap();
    Arc::new(Scenario::new(&experiment).unwrap())
}

/// A server that listens while `work` runs.
fn serving(work: impl FnOnce(&Client)) {
    let server = Server::bind(0, PageContent::Live(scenario()), 1).unwrap();
    let address = server.address();
    let (host, token) = address
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once("/?token="))
        .unwrap();
    let client = Client {
        host: host.to_owned(),
        port: host.split_once(':').unwrap().1.parse().unwrap(),
        token: token.to_owned(),
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| server.serve(&|| stop.load(Ordering::SeqCst)));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&client)));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

struct Client {
    host: String,
    port: u16,
    token: String,
}

impl Client {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// The status of the answer to these bytes; none where the connection is closed without one.
    fn status(&self, bytes: &[u8]) -> Option<u16> {
        let mut stream = self.connect();
        // The server may have answered and closed before all is written.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.take(4096).read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    fn get(&self, target: &str, headers: &str) -> Option<u16> {
        self.status(format!("GET {target} HTTP/1.1\r\n{headers}\r\n").as_bytes())
    }

    fn own(&self) -> String {
        format!("Host: {}\r\n", self.host)
    }

    fn page(&self) -> String {
        format!("/?token={}", self.token)
    }

    fn post(&self, path: &str, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = format!(
            "POST {path}?token={} HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.token,
            self.host,
            self.host,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    fn answer(&self, path: &str, body: &str) -> String {
        let mut text = String::new();
        self.post(path, body)
            .take(1 << 20)
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}

fn settings() -> Settings {
    scenario().first_settings()
}

#[test]
fn only_its_own_page_is_answered() {
    serving(|client| {
        let own = client.own();
        assert_eq!(client.get(&client.page(), &own), Some(200));
        let localhost = format!("Host: localhost:{}\r\n", client.port);
        assert_eq!(client.get(&client.page(), &localhost), Some(200));
        for host in [
            "Host: evil.example\r\n".to_owned(),
            format!("Host: evil.example:{}\r\n", client.port),
            format!("Host: 127.0.0.1.evil.example:{}\r\n", client.port),
            format!("Host: 127.0.0.1:{}0\r\n", client.port),
            format!("{own}Host: evil.example\r\n"),
            String::new(),
        ] {
            assert_eq!(client.get(&client.page(), &host), Some(403), "{host}");
        }
        for origin in ["http://evil.example", "https://127.0.0.1", "null", ""] {
            let headers = format!("{own}Origin: {origin}\r\n");
            assert_eq!(client.get(&client.page(), &headers), Some(403), "{origin}");
        }
        let same = format!("{own}Origin: http://{}\r\n", client.host);
        assert_eq!(client.get(&client.page(), &same), Some(200));
        let wrong = format!("/?token={}", "0".repeat(32));
        let twice = format!("{}&token={}", client.page(), client.token);
        for target in [
            "/",
            "/?token=",
            "/?other=1",
            &wrong,
            &twice,
            &client.page()[..20],
        ] {
            assert_eq!(client.get(target, &own), Some(403), "{target}");
        }
    });
}

#[test]
fn other_interfaces_do_not_reach_it() {
    // Sends nothing: it asks which address of this machine a packet would leave by.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let outside = socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr());
    let Some(own) = outside.ok().filter(|address| !address.ip().is_loopback()) else {
        println!("left out: this machine has no address but the loopback's");
        return;
    };
    serving(|client| {
        let address = (own.ip(), client.port).into();
        let reached = TcpStream::connect_timeout(&address, Duration::from_secs(2));
        assert!(reached.is_err(), "{address}");
    });
}

#[test]
fn no_path_is_ever_opened() {
    serving(|client| {
        let own = client.own();
        for path in [
            "/../../etc/passwd",
            "/etc/passwd",
            "/page.html",
            "//",
            "/%2e%2e/x",
            "/begin/",
            "*",
        ] {
            let target = format!("{path}?token={}", client.token);
            let status = client.get(&target, &own);
            assert!(
                matches!(status, Some(400 | 403 | 404)),
                "{path}: {status:?}"
            );
        }
        let target = format!("/begin?token={}", client.token);
        assert_eq!(client.get(&target, &own), Some(405));
        let form = format!(
            "POST /go?token={} HTTP/1.1\r\n{own}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}",
            client.token
        );
        assert_eq!(client.status(form.as_bytes()), Some(415));
        let cross = format!(
            "POST /go?token={} HTTP/1.1\r\n{own}Sec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}",
            client.token
        );
        assert_eq!(client.status(cross.as_bytes()), Some(403));
    });
}

#[test]
fn the_page_may_talk_to_nobody_else_and_be_embedded_nowhere() {
    serving(|client| {
        let mut stream = client.connect();
        let request = format!("GET {} HTTP/1.1\r\n{}\r\n", client.page(), client.own());
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, page) = text.split_once("\r\n\r\n").unwrap();
        for expected in [
            "default-src 'none'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "no-store",
            "no-referrer",
        ] {
            assert!(head.contains(expected), "{expected} in {head}");
        }
        assert!(!head.to_ascii_lowercase().contains("access-control"));
        // Nothing is loaded from anywhere.
        assert!(
            !page.contains("src=\"http") && !page.contains("@import"),
            "something is loaded"
        );
        assert!(page.contains(&client.token));
    });
}

fn request(session: &str) -> Request {
    Request {
        session: session.to_owned(),
        ..Request::default()
    }
}

impl Client {
    fn messages(&self, path: &str, body: &impl serde::Serialize) -> Vec<Message> {
        let text = self.answer(path, &serde_json::to_string(body).unwrap());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        serde_json::from_str::<Messages>(body).unwrap().messages
    }

    /// The name of a new session.
    fn begin(&self, settings: &Settings) -> String {
        let begun = self.messages("/begin", settings);
        assert_eq!(begun[1].frame.as_ref().unwrap().time, 0.0);
        begun[0].beginning.clone().unwrap().session
    }
}

#[test]
fn a_simulation_goes_on_as_it_is_asked_and_is_told_changes() {
    serving(|client| {
        let session = client.begin(&settings());
        let mut ask = request(&session);
        ask.first = Some(settings().first);
        ask.first.as_mut().unwrap().label_noise = 0.5;
        let told = client.messages("/go", &ask);
        assert_eq!(told[0].mark.as_ref().unwrap().words, "label noise 2 → 0.5");
        ask.first.as_mut().unwrap().step_size = -1.0;
        let told = client.messages("/go", &ask);
        assert!(
            told[0]
                .refusal
                .as_ref()
                .unwrap()
                .message
                .contains("step_size")
        );
        // It goes on after a refusal, by the time that passed, and not while nobody asks.
        let time = |client: &Client| {
            std::thread::sleep(Duration::from_millis(40));
            client.messages("/go", &request(&session))[0]
                .frame
                .as_ref()
                .unwrap()
                .time
        };
        let before = time(client);
        let after = time(client);
        assert!(after > before);
        std::thread::sleep(Duration::from_millis(1500));
        assert!(time(client) < after + 0.5, "it went on while nobody asked");
        let mut end = request(&session);
        end.ends = Some(true);
        client.messages("/go", &end);
        let told = client.answer("/go", &serde_json::to_string(&request(&session)).unwrap());
        assert!(told.starts_with("HTTP/1.1 404"), "{told}");
    });
}

#[test]
fn single_frames_show_the_same_whatever_the_clock() {
    serving(|client| {
        let still = Settings {
            paused: true,
            ..settings()
        };
        let last = |pause: u64| {
            let session = client.begin(&still);
            let mut ask = request(&session);
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(pause));
                assert!(client.messages("/go", &request(&session)).is_empty());
                ask.frames = Some(2);
                assert_eq!(client.messages("/go", &ask).len(), 2);
            }
            ask.frames = Some(1);
            client.messages("/go", &ask)[0].frame.clone().unwrap()
        };
        let (a, b) = (last(0), last(70));
        assert!(a.time > 0.3);
        assert_eq!(a, b);
    });
}

#[test]
fn clients_that_stop_half_way_hold_up_only_themselves() {
    serving(|client| {
        let silent: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = client.connect();
                stream
                    .write_all(b"POST /go HTTP/1.1\r\nContent-Le")
                    .unwrap();
                stream
            })
            .collect();
        let begun = Instant::now();
        let session = client.begin(&settings());
        assert!(
            !client.messages("/go", &request(&session)).is_empty() || begun.elapsed().as_secs() < 2
        );
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "others wait for them"
        );
        drop(silent);
    });
}

#[test]
fn sessions_are_limited_and_idle_ones_make_room() {
    serving(|client| {
        let body = serde_json::to_string(&settings()).unwrap();
        for _ in 0..32 {
            client.begin(&settings());
        }
        assert!(client.answer("/begin", &body).starts_with("HTTP/1.1 503"));
        std::thread::sleep(Duration::from_millis(5500));
        assert!(client.answer("/begin", &body).starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn settings_that_cannot_be_simulated_are_refused_in_words() {
    serving(|client| {
        let mut wide = settings();
        wide.width = u32::MAX;
        let answer = client.answer("/begin", &serde_json::to_string(&wide).unwrap());
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("width"),
            "{answer}"
        );
        let answer = client.answer("/files", &serde_json::to_string(&settings()).unwrap());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("rankfall run small.toml"));
        assert!(client.answer("/files", "{}").starts_with("HTTP/1.1 400"));
        assert!(client.answer("/watch", "{}").starts_with("HTTP/1.1 404"));
    });
}

#[test]
fn the_run_so_far_is_given_to_who_knows_its_session() {
    serving(|client| {
        let paused = Settings {
            paused: true,
            ..settings()
        };
        let session = client.begin(&paused);
        let ask = format!("{{\"session\":\"{session}\"}}");
        let answer = client.answer("/folder", &ask);
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("nothing has been simulated"),
            "{answer}"
        );
        let step = Request {
            frames: Some(1),
            ..request(&session)
        };
        client.messages("/go", &step);
        let mut bytes = Vec::new();
        client
            .post("/folder", &ask)
            .read_to_end(&mut bytes)
            .unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
        assert!(bytes.windows(4).any(|four| four == b"PK\x05\x06"));
        for (body, status) in [("{\"session\":\"x\"}", 404), ("{}", 400), ("[]", 400)] {
            let answer = client.answer("/folder", body);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
    });
}

/// A small generator of the same numbers each time: splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

#[test]
fn ten_thousand_malformed_requests_are_refused_and_stop_nothing() {
    serving(|client| {
        let body = serde_json::to_string(&settings()).unwrap();
        let good = format!(
            "POST /files?token={} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            client.token,
            client.host,
            body.len()
        );
        assert_eq!(client.status(good.as_bytes()), Some(200));
        let mut numbers = Numbers(7);
        let mut refused = 0;
        for _ in 0..10_000 {
            let mut bytes = good.clone().into_bytes();
            for _ in 0..=numbers.next(6) {
                let at = numbers.next(bytes.len());
                match numbers.next(5) {
                    0 => bytes[at] = numbers.next(256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes.insert(at, numbers.next(256) as u8),
                    3 => {
                        let tail = bytes.split_off(at);
                        bytes.extend_from_slice(&tail[tail.len() / 2..]);
                        bytes.push(b'\n');
                    }
                    _ => {
                        let copy: Vec<u8> = bytes[at..].iter().take(40).copied().collect();
                        bytes.splice(at..at, copy);
                    }
                }
            }
            let status = client.status(&bytes);
            let fine = matches!(
                status,
                None | Some(200 | 400 | 403 | 404 | 405 | 413 | 415 | 431 | 501)
            );
            assert!(fine, "{status:?} for {}", String::from_utf8_lossy(&bytes));
            refused += usize::from(status != Some(200));
        }
        assert!(refused > 9_000, "{refused}");
        let long = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n",
            client.host,
            "x".repeat(1 << 20)
        );
        assert!(matches!(client.status(long.as_bytes()), None | Some(431)));
        let many = "A: b\r\n".repeat(1000);
        assert_eq!(client.get(&client.page(), &many), Some(431));
        let large = format!("{}Content-Length: 99999999999\r\n", client.own());
        assert_eq!(client.get(&client.page(), &large), Some(413));
        assert_eq!(client.status(good.as_bytes()), Some(200));
    });
}

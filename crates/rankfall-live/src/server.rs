//! A server on this machine alone: whom it answers, and with what.
//!
//! It listens on 127.0.0.1, answers only requests that name it as their host, come from its own
//! page if from any, and have its token; opens no path that a request names; and has limits on how
//! many may come at once.

use crate::http::{self, HttpRequest, Refused};
use crate::page;
use crate::player::{Player, refusal};
use crate::protocol::{FolderOf, Messages, PageState, Request, Settings, WatchRequest};
use crate::scenario::Scenario;
use crate::session::Session;
use crate::watched::Watcher;
use rankfall::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Most connections at once.
const MOST_CONNECTIONS: usize = 96;
/// Most sessions at once.
const MOST_SESSIONS: usize = 32;
/// How long a client may not read before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// A session that nobody asks for so long is let go; pages in the background ask once a minute.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// And so long where there are many: pages that are looked at ask all the time.
const IDLE: Duration = Duration::from_secs(5);
/// Between two looks for a new connection: soon after one, and when none came for a while.
const SHORT_NAP: Duration = Duration::from_micros(200);
const LONG_NAP: Duration = Duration::from_millis(15);

const ENDED: Refused = Refused(404, "this simulation has ended");

/// What the page is about.
pub enum PageContent {
    /// Simulations of an experiment.
    Live(Arc<Scenario>),
    /// Runs in folders.
    Watch(Watcher),
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    subject: PageContent,
    token: String,
    hosts: [String; 2],
    threads: usize,
    connections: AtomicUsize,
    sessions: Mutex<BTreeMap<String, Held>>,
}

/// A session, and when it was last asked for.
#[derive(Clone)]
struct Held {
    player: Arc<Mutex<Player>>,
    asked: Instant,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 is any that is free.
    ///
    /// # Errors
    /// Exit code 1 for a port that is taken or not allowed.
    pub fn bind(port: u16, subject: PageContent, threads: usize) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            Failure::run(format!("cannot listen on 127.0.0.1:{port}: {error}"))
                .hint("leave --port out for any that is free")
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        Ok(Self {
            listener,
            port,
            shared: Arc::new(Shared {
                subject,
                token: secret()?,
                hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
                threads: threads.max(1),
                connections: AtomicUsize::new(0),
                sessions: Mutex::default(),
            }),
        })
    }

    /// Where the page is.
    pub fn address(&self) -> String {
        format!(
            "http://127.0.0.1:{}/?token={}",
            self.port, self.shared.token
        )
    }

    /// Answers until `stop` says so.
    pub fn serve(&self, stop: &dyn Fn() -> bool) {
        let mut nap = SHORT_NAP;
        while !stop() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.answer(stream);
                    nap = SHORT_NAP;
                }
                Err(_) => {
                    std::thread::sleep(nap);
                    nap = (nap + nap / 8).min(LONG_NAP);
                }
            }
        }
    }

    fn answer(&self, stream: TcpStream) {
        let shared = self.shared.clone();
        let before = shared.connections.fetch_add(1, Ordering::SeqCst);
        let present = Present(shared);
        if before >= MOST_CONNECTIONS {
            return;
        }
        let work = move || {
            let shared = &present.0;
            // A client that is gone needs no answer.
            let _ = shared.converse(stream);
        };
        // Where the system refuses a thread the connection is closed.
        let _ = std::thread::Builder::new().spawn(work);
    }
}

/// Counts a connection out when it ends, also by a panic.
struct Present(Arc<Shared>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        lock(&self.sessions)
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let answered = match http::read(&mut stream)? {
            Ok(request) => self.route(&request, &mut stream),
            Err(refused) => Err(refused),
        };
        if let Err(Refused(status, words)) = answered {
            let (kind, text) = ("text/plain; charset=utf-8", format!("{words}\n"));
            http::respond(&mut stream, status, kind, "", text.as_bytes())?;
        }
        stream.shutdown(Shutdown::Write)
    }

    /// Refuses who must not be answered.
    fn admit(&self, request: &HttpRequest) -> Result<(), Refused> {
        let host = request.header("host").unwrap_or("").to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            return Err(Refused(403, "the Host is not this server"));
        }
        if request.has("origin") {
            let origin = request.header("origin").unwrap_or("").to_ascii_lowercase();
            if origin.strip_prefix("http://") != Some(&host) {
                return Err(Refused(403, "the Origin is not this server's page"));
            }
        }
        let site = request.header("sec-fetch-site").unwrap_or("none");
        let own = matches!(site, "none" | "same-origin");
        if request.has("sec-fetch-site") && !own && request.path != "/" {
            return Err(Refused(403, "another site asks"));
        }
        match request.query_value("token") {
            Some(token) if same(token.as_bytes(), self.token.as_bytes()) => Ok(()),
            _ => Err(Refused(
                403,
                "the token is missing or wrong; open the address that rankfall printed",
            )),
        }
    }

    fn route(&self, request: &HttpRequest, stream: &mut TcpStream) -> Result<(), Refused> {
        self.admit(request)?;
        let known = ["/", "/begin", "/go", "/files", "/folder", "/watch"];
        if !known.contains(&request.path.as_str()) {
            return Err(Refused(404, "there is nothing there"));
        }
        let expected = if request.path == "/" { "GET" } else { "POST" };
        if request.method != expected {
            return Err(Refused(405, "not by this method"));
        }
        if expected == "POST" {
            let kind = request.header("content-type").unwrap_or("");
            if kind.split(';').next().map(str::trim) != Some("application/json") {
                return Err(Refused(415, "the body is JSON, and says so"));
            }
        }
        match (&self.subject, request.path.as_str()) {
            (_, "/") => self.page(stream),
            (PageContent::Live(scenario), "/begin") => self.begin(scenario, request, stream),
            (PageContent::Live(_), "/go") => self.go(request, stream),
            (PageContent::Live(scenario), "/files") => {
                let files = scenario.files(&body::<Settings>(request)?);
                respond_with(stream, files)
            }
            (PageContent::Live(_), "/folder") => self.folder(request, stream),
            (PageContent::Watch(watcher), "/watch") => {
                let ask: WatchRequest = body(request)?;
                respond_with(stream, Ok(watcher.look(&ask)))
            }
            _ => Err(Refused(404, "there is nothing there")),
        }
    }

    fn page(&self, stream: &mut TcpStream) -> Result<(), Refused> {
        let (mode, settings) = match &self.subject {
            PageContent::Live(scenario) => ("live", Some(scenario.first_settings())),
            PageContent::Watch(_) => ("watch", None),
        };
        let start = PageState {
            mode: mode.to_owned(),
            token: self.token.clone(),
            settings,
            ..PageState::default()
        };
        let (Ok(page), Ok(nonce)) = (page::page(&start), secret()) else {
            return Err(Refused(500, "the page cannot be made"));
        };
        let page = page::with_nonce(&page, &nonce);
        let policy = format!("Content-Security-Policy: {}\r\n", page::policy(&nonce));
        let kind = "text/html; charset=utf-8";
        let _ = http::respond(stream, 200, kind, &policy, page.as_bytes());
        Ok(())
    }

    fn begin(
        &self,
        scenario: &Arc<Scenario>,
        request: &HttpRequest,
        stream: &mut TcpStream,
    ) -> Result<(), Refused> {
        let settings: Settings = body(request)?;
        let name = secret().map_err(|_| Refused(500, "the system gives no random numbers"))?;
        let session = match Session::new(scenario.clone(), &settings, self.threads) {
            Ok(session) => session,
            Err(failure) => return respond_with::<Messages>(stream, Err(failure)),
        };
        let mut player = Player::new(session);
        let messages = player.begin(name.clone());
        self.hold(name, player)?;
        respond_with(stream, Ok(Messages { messages }))
    }

    /// Keeps a session, in the place of forgotten ones.
    fn hold(&self, name: String, player: Player) -> Result<(), Refused> {
        let mut sessions = self.list();
        sessions.retain(|_, held| held.asked.elapsed() < FORGOTTEN);
        if sessions.len() >= MOST_SESSIONS {
            sessions.retain(|_, held| held.asked.elapsed() < IDLE);
        }
        if sessions.len() >= MOST_SESSIONS {
            return Err(Refused(503, "too many simulations at once; close a tab"));
        }
        let held = Held {
            player: Arc::new(Mutex::new(player)),
            asked: Instant::now(),
        };
        sessions.insert(name, held);
        Ok(())
    }

    /// The run of a session so far, as an archive.
    fn folder(&self, request: &HttpRequest, stream: &mut TcpStream) -> Result<(), Refused> {
        let ask: FolderOf = body(request)?;
        let player = self.list().get(&ask.session).ok_or(ENDED)?.player.clone();
        let archive = lock(&player).folder();
        match archive {
            Ok(bytes) => {
                let _ = http::respond(stream, 200, "application/zip", "", &bytes);
                Ok(())
            }
            Err(failure) => respond_with::<Messages>(stream, Err(failure)),
        }
    }

    fn go(&self, request: &HttpRequest, stream: &mut TcpStream) -> Result<(), Refused> {
        let ask: Request = body(request)?;
        if ask.ends == Some(true) {
            let _ended = self.list().remove(&ask.session).ok_or(ENDED)?;
            return respond_with(stream, Ok(Messages::default()));
        }
        let player = {
            let mut sessions = self.list();
            let held = sessions.get_mut(&ask.session).ok_or(ENDED)?;
            held.asked = Instant::now();
            held.player.clone()
        };
        let messages = lock(&player).answer(&ask);
        respond_with(stream, Ok(Messages { messages }))
    }
}

/// What one holder that panicked left is still whole: every frame is made anew.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn body<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Refused> {
    serde_json::from_slice(&request.body)
        .map_err(|_| Refused(400, "the body is not what is expected"))
}

/// JSON, or a refusal with status 400.
fn respond_with<T: Serialize>(
    stream: &mut impl Write,
    content: Result<T, Failure>,
) -> Result<(), Refused> {
    let (status, text) = match &content {
        Ok(content) => (200, serde_json::to_vec(content)),
        Err(failure) => (400, serde_json::to_vec(&refusal(failure))),
    };
    let text = text.map_err(|_| Refused(500, "the answer cannot be written"))?;
    let _ = http::respond(stream, status, "application/json", "", &text);
    Ok(())
}

/// 128 random bits of the system, as hexadecimal digits.
fn secret() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::run(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Takes as long wherever the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (x, y)| seen | (x ^ y)) == 0
}

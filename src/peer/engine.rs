//! [`Engine`]: one peer, as the facade over its components.
//!
//! The [`Session`] knows how far the connection has come, the [`Exchange`] sends requests and
//! understands their responses, and [`Elements`] are what other peers may set and call. The engine
//! passes to one what follows from another.

use std::borrow::Cow;
use std::time::Instant;

use crate::json::{Kind, Raw, to_text};
use crate::wire::encoding::{self, Encoding, Text};
use crate::wire::error::{Code, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::wire::message::Message;
use crate::wire::{ENVELOPE_LEVELS, msgpack};

use super::compat::Compat;
use super::compat::daemon_kind::DaemonKind;
use super::elements::{Elements, Incoming, Role, Routed};
use super::event::{Event, shortened};
use super::exchange::{Exchange, Sent};
use super::options::Options;
use super::outbound::Failure;
use super::request::{PathRequest, Request, RequestOptions, ResultKind, Service};
use super::requests::Purpose;
use super::response;
use super::session::{Authentication, Session, Step};

/// One peer: see the [module](super).
#[derive(Debug)]
pub struct Engine {
    session: Session,
    exchange: Exchange,
    elements: Elements,
    max_message: usize,
    /// The deepest nesting of a message.
    max_depth: usize,
}

impl Engine {
    /// Creates a peer that is not connected yet. The program may use it already.
    pub fn new(options: Options) -> Engine {
        Engine {
            exchange: Exchange::new(&options),
            elements: Elements::default(),
            max_message: options.max_message,
            max_depth: options.max_depth.saturating_add(ENVELOPE_LEVELS),
            session: Session::new(options.name, options.login, options.encoding),
        }
    }

    // The connection.

    /// Notes that the connection is established, and sends `info`.
    pub fn connected(&mut self, now: Instant) {
        if self.session.connect(now) {
            // A limit that not even `info` keeps shows at the end of the wait for the response.
            let _ = self.exchange.request(Purpose::Info, "info", &Raw::trusted("{}"));
        }
    }

    /// Closes the engine, because the connection is over or the program closes it. Every call fails
    /// from now on. The caller ends the callbacks of open requests.
    pub fn closed(&mut self) {
        self.session.close();
        self.exchange.clear();
    }

    /// Returns the bytes to send now: frames with their length in front. The caller removes what it
    /// sends.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.exchange.outbound_mut().frames()
    }

    /// Returns whether there is something to send now.
    pub fn has_output(&self) -> bool {
        self.exchange.outbound().has_frames()
    }

    /// Sets the number of bytes that were taken out of the output and have not left. They count for
    /// `max_unsent`.
    pub fn set_backlog(&mut self, bytes: usize) {
        self.exchange.outbound_mut().set_backlog(bytes);
    }

    /// Returns whether more bytes wait to be sent than `max_unsent` allows. Nothing is queued until
    /// some have left.
    pub fn is_full(&self) -> bool {
        self.exchange.outbound().is_full()
    }

    /// Marks the connection as failed because the daemon does not read.
    pub fn overflow(&mut self) {
        self.exchange.outbound_mut().overflow();
    }

    /// Returns why the connection has to be closed, or `None` while it can be used.
    pub fn fault(&self) -> Option<String> {
        self.exchange.outbound().fault().filter(|_| !self.is_closed())
    }

    /// Returns whether the daemon is known and messages are sent at once.
    pub fn is_ready(&self) -> bool {
        self.session.is_ready()
    }

    /// Returns whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Returns the kind of the daemon: [`DaemonKind::Unknown`] until it has answered.
    pub fn daemon_kind(&self) -> DaemonKind {
        self.exchange.daemon_kind()
    }

    /// Returns what this peer does because the daemon cannot, as words for people. The list is empty
    /// on our own daemon and before the daemon is known.
    pub fn stand_ins(&self) -> Vec<&'static str> {
        let compat = self.exchange.compat().filter(|_| self.is_ready());
        compat.map(Compat::stand_ins).unwrap_or_default()
    }

    /// Returns the daemon's response to `info`, as JSON text.
    pub fn info(&self) -> Option<&str> {
        self.session.info()
    }

    /// Returns the user that the program wants to be and the result of the login, if there is one.
    pub fn authentication(&self) -> Option<(&str, Option<&Authentication>)> {
        self.session.authentication()
    }

    /// Returns the encoding of the output. All messages in the output have it.
    pub fn encoding(&self) -> Encoding {
        self.exchange.outbound().encoding()
    }

    /// Returns a hint for people about the end of a connection after a message of that length.
    pub fn probable_limit(&self, length: usize) -> Option<String> {
        let is_known = self.exchange.outbound().knows_daemon_limit();
        self.exchange.compat().filter(|_| !is_known)?.probable_limit(length)
    }

    /// Returns the number of open requests.
    pub fn open_requests(&self) -> usize {
        self.exchange.open_requests()
    }

    // Time.

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do. The time limit of a
    /// request begins with the first call after it was sent.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        let session = self.session.next_timeout();
        if !self.session.knows_daemon() {
            return session;
        }
        session.into_iter().chain(self.exchange.next_timeout(now)).min()
    }

    /// Does what is due: reports notes, goes on without the daemon's response to the greeting, ends
    /// requests that the daemon would leave open, sends refused requests again.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        self.exchange.report_notes(events);
        let step = self.session.handle_timeout(now, self.daemon_kind(), events);
        self.take(step, events);
        if self.session.knows_daemon() {
            self.exchange.handle_timeout(now, events);
        }
    }

    // The greeting.

    /// Takes a step of the session.
    fn take(&mut self, step: Step, events: &mut Vec<Event<'_>>) {
        match step {
            Step::Wait => {}
            Step::LogIn(login) => {
                if self.exchange.request(Purpose::Login, "authenticate", &login.params()).is_err() {
                    let step = self.session.login_too_long();
                    self.take(step, events);
                }
            }
            Step::Introduce(introduction) => {
                self.exchange.send_deferred(events);
                let (encoding, service) = (introduction.encoding(), self.daemon_kind().config_service(true));
                match self.exchange.request(Purpose::Config(encoding), service, &introduction) {
                    Ok(_) => self.session.introduced(encoding),
                    Err(_) => self.announce(events),
                }
            }
            Step::Start => {
                self.announce(events);
                self.exchange.send_deferred(events);
            }
            Step::Fail { reason, error } => {
                self.closed();
                events.push(Event::LoginFailed { reason, error });
            }
        }
    }

    fn announce(&mut self, events: &mut Vec<Event<'_>>) {
        if self.session.announce() {
            events.push(Event::Ready);
        }
    }

    fn info_answered(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        if self.session.learn(outcome.ok()) {
            let kind = DaemonKind::recognise(outcome);
            self.exchange.set_daemon(kind, outcome.ok());
        }
        let step = self.session.greet(self.daemon_kind(), events);
        self.take(step, events);
    }

    fn login_answered(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        if !self.session.is_logging_in() {
            return;
        }
        let kind = self.daemon_kind();
        let step = match outcome {
            Ok(result) => self.session.login_accepted(Some(result), kind, events),
            Err(error) if response::has_code(error, METHOD_NOT_FOUND) => {
                self.session.login_accepted(None, kind, events)
            }
            Err(error) => {
                let error = match self.exchange.compat() {
                    Some(compat) => compat.error(error),
                    None => response::as_object(error),
                };
                self.session.login_refused(Raw::trusted(&error), kind.login_hint())
            }
        };
        self.take(step, events);
    }

    fn config_answered(&mut self, asked: Encoding, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        if outcome.is_ok() {
            // The output is empty if this changes anything: messages were deferred meanwhile.
            self.exchange.outbound_mut().set_encoding(asked);
        }
        let step = self.session.introduction_answered(asked, outcome, events);
        self.take(step, events);
    }

    // Requests of the program.

    /// Adds a state (with a value) or a method (without).
    ///
    /// # Errors
    /// [`Failure`], as all functions that send.
    pub fn add(&mut self, path: &str, value: Option<Raw>, options: RequestOptions) -> Sent {
        self.submit_path(PathRequest::new(Service::Add, path, value), options)
    }

    /// Adds a state that has no value yet. Without a value it looks like a method, so a mark says that
    /// it is a state; daemons other than our own ignore it.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn add_empty_state(&mut self, path: &str, options: RequestOptions) -> Sent {
        let request = PathRequest::new(Service::Add, path, None);
        self.submit_path(PathRequest { is_empty_state: true, ..request }, options)
    }

    /// Adds an element with access rights. `access` is an object with any of the lists `fetchGroups`,
    /// `setGroups` and `callGroups`.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn add_with_access(
        &mut self,
        path: &str,
        value: Option<Raw>,
        role: Role,
        access: Raw,
        options: RequestOptions,
    ) -> Sent {
        let is_empty_state = role == Role::State && value.is_none();
        let access = Some(Cow::Borrowed(access.text()));
        let request = PathRequest::new(Service::Add, path, value);
        self.submit_path(PathRequest { is_empty_state, access, ..request }, options)
    }

    /// Removes an element of this peer.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn remove(&mut self, path: &str, options: RequestOptions) -> Sent {
        self.submit_path(PathRequest::new(Service::Remove, path, None), options)
    }

    /// Changes the value of a state of this peer, without a response. No value clears the state;
    /// daemons that cannot do that get null.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn change(&mut self, path: &str, value: Option<Raw>) -> Result<(), Failure> {
        let request = PathRequest::new(Service::Change, path, value);
        self.submit_path(request, RequestOptions::default()).map(drop)
    }

    /// Asks the owner of a state to set it.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn set(&mut self, path: &str, value: Option<Raw>, options: RequestOptions) -> Sent {
        self.submit_path(PathRequest::new(Service::Set, path, value), options)
    }

    /// Calls a method. `args` is an array or object.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn call(&mut self, path: &str, args: Raw, options: RequestOptions) -> Sent {
        self.submit_path(PathRequest::new(Service::Call, path, Some(args)), options)
    }

    /// Sends a request of any other service. `params` is an object that is sent unchanged, except that
    /// the options replace members of the same name.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn request(&mut self, service: &str, params: Raw, options: RequestOptions) -> Sent {
        let params = Cow::Borrowed(params.text());
        let (request, expected) = match service {
            "config" => (Request::Config(params), ResultKind::Done),
            _ => (Request::Other(Cow::Borrowed(service), params), ResultKind::Any),
        };
        self.submit(expected, request, options)
    }

    /// Starts a fetch, or the one of that number again. `expression` is a JSON object. Returns the
    /// number that its events carry, and the id of the request.
    ///
    /// # Errors
    /// [`Failure`]; the fetch is not active then.
    pub fn fetch(
        &mut self,
        number: Option<u32>,
        expression: Raw,
        options: RequestOptions,
    ) -> Result<(u32, Option<u32>), Failure> {
        self.check_open()?;
        self.exchange.fetch(number, expression, options, self.session.is_ready())
    }

    /// Ends a fetch. Its events end now, whether a response is wanted or not. Ending it twice succeeds.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn unfetch(&mut self, number: u32, options: RequestOptions) -> Sent {
        self.check_open()?;
        self.exchange.unfetch(number, options, self.session.is_ready())
    }

    /// Sends a harmless request. Its response follows all initial notifications of the fetches that
    /// were sent before. The daemon must be known.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn settle(&mut self) -> Sent {
        self.check_open()?;
        self.exchange.settle(self.session.is_ready())
    }

    fn submit_path(&mut self, request: PathRequest, options: RequestOptions) -> Sent {
        let expected = request.expected_result(options);
        self.submit(expected, Request::Path(request), options)
    }

    fn submit(&mut self, expected: ResultKind, request: Request, options: RequestOptions) -> Sent {
        self.check_open()?;
        self.exchange.submit(Purpose::Program(expected), request, options, self.session.is_ready())
    }

    fn check_open(&self) -> Result<(), Failure> {
        match self.is_closed() {
            true => Err(Failure::Closed),
            false => Ok(()),
        }
    }

    // Elements of this peer.

    /// Adds an element: requests for `path` become events that carry `element`.
    pub fn own(&mut self, path: &str, element: u32, role: Role) {
        self.elements.insert(path, element, role);
    }

    /// Removes an element. Requests for `path` are refused from now on.
    pub fn disown(&mut self, path: &str) {
        self.elements.remove(path);
    }

    /// Answers a request with a result. `id` is the one of the event, as JSON text.
    ///
    /// # Errors
    /// [`Failure::Closed`], [`Failure::TooLong`]; [`Failure::Unsent`], which ends the connection
    pub fn answer(&mut self, id: &str, result: Raw) -> Result<(), Failure> {
        let result = match self.exchange.compat_mut() {
            Some(compat) => compat.adapt_result(id, result),
            None => result,
        };
        self.respond(id, Ok(result))
    }

    /// Answers a request with an error object that the program made.
    ///
    /// # Errors
    /// [`Failure::Closed`], [`Failure::TooLong`]; [`Failure::Unsent`], which ends the connection
    pub fn refuse(&mut self, id: &str, error: Raw) -> Result<(), Failure> {
        if let Some(compat) = self.exchange.compat_mut() {
            compat.forget_routed(id);
        }
        self.respond(id, Err(error))
    }

    fn respond(&mut self, id: &str, outcome: Result<Raw, Raw>) -> Result<(), Failure> {
        self.check_open()?;
        match self.session.is_switching() {
            true => self.exchange.outbound_mut().defer_response(id, outcome),
            false => self.exchange.outbound_mut().response(id, outcome),
        }
    }

    /// Answers a request with an error of the protocol.
    fn refuse_with(&mut self, id: Option<Raw>, code: Code, data: Raw) {
        if let Some(id) = id {
            // Without room for the response the connection fails, which `fault` reports.
            let _ = self.refuse(id.text(), Raw::trusted(&to_text(&code.with(data))));
        }
    }

    // Received messages.

    /// Returns the JSON text of a received message, for [`receive`](Self::receive). The daemon changes
    /// the encoding between two messages that may come in one piece; if the program asked for msgpack,
    /// the first byte tells which one it is.
    ///
    /// # Errors
    /// The message is no msgpack that JSON can express within the limits.
    pub fn text_of<'a>(&self, bytes: &'a [u8]) -> Result<Text<'a>, msgpack::Error> {
        let encoding = if self.session.wants_msgpack() { Encoding::Msgpack } else { Encoding::Json };
        let limits = msgpack::Limits { max_depth: self.max_depth, max_text: self.max_message };
        encoding::decode(encoding, bytes, limits)
    }

    /// Handles one received message, an object or an array of them, and appends the events that follow
    /// from it. Responses that need no program go to the output.
    pub fn receive<'a>(&mut self, text: &'a str, events: &mut Vec<Event<'a>>) {
        if self.is_closed() || self.exchange.outbound().has_overflowed() {
            return;
        }
        match Raw::parse(text, self.max_depth) {
            Ok(raw) if raw.kind() == Kind::Array => {
                raw.elements().for_each(|element| self.receive_one(element, events));
            }
            Ok(raw) => self.receive_one(raw, events),
            Err(error) => events.push(Event::Note(format!("decoding message failed: {error}"))),
        }
    }

    fn receive_one<'a>(&mut self, raw: Raw<'a>, events: &mut Vec<Event<'a>>) {
        match Message::read(raw).unwrap_or_default() {
            Message { method: Some(method), id, params, .. } => {
                let id = id.filter(|id| !id.is_null());
                let incoming = Incoming { message: raw, id, params: params.unwrap_or(Raw::NULL) };
                self.receive_request(method, incoming, events);
            }
            Message { id: Some(id), result: Some(result), .. } => {
                self.receive_response(id, Ok(result), events)
            }
            Message { id: Some(id), error: Some(error), .. } => self.receive_response(id, Err(error), events),
            // Some daemons answer notifications, without an id.
            Message { result: Some(_), .. } => {}
            _ => events.push(Event::Note(format!("unhandled message: {}", shortened(raw.text())))),
        }
    }

    fn receive_request<'a>(&mut self, method: Raw<'a>, incoming: Incoming<'a>, events: &mut Vec<Event<'a>>) {
        let id = incoming.id;
        let name = method.as_str();
        if let (Some(name), None) = (&name, id)
            && self.exchange.fetching().receive(name, incoming.params, events)
        {
            return;
        }
        let by_service = self.exchange.compat().is_some_and(Compat::routes_by_service);
        match name.map_or(Routed::Unknown, |name| self.elements.route(&name, incoming, by_service)) {
            Routed::Event(event) => {
                if let Event::Set { id: Some(id), value_as_result: false, .. } = &event
                    && let Some(compat) = self.exchange.compat_mut()
                {
                    compat.set_routed(id.text());
                }
                events.push(event);
            }
            Routed::Refused(data) => self.refuse_with(id, INVALID_PARAMS, Raw::trusted(&data)),
            Routed::Unknown => {
                self.refuse_with(id, METHOD_NOT_FOUND, method);
                events.push(Event::Unknown { message: incoming.message });
            }
        }
    }

    fn receive_response<'a>(
        &mut self,
        id: Raw<'a>,
        outcome: Result<Raw<'a>, Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) {
        match self.exchange.receive_response(id, outcome, events) {
            Some(Purpose::Info) => self.info_answered(outcome, events),
            Some(Purpose::Login) => self.login_answered(outcome, events),
            Some(Purpose::Config(encoding)) => self.config_answered(encoding, outcome, events),
            _ => {}
        }
    }
}

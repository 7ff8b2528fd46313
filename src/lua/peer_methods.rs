//! The methods of the peer userdata: arguments from Lua, results as values.
//!
//! Nothing here raises: a function that fails returns nil and a message, and the Lua file raises
//! it at the line of the program.

use mlua::{FromLua, Lua, LuaString, UserData, UserDataMethods, Value};

use crate::json::Raw;
use crate::peer::Role;
use crate::peer::Sent;
use crate::peer::{Authentication, Engine, Failure, RequestOptions};

use crate::wire::latin1;

use super::peer::PeerCore;

/// A request's id, `true` for a notification, or nil and a message.
type SentToLua = (Value, Option<String>);

/// `true`, or nil and a message.
type Done = (Option<bool>, Option<String>);

/// A path as Lua gave it; bytes that are no UTF-8 are taken as Latin-1, as in values.
struct Path(String);

impl FromLua for Path {
    fn from_lua(value: Value, lua: &Lua) -> mlua::Result<Path> {
        let bytes = LuaString::from_lua(value, lua)?;
        let path = latin1::from_bytes(&bytes.as_bytes()).into_owned();
        Ok(Path(path))
    }
}

/// A role by the word that `jet.element` has for it.
fn to_role(word: &str) -> Role {
    match word {
        "state" => Role::State,
        "method" => Role::Method,
        _ => Role::Raw,
    }
}

fn request(respond: bool, timeout: Option<f64>) -> RequestOptions {
    RequestOptions { respond, timeout, value_as_result: false }
}

fn to_lua(sent: Sent) -> SentToLua {
    match sent {
        Ok(Some(id)) => (Value::Integer(id.into()), None),
        Ok(None) => (Value::Boolean(true), None),
        Err(failure) => (Value::Nil, Some(failure.to_string())),
    }
}

fn done(result: Result<(), Failure>) -> Done {
    match result {
        Ok(()) => (Some(true), None),
        Err(failure) => (None, Some(failure.to_string())),
    }
}

impl PeerCore {
    /// Runs something on the engine with the value that was staged under that number, if any.
    fn with<T>(&self, staged: Option<u64>, f: impl FnOnce(&mut Engine, Option<Raw>) -> T) -> T {
        let mut engine = self.engine.borrow_mut();
        let Some(serial) = staged else {
            return f(&mut engine, None);
        };
        let mut f = Some(f);
        let used = self.bridge.with_staged(serial, |value, latin1| {
            if latin1 {
                self.note_latin1();
            }
            f.take().map(|f| f(&mut engine, Some(value)))
        });
        match (used.flatten(), f) {
            (Some(result), _) => result,
            (None, Some(f)) => f(&mut engine, None),
            (None, None) => unreachable!("f is taken only to give a result"),
        }
    }
}

impl UserData for PeerCore {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        add_connection_methods(methods);
        add_request_methods(methods);
        add_fetch_methods(methods);
        add_element_methods(methods);
    }
}

fn add_connection_methods<M: UserDataMethods<PeerCore>>(methods: &mut M) {
    methods.add_method("dial", |_, core, ()| Ok(core.dial()));
    methods.add_method("target", |_, core, ()| Ok(core.target.clone()));
    methods.add_method("watch", |_, core, ()| Ok(core.watch()));
    methods.add_method("fork_notice", |_, core, ()| Ok(core.fork_notice()));
    methods.add_method("timer", |_, core, ()| Ok(core.timer()));
    methods.add_method("drive", |_, core, readable: bool| Ok(core.drive(readable)));
    methods.add_method("flush", |_, core, ()| Ok(core.flush()));
    methods.add_method("close", |_, core, ()| {
        core.close();
        Ok(())
    });
    methods.add_method("wait", |_, core, seconds: Option<f64>| {
        core.wait(seconds);
        Ok(())
    });
    methods.add_method("authentication", |_, core, ()| {
        let engine = core.engine.borrow();
        let (user, authentication) = engine.authentication().unzip();
        let authentication = authentication.flatten();
        let groups = match authentication {
            Some(Authentication::Accepted { groups }) => groups.clone(),
            _ => None,
        };
        Ok((user.map(str::to_owned), authentication.map(Authentication::name), groups))
    });
    methods.add_method("info", |_, core, ()| {
        let engine = core.engine.borrow();
        let encoding = engine.encoding().name();
        Ok((engine.daemon_kind().name(), engine.info().map(str::to_owned), engine.stand_ins(), encoding))
    });
}

fn add_request_methods<M: UserDataMethods<PeerCore>>(methods: &mut M) {
    methods.add_method("set", |_, core, args: (Path, Option<u64>, bool, Option<f64>, bool)| {
        let (path, staged, respond, timeout, value_as_result) = args;
        let options = RequestOptions { respond, timeout, value_as_result };
        Ok(to_lua(core.with(staged, |engine, value| engine.set(&path.0, value, options))))
    });
    methods.add_method("call", |_, core, args: (Path, Option<u64>, bool, Option<f64>)| {
        let (path, staged, respond, timeout) = args;
        let options = request(respond, timeout);
        let sent = core.with(staged, |engine, args| engine.call(&path.0, args.unwrap_or(Raw::NULL), options));
        Ok(to_lua(sent))
    });
    methods.add_method("request", |_, core, args: (String, Option<u64>, bool, Option<f64>)| {
        let (service, staged, respond, timeout) = args;
        let options = request(respond, timeout);
        let sent = core
            .with(staged, |engine, params| engine.request(&service, params.unwrap_or(Raw::NULL), options));
        Ok(to_lua(sent))
    });
}

fn add_fetch_methods<M: UserDataMethods<PeerCore>>(methods: &mut M) {
    // fetch(number|nil, expression, respond, timeout): number, id|true; or nil, message.
    methods.add_method("fetch", |lua, core, args: (Option<u32>, String, bool, Option<f64>)| {
        let (number, expression, respond, timeout) = args;
        let options = request(respond, timeout);
        let sent = core.engine.borrow_mut().fetch(number, Raw::trusted(&expression), options);
        Ok(match sent {
            Ok((number, Some(id))) => (Value::Integer(number.into()), Value::Integer(id.into())),
            Ok((number, None)) => (Value::Integer(number.into()), Value::Boolean(true)),
            Err(failure) => (Value::Nil, Value::String(lua.create_string(failure.to_string())?)),
        })
    });
    methods.add_method("unfetch", |_, core, args: (u32, bool, Option<f64>)| {
        let (number, respond, timeout) = args;
        Ok(to_lua(core.engine.borrow_mut().unfetch(number, request(respond, timeout))))
    });
    methods.add_method("settle", |_, core, ()| Ok(to_lua(core.engine.borrow_mut().settle())));
}

fn add_element_methods<M: UserDataMethods<PeerCore>>(methods: &mut M) {
    // add(path, value, respond, timeout, role, access): access is JSON text.
    type Add = (Path, Option<u64>, bool, Option<f64>, String, Option<String>);
    methods.add_method("add", |_, core, args: Add| {
        let (path, staged, respond, timeout, role, access) = args;
        let (options, role) = (request(respond, timeout), to_role(&role));
        let sent = core.with(staged, |engine, value| match (value, access) {
            (value, Some(access)) => {
                engine.add_with_access(&path.0, value, role, Raw::trusted(&access), options)
            }
            (None, None) if role == Role::State => engine.add_empty_state(&path.0, options),
            (value, None) => engine.add(&path.0, value, options),
        });
        Ok(to_lua(sent))
    });
    methods.add_method("remove", |_, core, (path, respond, timeout): (Path, bool, Option<f64>)| {
        let sent = core.engine.borrow_mut().remove(&path.0, request(respond, timeout));
        Ok(to_lua(sent))
    });
    methods.add_method("change", |_, core, (path, staged): (Path, Option<u64>)| {
        Ok(done(core.with(staged, |engine, value| engine.change(&path.0, value))))
    });
    methods.add_method("own", |_, core, (path, element, role): (Path, u32, String)| {
        core.engine.borrow_mut().own(&path.0, element, to_role(&role));
        Ok(())
    });
    methods.add_method("disown", |_, core, path: Path| {
        core.engine.borrow_mut().disown(&path.0);
        Ok(())
    });
    // accept(path, id, value, value_as_result, notify): answers a set and posts the new value. Why the one or the other
    // failed, if it did.
    type Accept = (Path, Option<String>, Option<u64>, bool, bool);
    methods.add_method("accept", |_, core, args: Accept| {
        let (path, id, staged, value_as_result, notify) = args;
        core.make_room();
        let (answered, posted) = core.with(staged, |engine, value| {
            let result = if value_as_result { value.unwrap_or(Raw::NULL) } else { Raw::TRUE };
            let answered = id.map_or(Ok(()), |id| engine.answer(&id, result));
            let posted = if notify { engine.change(&path.0, value) } else { Ok(()) };
            (answered, posted)
        });
        let text = |result: Result<(), Failure>| result.err().map(|failure| failure.to_string());
        Ok((text(answered), text(posted)))
    });
    methods.add_method("answer", |_, core, (id, staged): (String, Option<u64>)| {
        core.make_room();
        Ok(done(core.with(staged, |engine, result| engine.answer(&id, result.unwrap_or(Raw::TRUE)))))
    });
    methods.add_method("refuse", |_, core, (id, staged): (String, Option<u64>)| {
        core.make_room();
        Ok(done(core.with(staged, |engine, error| engine.refuse(&id, error.unwrap_or(Raw::NULL)))))
    });
}

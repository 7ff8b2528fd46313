//! An echo client on the peer's transports, for the Autobahn suite's server at the URL given as argument.

use std::time::Instant;

use jet::net::{Connection, Options, Status};

/// The size of the suite's largest message is 16 MiB.
const MAX_MESSAGE: usize = 32 << 20;

fn main() {
    let server = std::env::args().nth(1).expect("usage: autobahn_client ws://host:port");
    let mut count = String::new();
    converse(&server, "/getCaseCount", |connection| {
        let text = connection.messages().map(String::from_utf8_lossy);
        count.extend(text);
    });
    let count: u32 = count.parse().expect("a number of cases");
    for case in 1..=count {
        converse(&server, &format!("/runCase?case={case}&agent=jet"), echo);
    }
    converse(&server, "/updateReports?agent=jet", |_| {});
}

/// Runs one connection until the server ends it.
fn converse(server: &str, path: &str, mut handle: impl FnMut(&mut Connection)) {
    let mut options = Options::url(&format!("{server}{path}")).expect("a URL");
    options.max_message = MAX_MESSAGE;
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    loop {
        match connection.drive(Instant::now()) {
            Ok(Status::Open) => {
                let read = connection.read();
                handle(&mut connection);
                if read.is_err() {
                    break;
                }
            }
            Ok(Status::Dialling) => {}
            Err(error) => {
                eprintln!("{path}: {error}");
                break;
            }
        }
        connection.wait(connection.wants(), None).expect("poll");
    }
    connection.close();
}

fn echo(connection: &mut Connection) {
    let answers: Vec<(bool, Vec<u8>)> = connection
        .messages()
        .enumerate()
        .map(|(n, message)| (connection.is_binary(n), framed(message)))
        .collect();
    for (binary, mut answer) in answers {
        connection.set_binary(binary);
        // The next read reports that the server has closed the connection.
        let _ = connection.write(&mut answer);
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("within the limit");
    [&length.to_be_bytes(), message].concat()
}

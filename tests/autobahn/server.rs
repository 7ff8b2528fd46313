//! An echo server on the daemon's transports, for the Autobahn suite. Prints its port.

use jet::net::{Bound, ServeOptions, ServerConnection};
use tokio::task::LocalSet;

/// The size of the suite's largest message is 16 MiB.
const MAX_MESSAGE: usize = 32 << 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let bound = Bound::tcp(Some("127.0.0.1"), 0).expect("a free port");
        let bound =
            bound.speaking(ServeOptions { websocket: true, ..ServeOptions::default() }).expect("built in");
        println!("{}", bound.address().expect("TCP").port());
        let listener = bound.listen(MAX_MESSAGE).expect("listens");
        loop {
            let served = listener.accept(|line| eprintln!("{line}")).await.expect("accepts");
            tokio::task::spawn_local(echo(served));
        }
    });
}

async fn echo(mut served: ServerConnection) {
    let watcher = served.watcher();
    while watcher.ready(served.unsent() > 0).await.is_ok() {
        if served.flush().is_err() {
            return;
        }
        let read = served.read();
        let answers: Vec<(bool, Vec<u8>)> = served
            .messages()
            .enumerate()
            .map(|(n, message)| (served.is_binary(n), framed(message)))
            .collect();
        for (binary, mut answer) in answers {
            served.set_binary(binary);
            if served.write(&mut answer).is_err() {
                return;
            }
        }
        if read.is_err() {
            return served.close();
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("within the limit");
    [&length.to_be_bytes(), message].concat()
}

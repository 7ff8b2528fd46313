//! What scripted name servers need: reading questions, writing answers, and having a connection
//! ask them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use jet::net::{Options, ResolverFiles};

use super::transport::TempDir;

pub const A: u16 = 1;
pub const AAAA: u16 = 28;
pub const NO_ERROR: u8 = 0;
pub const SERVER_FAILURE: u8 = 2;
pub const NO_SUCH_NAME: u8 = 3;

/// Name and type that a message asks for.
pub fn question(query: &[u8]) -> (String, u16) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..end].to_vec()).expect("ASCII"));
        at = end;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]))
}

/// The reply to a question, with records of that type.
pub fn answer(query: &[u8], kind: u16, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2..4].copy_from_slice(&[0x81, 0x80 | code]);
    reply[7] = records.len() as u8;
    for data in records {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        reply.extend(data);
    }
    reply
}

/// A listener, options to find it under `host` and the directory of the files that say how.
pub fn setup(host: &str, hosts: &str, resolv_conf: &str) -> (TcpListener, Options, TempDir) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let files = TempDir::new();
    let resolver = ResolverFiles {
        hosts: files.file("hosts", hosts),
        resolv_conf: files.file("resolv.conf", resolv_conf),
        ..ResolverFiles::default()
    };
    let port = listener.local_addr().expect("bound").port();
    (listener, Options { resolver, ..Options::tcp(host, port) }, files)
}

/// The file that names these servers.
pub fn servers(addresses: &[SocketAddr]) -> String {
    let lines = addresses.iter().map(|at| format!("nameserver [{}]:{}\n", at.ip(), at.port()));
    lines.collect()
}

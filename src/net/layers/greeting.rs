//! What the other side speaks, by the first bytes that came from it: for errors that say which setting is wrong.

/// A protocol that is recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// A record of TLS.
    Tls,
    /// A request or a response of HTTP, which WebSockets begin with.
    Http,
    /// A length and a JSON text.
    Jet,
}

/// How HTTP begins.
const HTTP: [&[u8]; 8] = [b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"CONN", b"PRI ", b"HTTP"];

impl Spoken {
    /// Recognises the protocol by its first bytes, of which four are enough for TLS and HTTP.
    pub fn of(first: &[u8]) -> Option<Spoken> {
        match first {
            [0x14..=0x17, 3, 0..=4, ..] => Some(Spoken::Tls),
            [0, _, _, _, b'{' | b'[', ..] => Some(Spoken::Jet),
            [a, b, c, d, ..] if HTTP.contains(&&[*a, *b, *c, *d][..]) => Some(Spoken::Http),
            _ => None,
        }
    }
}

/// One end, and what is spoken there.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The peer's end; else the daemon's.
    pub is_client: bool,
    pub tls: bool,
    pub websocket: bool,
}

impl End {
    /// Returns the mistake if the other side speaks another protocol; `None` if that is unknown.
    pub fn mismatch(self, spoken: Spoken) -> Option<&'static str> {
        let End { is_client, tls, websocket } = self;
        Some(match (is_client, spoken) {
            (_, Spoken::Tls) if tls => return None,
            (true, Spoken::Jet | Spoken::Http) if tls => "the daemon does not speak TLS on this port",
            (true, Spoken::Tls) if websocket => "the daemon speaks TLS on this port: a wss:// url is needed",
            (true, Spoken::Tls) => "the daemon speaks TLS on this port: tls = true is needed",
            (true, Spoken::Http) if !websocket => {
                "the daemon speaks HTTP on this port: a ws:// url is needed"
            }
            (true, Spoken::Jet) if websocket => {
                "the daemon speaks no WebSocket on this port: ip and port are needed instead of a ws:// url"
            }
            (false, Spoken::Jet | Spoken::Http) if tls => {
                "the peer does not speak TLS, but this port is encrypted"
            }
            (false, Spoken::Tls) => "the peer speaks TLS, but this port is not encrypted",
            (false, Spoken::Http) if !websocket => {
                "the peer speaks HTTP, but this port is not for WebSockets, which have a port of their own"
            }
            (false, Spoken::Jet) if websocket => {
                "the peer speaks no WebSocket, but this port is for WebSockets"
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        assert_eq!(Spoken::of(&[0x16, 3, 1, 2]), Some(Spoken::Tls));
        assert_eq!(Spoken::of(&[0x15, 3, 3, 0]), Some(Spoken::Tls));
        assert_eq!(Spoken::of(b"GET / HTTP/1.1"), Some(Spoken::Http));
        assert_eq!(Spoken::of(b"HTTP/1.1 426"), Some(Spoken::Http));
        assert_eq!(Spoken::of(b"\0\0\0\x02{}"), Some(Spoken::Jet));
        for unknown in [&b""[..], b"GE", b"\0\0\0\x02", b"SSH-2.0", &[0x16, 9, 9, 9]] {
            assert_eq!(Spoken::of(unknown), None);
        }
    }
}

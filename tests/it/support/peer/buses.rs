//! A daemon and a peer that fetches from it, without sockets: our own daemon, or a model of a
//! foreign one.

use jet::daemon::{Bus, ClientKey, Config};

use super::foreign::{Family, Foreign, Step};
use super::{Peer, messages};

/// A peer on our own daemon.
pub struct OwnBus {
    bus: Bus,
    owner: ClientKey,
    client: ClientKey,
    pub peer: Peer,
}

impl OwnBus {
    pub fn new() -> OwnBus {
        let mut bus = Bus::new(Config::default());
        let (owner, client) = (bus.connect(), bus.connect());
        let mut own = OwnBus { bus, owner, client, peer: Peer::new() };
        own.peer.engine.connected(own.peer.now);
        assert_eq!(own.exchange(), ["ready"]);
        own
    }

    /// Passes messages between the peer and the daemon until there are none. Returns the events.
    pub fn exchange(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            for message in self.peer.said() {
                self.bus.receive(self.client, message.as_bytes(), self.peer.now);
            }
            let mut out = Vec::new();
            self.bus.take_unsent(self.client, &mut out);
            if out.is_empty() {
                return heard;
            }
            for message in messages(&out) {
                heard.extend(self.peer.hear(&message));
            }
        }
    }

    /// Adds, changes or removes an element, and returns the events.
    pub fn step(&mut self, step: &Step) -> Vec<String> {
        self.bus.receive(self.owner, step.message().as_bytes(), self.peer.now);
        self.exchange()
    }
}

/// A peer on a foreign daemon.
pub struct ForeignBus {
    daemon: Foreign,
    pub peer: Peer,
}

impl ForeignBus {
    pub fn new(family: Family) -> ForeignBus {
        let mut bus = ForeignBus { daemon: Foreign::new(family), peer: Peer::new() };
        bus.peer.engine.connected(bus.peer.now);
        assert_eq!(bus.exchange(Vec::new()), ["ready"]);
        bus
    }

    /// Passes messages between the peer and the daemon until there are none. Returns the events.
    pub fn exchange(&mut self, mut incoming: Vec<String>) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            for message in self.peer.said() {
                incoming.extend(self.daemon.hear(&message));
            }
            if incoming.is_empty() {
                return heard;
            }
            for message in std::mem::take(&mut incoming) {
                heard.extend(self.peer.hear(&message));
            }
        }
    }

    /// Adds, changes or removes an element, and returns the events.
    pub fn step(&mut self, step: &Step) -> Vec<String> {
        let messages = self.daemon.step(step);
        self.exchange(messages)
    }
}

//! Integration tests: each module drives the library through its public interface.
//!
//! They share one program, so nothing here may change or measure what belongs to the process: signal handlers,
//! limits, memory. Such tests are programs of their own, beside this directory.

mod support;

mod daemon_access;
#[cfg(feature = "tls")]
mod daemon_certificates;
mod daemon_dialects;
mod daemon_fetch;
#[cfg(feature = "cli")]
mod daemon_jetd;
#[cfg(feature = "cli")]
mod daemon_jetd_places;
mod daemon_limits;
mod daemon_log;
mod daemon_login;
mod daemon_model;
mod daemon_msgpack;
#[cfg(feature = "websocket")]
mod daemon_origin;
mod daemon_routing;
mod daemon_server;
mod daemon_services;
mod daemon_simple_fetch;
mod daemon_slices;
mod daemon_unix;
mod json_against_serde;
mod msgpack;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod net_close_notify;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod net_daemon;
mod net_lookup;
mod net_tcp;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod net_tls;
#[cfg(feature = "tls")]
mod net_trust;
mod net_unix;
#[cfg(feature = "websocket")]
mod net_websocket;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod net_wire;
mod peer_access;
mod peer_against_node_jet;
mod peer_cjet_limits;
mod peer_differential;
mod peer_engine;
mod peer_errors;
mod peer_fetch;
mod peer_limits;
mod peer_login;
mod peer_msgpack;
mod peer_plan;
mod peer_replay_cjet;
mod peer_replay_lua;
mod peer_replay_nj12;
mod peer_replay_nj3;
mod peer_replay_simple;
mod peer_requests;
mod rules_expression;
mod rules_lua_patterns;
mod rules_sorted_view;
mod users_file;
mod users_hash;
#[cfg(feature = "cli")]
mod users_jetd;

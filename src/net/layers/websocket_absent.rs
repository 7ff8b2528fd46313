//! Stands in for `web` in a build without it: nothing of this can be made.
#![allow(unused_variables, clippy::ptr_arg)]

use std::ops::Range;

use super::super::error::Error;
use super::super::options::WebSocketOptions;
use super::{UpgradeGuard, absent};

#[derive(Debug)]
pub enum Web {}

impl Web {
    pub fn client(options: &WebSocketOptions, host: &str, max_message: usize) -> Result<Web, Error> {
        Err(absent("WebSocket"))
    }

    pub fn server(max_message: usize) -> Result<Web, Error> {
        Err(absent("WebSocket"))
    }

    pub fn release(&mut self) {
        match *self {}
    }

    pub fn guard(&mut self, guard: UpgradeGuard) {
        match *self {}
    }

    pub fn take_notice(&mut self) -> Option<String> {
        match *self {}
    }

    pub fn fill<R>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        match *self {}
    }

    pub fn opening(&self) -> Option<&[u8]> {
        match *self {}
    }

    pub fn cut(&mut self, messages: &mut Vec<Range<usize>>) -> Result<(), Error> {
        match *self {}
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        match *self {}
    }

    pub fn is_binary(&self, message: usize) -> bool {
        match *self {}
    }

    pub fn set_binary(&mut self, binary: bool) {
        match *self {}
    }

    pub fn is_open(&self) -> bool {
        match *self {}
    }

    pub fn is_inside_message(&self) -> bool {
        match *self {}
    }

    pub fn output(&mut self) -> &mut Vec<u8> {
        match *self {}
    }

    pub fn send(&mut self, frames: &[u8]) {
        match *self {}
    }

    pub fn ping(&mut self) {
        match *self {}
    }

    pub fn close(&mut self) {
        match *self {}
    }
}

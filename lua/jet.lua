--- `require 'jet'`: the peer, the daemon, and functions for JSON values.

require 'jet.built_for'
local core = require 'jet.core'
local peer = require 'jet.peer'

---@class jet
---@field peer jet.peer.module
---@field daemon table
---@field new fun(config?: jet.Config): jet.Peer same as `jet.peer.new`
---@field null lightuserdata JSON null; the same value as `cjson.null`
---@field array fun(t?: table): table marks a table as a JSON array, also when it is empty
---@field encode fun(value: any): string|nil, string|nil returns a value as JSON text, or nil and the reason
---@field decode fun(text: string): any, string|nil returns the value of JSON text, or nil and the reason
return {
  peer = peer,
  daemon = require 'jet.daemon',
  new = peer.new,
  null = core.null,
  array = core.array,
  encode = core.encode,
  decode = core.decode,
}

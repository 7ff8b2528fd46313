--- The Jet bus: `require 'jet'` gives the peer and the daemon, and what both need for values.

require 'jet.built_for'
local core = require 'jet.core'
local peer = require 'jet.peer'

---@class jet
---@field peer jet.peer.module
---@field daemon table
---@field new fun(config?: jet.Config): jet.Peer same as `jet.peer.new`
---@field null lightuserdata JSON null; the same value as `cjson.null`
---@field array fun(t?: table): table marks a table as a JSON array, also when it is empty
---@field encode fun(value: any): string|nil, string|nil a value as JSON text, or nil and why not
---@field decode fun(text: string): any, string|nil the value of JSON text, or nil and why not
return {
  peer = peer,
  daemon = require 'jet.daemon',
  new = peer.new,
  null = core.null,
  array = core.array,
  encode = core.encode,
  decode = core.decode,
}

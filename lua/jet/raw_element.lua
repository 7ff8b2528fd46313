--- Raw elements, which `peer:add` makes: the program receives each request as a whole message.

local replies = require 'jet.replies'
local Element = require 'jet.element'

---@class jet.RawElement: jet.Element
---@field _dispatch fun(peer: jet.Peer, message: table, reply: fun(response: table))
local RawElement = Element.extend('raw')

--- Makes an element and adds it to the daemon.
---@param driver jet.Driver
---@param desc table `path`, optional `value` and `access`
---@param dispatch function
---@param callbacks? jet.Callbacks
---@return jet.RawElement
function RawElement.new(driver, desc, dispatch, callbacks)
  local self = Element.create(RawElement, driver, desc, { _dispatch = dispatch })
  self:_assert_not_added()
  self:_add(desc.value, callbacks)
  return self
end

--- Handles a request for the element.
---@param id string|nil
---@param message table the whole message
function RawElement:request(id, message)
  local driver = self._driver
  replies.run(driver, self._path, 'the dispatcher', function(response)
    if response.error then
      replies.refuse(driver, id, response.error)
    else
      replies.result(driver, id, response.result == nil and {} or response.result, 'result')
    end
  end, function(reply)
    return pcall(self._dispatch, driver.peer, message, reply)
  end)
end

return RawElement

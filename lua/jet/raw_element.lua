--- Elements of `peer:add`: the program gets each request as it came.

local replies = require 'jet.replies'
local Element = require 'jet.element'
local errors = require 'jet.errors'

---@class jet.RawElement: jet.Element
---@field _dispatch fun(peer: jet.Peer, message: table, reply: fun(response: table))
local RawElement = Element.extend('raw')

--- Makes an element and adds it to the daemon.
---@param driver jet.Driver
---@param desc table `path`, optional `value` and `access`
---@param dispatch function
---@param callbacks? jet.Callbacks
---@param depth integer functions of ours between here and the program's code
---@return jet.RawElement
function RawElement.new(driver, desc, dispatch, callbacks, depth)
  local self = Element.create(RawElement, driver, desc, { _dispatch = dispatch })
  self:_assert_not_added(depth + 1)
  self:_add(desc.value, callbacks, depth + 1)
  return self
end

--- A request for the element.
---@param id string|nil
---@param message table the whole message
function RawElement:request(id, message)
  local driver = self._driver
  local done = false
  local reply = replies.replier(driver, self._path, function(response)
    done = true
    if response.error then
      replies.refuse(driver, id, response.error)
    else
      replies.result(driver, id, response.result == nil and {} or response.result, 'result')
    end
  end)
  local ok, raised = pcall(self._dispatch, driver.peer, message, reply)
  if ok then
    return
  end
  if done then
    driver:note(("the dispatcher of '%s' raised after its reply: %s"):format(self._path, errors.describe(raised)))
  else
    reply({ error = replies.to_error(raised) })
  end
end

return RawElement

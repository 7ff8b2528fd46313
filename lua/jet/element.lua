--- The base class of states, methods and raw elements: adding and removing.
--
-- An element is registered under its path as soon as its add is sent, so that it gets every request. It is added from
-- the daemon's response on, or from the call on if the program gave no callbacks.

local access = require 'jet.access'
local check = require 'jet.check'

---@class jet.Element
---@field _driver jet.Driver
---@field _path string
---@field _key integer
---@field _role string 'state', 'method' or 'raw'
---@field _desc table the description that the program gave
---@field _access string|nil its access, as JSON
local Element = {}
Element.__index = Element

--- Returns a class for a kind of element.
---@param role string
---@return table
function Element.extend(role)
  local class = setmetatable({ _role = role }, Element)
  class.__index = class
  return class
end

--- Returns an element that is not added yet.
---@param class table from `extend`
---@param driver jet.Driver
---@param desc table `path` and optional `access`
---@param fields table the fields of the kind of element
---@return table
function Element.create(class, driver, desc, fields)
  local json = access.encode(desc.access, class._role == 'raw' and 'add' or class._role)
  driver.last_key = driver.last_key + 1
  local self = setmetatable(fields, class)
  self._driver, self._path, self._key = driver, desc.path, driver.last_key
  self._access = json
  self._desc = desc
  return self
end

--- Adds the element again after it was removed.
---@param value? any nil keeps the value that it had
---@param callbacks? jet.Callbacks
function Element:add(value, callbacks)
  check.self(self, 'add')
  callbacks = check.callbacks(callbacks, 'add')
  self:_assert_not_added()
  if value == nil then
    value = self._desc.value
  end
  self:_add(value, callbacks)
  if self._role == 'state' then
    -- Programs read the value of a state in their description.
    self._desc.value = value
  end
end

--- Returns the path of the element.
---@return string
function Element:path()
  check.self(self, 'path')
  return self._path
end

--- Returns whether this peer has an element under the path.
---@return boolean
function Element:is_added()
  check.self(self, 'is_added')
  local owner = self._driver.owned[self._path]
  return owner ~= nil and owner._added == true
end

--- Makes this element handle the requests for its path.
---@param self jet.Element
local function register(self)
  local driver = self._driver
  driver.owned[self._path] = self
  driver.elements[self._key] = self
  driver.engine:own(self._path, self._key, self._role)
end

--- Undoes `register`, unless another element has been registered for the path since.
---@param self jet.Element
local function unregister(self)
  local driver = self._driver
  self._added = false
  -- The response to an add that is still open has no effect any more.
  self._round = self._round + 1
  driver.elements[self._key] = nil
  if driver.owned[self._path] == self then
    driver.owned[self._path] = nil
    driver.engine:disown(self._path)
  end
end

--- Sends the add, with a value if there is one.
---@param value any
---@param callbacks jet.Callbacks|nil
function Element:_add(value, callbacks)
  local driver = self._driver
  local round = (self._round or 0) + 1
  self._round = round
  local function answered(ok, result)
    if self._round ~= round then
      return ok or nil
    elseif ok then
      if driver.owned[self._path] == nil then
        register(self)
      end
      self._added = driver.owned[self._path] == self or nil
      return true
    end
    unregister(self)
    driver.requests:report_refusal(callbacks, 'adding', self._path, result)
  end
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'adding', self._path)
  end
  local staged, id, message
  if value ~= nil then
    staged, message = driver:stage(value, 'value')
  end
  if not message then
    local timeout = driver:timeout_of(callbacks, 'add', self._path)
    id, message = driver.engine:add(self._path, staged, true, timeout, self._role, self._access)
  end
  if not id then
    check.fail(message)
  end
  if driver.owned[self._path] == nil then
    register(self)
  end
  self._added = callbacks == nil
  driver:sent(id, callbacks, answered)
end

--- Removes the element from the daemon. With callbacks it handles requests until the daemon responds; without them it
-- stops at once.
---@param callbacks? jet.Callbacks
function Element:remove(callbacks)
  check.self(self, 'remove')
  callbacks = check.callbacks(callbacks, 'remove')
  if not self:is_added() then
    check.fail(("'%s' is not added"):format(self._path))
  end
  self:_remove(callbacks)
end

--- Sends the remove.
---@param callbacks jet.Callbacks|nil
function Element:_remove(callbacks)
  local driver = self._driver
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'removing', self._path)
  end
  local owner = driver.owned[self._path]
  -- Always a request: the response may be a refusal, which is reported.
  local id, message = driver.engine:remove(self._path, true, driver:timeout_of(callbacks, 'remove', self._path))
  if not id then
    check.fail(message)
  end
  if owner and not callbacks then
    unregister(owner)
  end
  local round = callbacks and owner and owner._round
  driver:sent(id, callbacks, function(ok, result)
    if not ok then
      driver.requests:report_refusal(callbacks, 'removing', self._path, result)
      return nil
    end
    if round and owner._round == round then
      unregister(owner)
    end
    return true
  end)
end

--- Raises if the element is added already.
function Element:_assert_not_added()
  if self:is_added() then
    check.fail(("path already added: '%s'"):format(self._path))
  end
end

return Element

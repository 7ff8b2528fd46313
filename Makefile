# Builds, tests and installs: `make LUA=lua5.4` makes build/lua5.4/, ready for LUA_PATH and LUA_CPATH.
#
#   make                  build for the newest Lua found
#   make LUA=luajit       build for this interpreter: lua5.1 lua5.2 lua5.3 lua5.4 luajit, or a path to one
#   make TRANSPORTS=      a smaller module: TCP and Unix sockets only (default: websocket,tls)
#   make PROFILE=dev      a quick build with debug checks instead of a release
#   eval "$(make -s env LUA=lua5.4)"     lets the interpreter of this shell find the build
#   make jetd             build/bin/jetd, the daemon as a program
#   make install LUADIR=… LIBDIR=… BINDIR=…    copies the build to these directories, as luarocks does
#   make demo             shows a live top-ten table, drawn from several processes
#   make test             runs all tests; TESTS='luacheck specs' selects stages by their names
#   make test-all         the same, with longer runs of random tests
#   make interop          tests our peer and daemon with other implementations
#   make bench            measures beside other implementations
#   make clean            removes everything that was built
#
# demo, test, interop and bench install what they need and do not find.
# No Lua headers and no Lua library are needed: the module takes Lua's functions from its host.

LUA     ?= $(firstword $(foreach l,lua5.4 lua5.3 lua5.2 lua5.1 luajit lua,$(if $(shell command -v $(l)),$(l))))
PROFILE ?= release
CARGO   ?= cargo
TRANSPORTS ?= websocket,tls

# Which Lua is it? The usual names say so; any other interpreter is asked.
NAME := $(notdir $(LUA))
KNOWN := lua5.1=lua51 lua5.2=lua52 lua5.3=lua53 lua5.4=lua54 luajit=lua51
FEATURE := $(patsubst $(NAME)=%,%,$(filter $(NAME)=%,$(KNOWN)))
ifeq ($(FEATURE),)
FEATURE := $(if $(LUA),$(shell $(LUA) -e 'print("lua" .. _VERSION:match("%d.%d"):gsub("%.", ""))' 2>/dev/null | cut -f1))
endif

# Where builds for interpreters and programs go.
BUILD_DIR ?= build
BUILD  := $(BUILD_DIR)/$(NAME)
# A directory for each feature, so that switching the Lua does not build everything again.
TARGET_DIR ?= target/$(FEATURE)
OUT    := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: build env jetd install clean

build: check-lua
	@echo "$(BUILD): $(PROFILE) build with feature $(FEATURE)"
	@$(CARGO) build --lib --profile $(PROFILE) --no-default-features \
		--features $(FEATURE),$(TRANSPORTS) --target-dir $(TARGET_DIR)
	@mkdir -p $(BUILD)/jet
	@if [ -d lua ]; then cp -R lua/. $(BUILD)/; fi
	@cmp -s $(OUT)/libjet.so $(BUILD)/jet/core.so || { \
		echo "$(BUILD)/jet/core.so: new"; \
		cp $(OUT)/libjet.so $(BUILD)/jet/core.so.new && mv -f $(BUILD)/jet/core.so.new $(BUILD)/jet/core.so; }

.PHONY: check-lua
check-lua:
	@case "$(FEATURE)" in lua51|lua52|lua53|lua54) ;; \
		*) echo "LUA=$(LUA): no Lua 5.1, 5.2, 5.3, 5.4 or LuaJIT found there" >&2; exit 1;; esac

env:
	@echo "export JET_LUA='$(LUA)'"
	@echo "export LUA_PATH='$(if $(filter /%,$(BUILD)),$(BUILD),$(CURDIR)/$(BUILD))/?.lua;;'"
	@echo "export LUA_CPATH='$(if $(filter /%,$(BUILD)),$(BUILD),$(CURDIR)/$(BUILD))/?.so;;'"

jetd:
	@echo "$(BUILD_DIR)/bin/jetd: $(PROFILE) build"
	@$(CARGO) build --bin jetd --profile $(PROFILE) --no-default-features --features cli,$(TRANSPORTS) --target-dir target
	@mkdir -p $(BUILD_DIR)/bin
	@cp target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/jetd $(BUILD_DIR)/bin/jetd.new && mv -f $(BUILD_DIR)/bin/jetd.new $(BUILD_DIR)/bin/jetd

# Nothing is built here: luarocks has asked for that before.
install: check-lua
	@test -n "$(LUADIR)" -a -n "$(LIBDIR)" -a -n "$(BINDIR)" || { echo "usage: make install LUADIR=… LIBDIR=… BINDIR=…" >&2; exit 1; }
	@mkdir -p "$(LUADIR)" "$(LIBDIR)/jet" "$(BINDIR)"
	@cp -R lua/. "$(LUADIR)/"
	@cp $(BUILD)/jet/core.so "$(LIBDIR)/jet/core.so"
	@cp $(BUILD_DIR)/bin/jetd bin/jetd.lua "$(BINDIR)/"

clean:
	rm -rf build target

.PHONY: demo test test-all interop bench luarocks-test
demo:
	@scripts/setup demo
	@examples/demo/run

test:
	@scripts/test $(TESTS)

test-all:
	@scripts/test --all $(TESTS)

interop:
	@scripts/setup test
	@$(MAKE) --no-print-directory build jetd
	@tests/interop/run

bench:
	@scripts/setup bench
	@bench/run

luarocks-test:
	@scripts/test luarocks

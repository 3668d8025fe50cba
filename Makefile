# greenshim: one non-recursive makefile; sources are found by wildcard, headers by -MMD.
#
#   make                 build/libgreenshim.so, build/libgreen.a, build/greenrun, build/greenaudit,
#                        build/greendump, build/greenshim-report (installs nothing)
#   make demo            an unmodified threaded server, natively and under greenrun
#   make test            every test and lint; installs missing Debian packages first
#   make suites          test suites of other projects under greenshim, the long ones too
#   make bench           measurements against NPTL, epoll and libuv (QUICK=1: fewer rounds)
#   make lint            formatting, static analysis, layers, both compilers
#   make install         PREFIX=/usr/local, DESTDIR= ; make uninstall reverses it
#   make man             the manual; all of it is part of make where doxygen is installed
#   make setup-build     only install what a build needs; also setup-demo, setup-test, setup-bench,
#                        setup-man
#
#   V=1 shows whole commands;  ONLY="unit lint" limits make test to these sections
#   BUILD=debug|asan|ubsan|aarch64   a separate tree below build/;   CC=gcc|clang
#
# Each fragment tests/X/X.mk adds rules and a goal X-programs that builds everything it knows.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh
# Commands are shown as one short line each; V=1 shows them whole.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@)

.PHONY: all
all:

# ---------------------------------------------------------------- configuration

VERSION := 0.1.0
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BINDIR  ?= $(PREFIX)/bin
INCDIR  ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
GDBDIR  ?= $(PREFIX)/share/gdb/auto-load
BUILD   ?=
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif

# gcc's own guess about uninitialised variables is wrong in instrumented code.
QUIET := $(if $(findstring clang,$(CC)),,-Wno-maybe-uninitialized)

ifeq ($(BUILD),)
B := build
OPT := -O2
else ifeq ($(BUILD),debug)
OPT := -Og -DGR_DEBUG=1
else ifeq ($(BUILD),asan)
OPT := -O1 -DGR_DEBUG=1 -fsanitize=address $(QUIET)
else ifeq ($(BUILD),ubsan)
OPT := -O1 -DGR_DEBUG=1 -fsanitize=undefined -fno-sanitize-recover=all $(QUIET)
else ifeq ($(BUILD),aarch64)
override CC := aarch64-linux-gnu-gcc
OPT := -O2
# Libraries for the target: packages unpacked below build/, nothing is installed.
SYSROOT := build/sysroot-aarch64
SYSROOT_LDFLAGS := -L$(SYSROOT)/usr/lib/aarch64-linux-gnu \
                   -Wl,-rpath-link,$(SYSROOT)/lib/aarch64-linux-gnu
UV_CFLAGS := -isystem $(SYSROOT)/usr/include -isystem $(SYSROOT)/usr/include/aarch64-linux-gnu
UV_LIBS := $(SYSROOT_LDFLAGS) -luv
else
$(error BUILD=$(BUILD) is not one of debug, asan, ubsan, aarch64)
endif
B ?= build/$(BUILD)
PKG_CONFIG ?= pkg-config
SYSROOT_STAMP := $(if $(SYSROOT),$(SYSROOT)/complete)

# The target machine decides which assembly file is built. Empty while the compiler is not installed
# yet: the set-up goals below start make again after installing it.
ARCH  := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
OTHER := $(filter-out $(ARCH),x86_64 aarch64)

# ---------------------------------------------------------------- flags

WARN := -Wall -Wextra -Werror
# initial-exec: no call to __tls_get_addr on any path. No fortify: we define the fortified names.
BASE := -std=gnu11 -D_GNU_SOURCE -Iinclude -I. $(OPT) -g $(WARN) -U_FORTIFY_SOURCE -fno-lto \
        -fno-omit-frame-pointer -fasynchronous-unwind-tables -fexceptions
LIB_CFLAGS := $(BASE) -fPIC -fvisibility=hidden -ftls-model=initial-exec -pthread
# Asked once, when first needed: the set-up goals work before pkg-config is there.
UV_CFLAGS ?= $(eval UV_CFLAGS := $(shell $(PKG_CONFIG) --cflags libuv))$(UV_CFLAGS)
UV_LIBS   ?= $(eval UV_LIBS := $(shell $(PKG_CONFIG) --libs libuv))$(UV_LIBS)
# libffi becomes part of the library: loaded into every program, as a library of its own it would
# get between programs and a libffi that they bring along.
LIBS      = $(UV_LIBS) -l:libffi_pic.a -pthread -ldl
# -z defs and --no-undefined-version: a row of symbols.def without a body fails the link by name.
SO_LDFLAGS := -shared -Wl,-soname,libgreenshim.so -Wl,-z,defs -Wl,-z,now -Wl,-z,initfirst \
              -Wl,-z,noexecstack -Wl,-z,nodelete -Wl,--no-undefined-version -Wl,--build-id
# clang links the ASan runtime into programs only; a shared object needs the shared runtime.
ifneq ($(findstring clang,$(CC)),)
SO_LDFLAGS += $(if $(filter asan ubsan,$(BUILD)),-shared-libsan)
endif

# ---------------------------------------------------------------- sources

mine = $(filter-out $(foreach o,$(OTHER),%/$o.c %_$o.c),$(wildcard $(1)/*.c)) \
       $(wildcard $(1)/$(ARCH).S $(1)/*_$(ARCH).S)
RUNTIME_SRC := $(foreach d,$(wildcard runtime/*/),$(call mine,$(d:/=)))
SHIM_SRC    := $(call mine,shim)
TOOL_SRC    := $(wildcard tools/*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
HEADERS     := $(wildcard include/green/*.h)
MAN1        := $(wildcard tools/*.1)

obj = $(addprefix $(B)/obj/,$(addsuffix .o,$(basename $(1))))
RUNTIME_OBJ := $(call obj,$(RUNTIME_SRC))
BASE_OBJ    := $(filter $(B)/obj/runtime/base/%,$(RUNTIME_OBJ))
SHIM_OBJ    := $(call obj,$(SHIM_SRC))
TOOL_OBJ    := $(call obj,$(TOOL_SRC) $(foreach d,$(wildcard tools/*/),$(call mine,$(d:/=))))
TOOLS       := $(patsubst tools/%.c,$(B)/%,$(TOOL_SRC))
UNIT_TESTS  := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))

# ---------------------------------------------------------------- the library

all: $(B)/libgreenshim.so $(B)/libgreen.a $(B)/libgreenshim.pc $(TOOLS)

# Files that change only when the text they hold does: flags (every object depends on them) and the
# lists of sources, so that a removed source is noticed.
stamp = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@
$(B)/obj/flags: force
	$(call stamp,$(CC) $(LIB_CFLAGS) $(SO_LDFLAGS))
$(B)/obj/tool-flags: force
	$(call stamp,$(VERSION) $(PREFIX) $(LIBDIR) $(INCDIR))
$(B)/obj/sources: force
	$(call stamp,$(RUNTIME_SRC) $(SHIM_SRC))
.PHONY: force
force:

# What a build needs of other packages: a line of its own for each that is missing.
NEEDED := uv.h=libuv1-dev ffi.h=libffi-dev gelf.h=libelf-dev elfutils/libdwfl.h=libdw-dev \
          jansson.h=libjansson-dev \
          $(if $(filter x86_64,$(ARCH)),capstone/capstone.h=libcapstone-dev)
$(B)/obj/headers: Makefile | $(SYSROOT_STAMP)
	@mkdir -p $(@D); missing=; for i in $(NEEDED); do \
	    echo "#include <$${i%=*}>" | $(CC) $(UV_CFLAGS) -E -x c - >/dev/null 2>&1 || { missing=1; \
	    echo "make: <$${i%=*}> is missing: install $${i#*=}, or all by make setup-build" >&2; }; \
	done; [ -z "$$missing" ] && touch $@

$(B)/obj/%.o: %.c $(B)/obj/flags | $(SYSROOT_STAMP) $(B)/obj/headers
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(LIB_CFLAGS) $(DEFS) $(UV_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.S $(B)/obj/flags
	@mkdir -p $(@D)
	$(call say,AS)
	$(Q)$(CC) $(LIB_CFLAGS) -MMD -MP -c -o $@ $<

# Runtime without the shim: for unit tests and programs that want only the API.
$(B)/libgreen.a: $(RUNTIME_OBJ) $(B)/obj/sources
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $(RUNTIME_OBJ)

# The table shim/symbols.def says what is exported; the preprocessor turns it into linker input.
expand = $(CC) -E -P -x c -std=c11 -I. $(1) | tr ';' '\n' | sed -n '$(2)'
$(B)/exports.map: shim/exports.map.in shim/symbols.def $(B)/obj/flags
	@{ echo '{ global:'; $(call expand,$<,s/^ *\([A-Za-z_][A-Za-z0-9_*]*\) *$$/    \1;/p); \
	   echo 'local:'; echo '    *;'; echo '};'; } >$@

$(B)/aliases.ld: shim/aliases.ld.in shim/symbols.def $(B)/obj/flags
	@$(call expand,$<,s/^ *\([A-Za-z_0-9]*\) *= *\([A-Za-z_0-9]*\) *$$/\1 = \2;/p) >$@

$(B)/libgreenshim.so: $(RUNTIME_OBJ) $(SHIM_OBJ) $(B)/exports.map $(B)/aliases.ld \
                      $(B)/obj/sources
	$(call say,LD)
	$(Q)$(CC) $(OPT) -fno-lto $(SO_LDFLAGS) -Wl,--version-script=$(B)/exports.map -o $@ \
	    $(RUNTIME_OBJ) $(SHIM_OBJ) $(B)/aliases.ld $(LIBS)

pc = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCDIR@|$(INCDIR)|' \
         -e 's|@VERSION@|$(VERSION)|' tools/greenshim.pc.in
$(B)/libgreenshim.pc: tools/greenshim.pc.in $(B)/obj/tool-flags
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(pc) >$@

ifneq ($(SYSROOT),)
$(SYSROOT_STAMP): tools/sysroot.sh
	tools/sysroot.sh arm64 $(@D)
endif

.PHONY: objects
objects: $(RUNTIME_OBJ) $(SHIM_OBJ)

# ---------------------------------------------------------------- manual pages

MAN7 := $(patsubst tools/%.in,$(B)/man/man7/%,$(wildcard tools/*.7.in))

all: $(if $(BUILD),,$(MAN7))
$(MAN7): $(B)/man/man7/%: tools/%.in tools/man7.awk $(wildcard tests/examples/*.c*)
	@mkdir -p $(@D)
	$(call say,MAN)
	$(Q)LC_ALL=C awk -f tools/man7.awk $< >$@

# From the comments of the headers, where doxygen is installed; DOXYGEN= goes without.
DOXYGEN := $(firstword $(wildcard $(addsuffix /doxygen,$(subst :, ,$(PATH)))))
MAN3    := $(if $(BUILD),,$(if $(DOXYGEN),$(B)/man/man3/made))

all: $(MAN3)
$(B)/man/man3/made: tools/man3.py $(HEADERS)
	$(call say,MAN)
	$(Q)/usr/bin/python3 tools/man3.py $(@D)
	@touch $@

# ---------------------------------------------------------------- tools

# tools/NAME.c and the files of tools/NAME/ make build/NAME; runtime/base/ gives the settings,
# TOOL_USES_NAME is what it shares with the library besides.
TOOL_USES_greenrun := runtime/api/signature.c
TOOL_LIBS_greenrun := -lelf -l:libffi_pic.a
TOOL_LIBS_greenshim-report := -ldw -lelf
TOOL_USES_greendump := $(wildcard tools/greenshim-report/*.c)
TOOL_LIBS_greendump := -ldw -lelf
TOOL_USES_greenaudit := tools/greenrun/target.c shim/futex_code.c
TOOL_LIBS_greenaudit := -ljansson -lelf $(if $(filter x86_64,$(ARCH)),-lcapstone)
$(B)/obj/tools/%.o: DEFS = -DGR_VERSION='"$(VERSION)"' -DGR_LIBDIR='"$(LIBDIR)"' \
                           -DGR_MULTIARCH='"$(ARCH)-linux-gnu"'
$(TOOL_OBJ): $(B)/obj/tool-flags

define tool
$(B)/$(1): $(call obj,tools/$(1).c $(call mine,tools/$(1)) $(TOOL_USES_$(1))) $(BASE_OBJ)
	$$(call say,LD)
	$$(Q)$$(CC) $$(OPT) -o $$@ $$^ $$(SYSROOT_LDFLAGS) $$(TOOL_LIBS_$(1))
endef
$(foreach t,$(notdir $(TOOLS)),$(eval $(call tool,$t)))

# ---------------------------------------------------------------- unit tests

# Linked with the static runtime and never preloaded. Tests may include private headers.
UNIT_CFLAGS := $(BASE) -ftls-model=initial-exec -pthread
ifeq ($(BUILD),aarch64)
UNIT_CFLAGS += -Itools/cross
UNIT_LIBS :=
else
UNIT_LIBS := -lcriterion
endif
$(UNIT_TESTS): $(B)/tests/unit/%: tests/unit/%.c $(B)/libgreen.a $(B)/obj/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(UNIT_CFLAGS) $(UV_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/libgreen.a $(UNIT_LIBS) \
	    $(LIBS)

.PHONY: unit unit-programs
unit-programs: $(UNIT_TESTS)
unit: unit-programs
	tools/unit.sh unit $(B)/tests/unit

# ---------------------------------------------------------------- fragments

FRAGMENTS := $(wildcard tests/*/*.mk)
include $(FRAGMENTS)

.PHONY: programs
programs: $(addsuffix -programs,$(notdir $(basename $(FRAGMENTS))))

# ---------------------------------------------------------------- goals

# These install missing packages first and then start make again, which sees the new compiler.
.PHONY: setup-build setup-demo setup-test setup-bench setup-man demo test suites bench lint man
setup-build setup-demo setup-test setup-bench setup-man: setup-%:
	@tools/setup.sh $*

man: setup-man
	@$(MAKE) --no-print-directory $(B)/man/man3/made $(MAN7)

demo: setup-demo
	@$(MAKE) --no-print-directory all bench-programs
	@/usr/bin/python3 tests/demo/demo.py

bench: setup-bench
	@$(MAKE) --no-print-directory all bench-programs
	@QUICK=$(QUICK) /usr/bin/python3 tests/bench/run.py

test: setup-test
	@tools/test.sh $(ONLY)

suites: setup-test
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 tests/suites/run.py --full

lint: setup-test
	@tools/lint.sh

# ---------------------------------------------------------------- installation

D = $(DESTDIR)
.PHONY: install uninstall clean
install: all
	install -d $(D)$(LIBDIR)/pkgconfig $(D)$(BINDIR) $(D)$(INCDIR)/green
	install -d $(addprefix $(D)$(MANDIR)/,man1 man7 $(if $(MAN3),man3))
	install -m 755 $(B)/libgreenshim.so $(D)$(LIBDIR)/
	install -m 755 $(TOOLS) $(D)$(BINDIR)/
	install -m 644 $(HEADERS) $(D)$(INCDIR)/green/
	install -m 644 $(MAN1) $(D)$(MANDIR)/man1/
	$(if $(MAN3),install -m 644 $(B)/man/man3/*.3 $(D)$(MANDIR)/man3/)
	install -m 644 $(MAN7) $(D)$(MANDIR)/man7/
	install -m 644 $(B)/libgreenshim.pc $(D)$(LIBDIR)/pkgconfig/greenshim.pc
	install -D -m 644 tools/greenshim-gdb.py $(D)$(GDBDIR)$(LIBDIR)/libgreenshim.so-gdb.py

uninstall:
	rm -f $(D)$(LIBDIR)/libgreenshim.so $(D)$(LIBDIR)/pkgconfig/greenshim.pc
	rm -f $(D)$(GDBDIR)$(LIBDIR)/libgreenshim.so-gdb.py
	rm -f $(addprefix $(D)$(BINDIR)/,$(notdir $(TOOLS)))
	rm -f $(addprefix $(D)$(INCDIR)/green/,$(notdir $(HEADERS)))
	rm -f $(addprefix $(D)$(MANDIR)/man1/,$(notdir $(MAN1)))
	rm -f $(addprefix $(D)$(MANDIR)/man7/,$(notdir $(MAN7)))
	rm -f $(patsubst include/green/%,$(D)$(MANDIR)/man3/green_%.3,$(HEADERS))
	grep -ohE '(green|GREEN)_[A-Za-z0-9_]+' $(HEADERS) | sed 's|.*|$(D)$(MANDIR)/man3/&.3|' | \
	    xargs rm -f
	-rmdir $(D)$(INCDIR)/green 2>/dev/null || true

clean:
	rm -rf build

-include $(patsubst %.o,%.d,$(RUNTIME_OBJ) $(SHIM_OBJ) $(TOOL_OBJ)) $(addsuffix .d,$(UNIT_TESTS))

# Conformance programs: plain threaded programs, built without any reference to greenshim.
#
# tests/conformance/DIR/NAME.c or .cc   a program         -> $(B)/tests/conformance/DIR/NAME
# tests/conformance/DIR/lib_NAME.c      a shared library  -> $(B)/tests/conformance/DIR/lib_NAME.so
#
# A line "/* BUILD: flags */" in a source is added to its command, after the source. Libraries of
# the same directory are found at run time through $ORIGIN.

B ?= build

conf_src := $(wildcard tests/conformance/*/*.c tests/conformance/*/*.cc)
conf_lib_src := $(foreach f,$(conf_src),$(if $(filter lib_%,$(notdir $f)),$f))
conf_prog_src := $(filter-out $(conf_lib_src),$(conf_src))
conf_libs := $(patsubst %.c,$(B)/%.so,$(conf_lib_src))
conf_progs := $(patsubst %,$(B)/%,$(basename $(conf_prog_src)))

CONF_FLAGS := -O2 -g -Wall -Wextra -Werror -Wno-restrict -Wno-infinite-recursion \
              -Wno-unknown-warning-option -Wno-unused-value -D_GNU_SOURCE -pthread -Itests/lib
conf_extra = $$(sed -n 's,^/\* BUILD: \(.*\) \*/$$,\1,p' $<)
conf_objs := $(B)/tests/lib/testlib.o $(B)/tests/lib/nameserver.o
conf_link = $(conf_objs) $(conf_extra) -L$(@D) -Wl,-rpath,'$$ORIGIN'

conf_needs := $(conf_objs) tests/lib/testlib.h tests/lib/nameserver.h

.PHONY: conformance-programs
conformance-programs: $(conf_progs) $(conf_libs)

$(conf_objs): $(B)/%.o: %.c tests/lib/testlib.h tests/lib/nameserver.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(CONF_FLAGS) -c -o $@ $<

$(conf_libs): $(B)/%.so: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(CONF_FLAGS) -fPIC -shared -o $@ $< $(conf_extra)

$(B)/tests/conformance/%: tests/conformance/%.c $(conf_needs) | $(conf_libs)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(CONF_FLAGS) -o $@ $< $(conf_link)

$(B)/tests/conformance/%: tests/conformance/%.cc $(conf_needs) | $(conf_libs)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) -std=gnu++20 $(CONF_FLAGS) -o $@ $< $(conf_link)

# Programs that use <green/...>, linked with the library as a user would.

example_progs := $(patsubst %.c,$(B)/%,$(wildcard tests/examples/*.c)) \
                 $(patsubst %.cc,$(B)/%,$(wildcard tests/examples/*.cc))
example_flags = -O2 -g -Wall -Wextra -Werror -Iinclude -o $@ $< \
                -L$(B) -lgreenshim $(EXAMPLE_LIBS) -Wl,-rpath,'$$ORIGIN/../..'
$(B)/tests/examples/crawler: EXAMPLE_LIBS := -lcurl

.PHONY: examples-programs
examples-programs: $(example_progs)
	@:

$(B)/tests/examples/%: tests/examples/%.c $(HEADERS) $(B)/libgreenshim.so
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(example_flags)

$(B)/tests/examples/%: tests/examples/%.cc $(HEADERS) $(B)/libgreenshim.so
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) -std=c++17 -Wpedantic $(example_flags)

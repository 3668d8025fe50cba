# Programs that use <green/...>, linked with the library as a user would.

example_progs := $(patsubst %.c,$(B)/%,$(wildcard tests/examples/*.c))

.PHONY: examples-programs
examples-programs: $(example_progs)
	@:

$(B)/tests/examples/%: tests/examples/%.c $(HEADERS) $(B)/libgreenshim.so
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Iinclude -o $@ $< \
	    -L$(B) -lgreenshim -pthread -Wl,-rpath,'$$ORIGIN/../..'

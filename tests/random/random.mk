# One program, which makes and runs a plan from a seed.

# Calls that are to be cancelled or interrupted have no result to look at.
RANDOM_FLAGS := $(CONF_FLAGS) -Wno-unused-result
random_src := $(wildcard tests/random/*.c)
random_obj := $(random_src:%.c=$(B)/%.o)

.PHONY: random-programs
random-programs: $(B)/tests/random/plan

$(random_obj): $(B)/%.o: %.c $(wildcard tests/random/*.h) tests/lib/testlib.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 $(RANDOM_FLAGS) -c -o $@ $<

$(B)/tests/random/plan: $(random_obj) $(conf_objs)
	$(call say,LD)
	$(Q)$(CC) -pthread -o $@ $^ -lm

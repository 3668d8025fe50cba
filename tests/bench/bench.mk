# Benchmark servers, client and micro-benchmarks, and the demo's server: plain programs, compiled
# without any reference to the library, but for greenlets, which uses its interface. One level of
# optimisation for all, whatever BUILD says.

BENCH_DIR    := $(B)/tests/bench
BENCH_CFLAGS := -std=gnu11 -O2 -g $(WARN) -pthread
BENCH_PROGS  := $(addprefix $(BENCH_DIR)/,threadserver epoll_echo uv_echo echo_client spawn_join \
                switch idle greenlets)

.PHONY: bench-programs
bench-programs: $(BENCH_PROGS)
	@:

$(BENCH_DIR)/%.o: tests/bench/%.c tests/bench/bench.mk
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BENCH_CFLAGS) $(UV_CFLAGS) -MMD -MP -c -o $@ $<

$(BENCH_DIR)/threadserver.o: tests/apps/threadserver/threadserver.c tests/bench/bench.mk
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

bench_objs = $(addprefix $(BENCH_DIR)/,$(addsuffix .o,$(1)))
$(BENCH_DIR)/threadserver: $(call bench_objs,threadserver)
$(BENCH_DIR)/epoll_echo: $(call bench_objs,epoll_echo benchlib)
$(BENCH_DIR)/uv_echo: $(call bench_objs,uv_echo benchlib)
$(BENCH_DIR)/uv_echo: BENCH_LIBS := $(UV_LIBS)
$(BENCH_DIR)/echo_client: $(call bench_objs,echo_client http_answer benchlib)
$(BENCH_DIR)/spawn_join: $(call bench_objs,spawn_join benchlib)
$(BENCH_DIR)/switch: $(call bench_objs,switch benchlib)
$(BENCH_DIR)/idle: $(call bench_objs,idle benchlib)
$(BENCH_DIR)/greenlets.o: BENCH_CFLAGS += -Iinclude
$(BENCH_DIR)/greenlets: $(call bench_objs,greenlets benchlib) $(B)/libgreenshim.so
$(BENCH_DIR)/greenlets: BENCH_LIBS := -L$(B) -lgreenshim -Wl,-rpath,'$$ORIGIN/../..'

$(BENCH_PROGS):
	$(call say,LD)
	$(Q)$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.o,$^) $(BENCH_LIBS)

-include $(wildcard $(BENCH_DIR)/*.d)

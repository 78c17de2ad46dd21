# bench/: programs of the suite, and how they are run.  bench/README.md says what for.
BENCHES := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c bench/scaling/*.c))

# What is measured beside Chasqui, and what measures and draws; see docs/dependencies.md.
PACKAGES_BENCH := redis-server nats-server beanstalkd rabbitmq-server nginx-light postgresql gnuplot-nox valgrind

$(BUILD)/bench/%: $(OBJ)/bench/%.o $(LIBS_TEST)
	$(link_test)

.PHONY: bench bench-quick bench-programs scaling
bench-programs: $(PROGRAMS) $(BENCHES)
tests: $(BENCHES)

# bench/README.md says what these are.
PEER_FLAGS := $(if $(ROUNDS),-r $(ROUNDS)) $(if $(SECONDS),-s $(SECONDS)) $(if $(POINTS),-p $(POINTS)) \
	$(if $(BACKLOG),-b $(BACKLOG)) $(if $(QUEUES),-d $(QUEUES)) $(if $(UNPINNED),-u)

bench: bench-programs ## Chasqui beside other brokers; writes docs/performance.md and its plots
	@sh bench/install $(PACKAGES_BENCH)
	@BUILD=$(BUILD) bench/peers $(PEER_FLAGS) $(PEERS)
	@BUILD=$(BUILD) bench/record $(BUILD)/bench/raw $(or $(DOCUMENT),docs/performance.md) $(if $(DOCUMENT),$(dir $(DOCUMENT)),docs)

bench-quick: bench-programs ## two minutes: ratios to redis and the limits, instructions a message by role
	@BUILD=$(BUILD) ROUNDS=$(ROUNDS) bench/quick

# The other side of a role plays in between: the files say where.
$(BUILD)/bench/role_frontd: LINK += -Wl,--wrap=loop_turn
$(BUILD)/bench/role_persistd: LINK += -Wl,--wrap=disk_park

scaling: bench-programs ## where the time would go with 32 of each role: simulated from bench/scaling/measured
	@sh .ci/deps --install linux-perf gnuplot-nox
	@bench/scaling/run.sh

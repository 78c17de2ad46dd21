# bench/: programs of the suite, and how they are run.  bench/README.md says what for.
SOURCES_protocols := $(wildcard bench/protocols/*.c)
BENCHES := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
LIBRARY_protocols := $(BUILD)/libprotocols.a

# What is measured beside Chasqui, and what measures and draws; see docs/dependencies.md.
PACKAGES_BENCH := redis-server nats-server beanstalkd rabbitmq-server nginx-light postgresql gnuplot-nox valgrind

$(LIBRARY_protocols): $(call objects,$(SOURCES_protocols))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/bench/%: $(OBJ)/bench/%.o $(LIBRARY_protocols) $(LIBS_TEST)
	$(link_test)

.PHONY: bench bench-quick bench-programs
bench-programs: $(PROGRAMS) $(BENCHES)

# bench/README.md says what these are.
PEER_FLAGS := $(if $(ROUNDS),-r $(ROUNDS)) $(if $(SECONDS),-s $(SECONDS)) $(if $(POINTS),-p $(POINTS)) \
	$(if $(BACKLOG),-b $(BACKLOG)) $(if $(QUEUES),-d $(QUEUES)) $(if $(UNPINNED),-u)

bench: bench-programs ## Chasqui beside other brokers; writes docs/performance.md and its plots
	@sh bench/install $(PACKAGES_BENCH)
	@BUILD=$(BUILD) bench/peers $(PEER_FLAGS) $(PEERS)
	@BUILD=$(BUILD) bench/record $(BUILD)/bench/raw $(or $(DOCUMENT),docs/performance.md) $(if $(DOCUMENT),$(dir $(DOCUMENT)),docs)

bench-quick: bench-programs ## two minutes: ratios to redis and the limits, instructions a message by role
	@BUILD=$(BUILD) bench/quick

# Tests that stand between persistd and the disk (tests/harness/io_wrap.c): the release's libraries, other calls.
IO_WRAPPED := open openat mkdirat pread pwrite write fsync fstat fallocate renameat unlinkat disk_queue_commit \
	disk_queue_write disk_queue_read disk_queue_allocate disk_queue_sync disk_queue_rename disk_queue_unlink disk_reap announce_position
IO_LINK := $(addprefix -Wl$(comma)--wrap=,$(IO_WRAPPED))
FAULT_BIN := $(BUILD)/faults

IO_TESTS := fault_power fault_rot $(patsubst tests/unit/%.c,unit_%,$(shell grep -l persist_world.h tests/unit/*.c))

$(addprefix $(BUILD)/tests/,$(IO_TESTS)): LINK += $(IO_LINK)

# A broker whose persistd is such a one.
$(FAULT_BIN)/chasqui-persistd: $(OBJ)/persistd/main.o $(OBJ)/tests/harness/io_wrap.o $(OBJ)/tests/harness/io_log.o \
		$(call library,persistd) $(call library,conf) $(call library,shm)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) -o $@ $(LINK) $(IO_LINK) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_SYSTEM)

$(FAULT_BIN)/%: $(BIN)/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

tests: $(FAULT_BIN)/chasqui $(FAULT_BIN)/chasqui-frontd $(FAULT_BIN)/chasqui-hasher $(FAULT_BIN)/chasqui-workerd $(FAULT_BIN)/chasqui-persistd

# limits.c sets the wall clock of the broker's processes by it.
WALL_CLOCK := $(BUILD)/tests/wall_clock.so

$(WALL_CLOCK): tests/fault/preload/wall_clock.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

tests: $(WALL_CLOCK)

# Daemons that try from inside their sandbox what they must not be able to do (tests/fault/inside/probe.c).
INSIDE_BIN := $(BUILD)/inside
INSIDE_LINK := -Wl,--wrap=sandbox_enter,--wrap=io_uring_queue_init_params,--wrap=front_attach,--wrap=passwords_map_asks,--wrap=passwords_map_answers

# $(1): folder
define inside_rule
$(INSIDE_BIN)/chasqui-$(notdir $(1)): $(OBJ)/$(1)/main.o $(OBJ)/tests/fault/inside/probe.o $(OBJ)/tests/harness/attack.o \
		$(call library,$(1)) $(call library,conf) $(call library,shm)
	@mkdir -p $$(@D)
	@echo "  link  $$@"
	$$(Q)$$(CC) -o $$@ $$(LINK) $$(INSIDE_LINK) $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS_SYSTEM)
endef
$(foreach f,frontd frontd/hasher workerd persistd,$(eval $(call inside_rule,$(f))))

$(INSIDE_BIN)/chasqui: $(BIN)/chasqui
	@mkdir -p $(@D)
	$(Q)cp $< $@

tests: $(INSIDE_BIN)/chasqui $(INSIDE_BIN)/chasqui-frontd $(INSIDE_BIN)/chasqui-hasher $(INSIDE_BIN)/chasqui-workerd $(INSIDE_BIN)/chasqui-persistd

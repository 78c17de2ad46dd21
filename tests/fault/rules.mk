# limits.c sets the wall clock of the broker's processes by it.
WALL_CLOCK := $(BUILD)/tests/wall_clock.so

$(WALL_CLOCK): tests/fault/preload/wall_clock.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

tests: $(WALL_CLOCK)

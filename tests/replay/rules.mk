# Builds of the replay test, each with one fault in what writes or loads snapshots: mutants/NAME.sed names the file it changes.
# mutants.sh expects the test to fail in each.  The changed file stands before the libraries that hold the sound one.
REPLAY_MUTANTS := $(patsubst tests/replay/mutants/%.sed,%,$(wildcard tests/replay/mutants/*.sed))

tests: $(foreach m,$(REPLAY_MUTANTS),$(BUILD)/mutants/replay_$(m))

# $(1): mutant  $(2): the file it changes
define replay_mutant_rule
$(BUILD)/mutants/replay_$(1).c: tests/replay/mutants/$(1).sed $(2)
	@mkdir -p $$(@D)
	@sed -f $$^ > $$@
	@! cmp -s $(2) $$@ || { echo "mutant $(1) does not find what it changes in $(2)"; rm $$@; exit 1; }

$(BUILD)/mutants/replay_$(1).o: $(BUILD)/mutants/replay_$(1).c | $(DEPS_STAMP)
	$$(Q)$$(CC) $$(FLAGS) -g0 -c -o $$@ $$<

$(BUILD)/mutants/replay_$(1): $(OBJ)/tests/replay/replay.o $(BUILD)/mutants/replay_$(1).o $(LIBS_TEST)
	$$(link_test)

-include $(BUILD)/mutants/replay_$(1).d
endef
$(foreach m,$(REPLAY_MUTANTS),$(eval $(call replay_mutant_rule,$m,$(shell sed -n 's/^# file: //p' tests/replay/mutants/$m.sed))))

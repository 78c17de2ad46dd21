# The stepper is one program of several folders.
STEP_SOURCES := $(wildcard tests/step/core/*.c tests/step/scripts/*.c)
STEP_OBJECTS := $(call objects,$(STEP_SOURCES))
# core/engine.c says why.
STEP_LINK := -Wl,--wrap=front_attach,--wrap=front_detach

$(BUILD)/tests/step_stepper: $(STEP_OBJECTS)
$(BUILD)/tests/step_stepper: LINK += $(STEP_LINK)

# The mutants are the same program around an engine with one fault each.  mutants/NAME.sed names the file it changes; the
# changed copy comes first, among the includes or the sources.  The release code knows nothing of it.
MUTANTS := $(patsubst tests/step/mutants/%.sed,%,$(wildcard tests/step/mutants/*.sed))
MUTANT_PROGRAMS := $(if $(SAN),,$(patsubst %,$(BUILD)/mutants/%/stepper,$(MUTANTS)))
MUTANT_SOURCES := $(filter-out workerd/main.c,shm/txn.c $(wildcard shm/state/*.c) $(SOURCES_workerd))

tests: $(MUTANT_PROGRAMS)

# $(1): mutant  $(2): the file it changes  $(3): flags
define mutant_rule
$(BUILD)/mutants/$(1)/$(2): tests/step/mutants/$(1).sed $(2)
	@mkdir -p $$(@D)
	@sed -f $$^ > $$@
	@! cmp -s $(2) $$@ || { echo "mutant $(1) does not find what it changes in $(2)"; rm $$@; exit 1; }

$(BUILD)/mutants/$(1)/%.o: %.c $(BUILD)/mutants/$(1)/$(2) | $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -I$(BUILD)/mutants/$(1) $$(FLAGS) -g0 $(3) -c -o $$@ $$(if $$(filter $(2),$$<),$(BUILD)/mutants/$(1)/$(2),$$<)

$(BUILD)/mutants/$(1)/stepper: $(patsubst %.c,$(BUILD)/mutants/$(1)/%.o,$(if $(filter %.c,$(2)),$(2),$(MUTANT_SOURCES))) \
		$(OBJ)/tests/step/stepper.o $(STEP_OBJECTS) $(LIBS_TEST)
	$$(link_test)
$(BUILD)/mutants/$(1)/stepper: LINK += $(STEP_LINK)

-include $$(wildcard $(BUILD)/mutants/$(1)/*/*.d $(BUILD)/mutants/$(1)/*/*/*.d)
endef
mutant_says = $(shell sed -n 's/^\# $(2): //p' tests/step/mutants/$(1).sed)
$(foreach m,$(MUTANTS),$(eval $(call mutant_rule,$(m),$(call mutant_says,$(m),file),$(call mutant_says,$(m),flags))))

# The stepper is one program of several folders: an engine (workerd and the state of a shard), and what steps and judges it.
STEP_SOURCES := $(filter-out tests/step/core/built.c,\
	$(wildcard tests/step/core/*.c tests/step/matrix/*.c tests/step/scripts/*.c))
STEP_OBJECTS := $(OBJ)/tests/step/stepper.o $(call objects,$(STEP_SOURCES))
ENGINE_SOURCES := tests/step/core/built.c persistd/announce.c shm/txn.c $(wildcard shm/state/*.c) $(filter-out workerd/main.c,$(SOURCES_workerd))
# Without frontd, which has functions of the same names as workerd.
STEP_LIBS := $(foreach f,workerd persistd conf shm,$(call library,$f))
# core/engine.c says why.
STEP_LINK := -Wl,--wrap=front_attach,--wrap=front_detach

$(OBJ)/tests/step/core/built.o: FLAGS += '-DBUILT_FLAGS="$(CFLAGS)"'
$(BUILD)/tests/step_stepper: $(STEP_OBJECTS) $(OBJ)/tests/step/core/built.o
$(BUILD)/tests/step_stepper: LINK += $(STEP_LINK)

# --- the same engine by other compilers ---

STEP_ENGINES := gcc-O2 gcc-O3 clang-O2
ENGINE_PROGRAMS := $(if $(SAN),,$(patsubst %,$(BUILD)/engines/%/stepper,$(STEP_ENGINES)))

# $(1): compiler-level  $(2): compiler  $(3): level
define engine_rule
$(BUILD)/engines/$(1)/%.o: %.c | $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(filter-out -O%,$$(FLAGS)) $(3) '-DBUILT_FLAGS="$(3)"' -c -o $$@ $$<

$(BUILD)/engines/$(1)/stepper: $(patsubst %.c,$(BUILD)/engines/$(1)/%.o,$(ENGINE_SOURCES)) $(STEP_OBJECTS) $(STEP_LIBS)
	$$(link_test)
$(BUILD)/engines/$(1)/stepper: LINK += $(STEP_LINK)

-include $$(wildcard $(BUILD)/engines/$(1)/*/*.d $(BUILD)/engines/$(1)/*/*/*.d)
endef
$(foreach e,$(STEP_ENGINES),$(eval $(call engine_rule,$(e),$(word 1,$(subst -, ,$(e))),-$(word 2,$(subst -, ,$(e))))))

# --- mutants ---

# The same program around an engine with one fault each.  mutants/NAME.sed names the file it changes; the changed copy comes
# first, among the includes or the sources.  The release code knows nothing of it.
MUTANTS := $(patsubst tests/step/mutants/%.sed,%,$(wildcard tests/step/mutants/*.sed))
MUTANT_PROGRAMS := $(if $(SAN),,$(patsubst %,$(BUILD)/mutants/%/stepper,$(MUTANTS)))

tests: $(ENGINE_PROGRAMS) $(MUTANT_PROGRAMS)

# $(1): mutant  $(2): the file it changes  $(3): flags
define mutant_rule
$(BUILD)/mutants/$(1)/$(2): tests/step/mutants/$(1).sed $(2)
	@mkdir -p $$(@D)
	@sed -f $$^ > $$@
	@! cmp -s $(2) $$@ || { echo "mutant $(1) does not find what it changes in $(2)"; rm $$@; exit 1; }

$(BUILD)/mutants/$(1)/%.o: %.c $(BUILD)/mutants/$(1)/$(2) | $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -I$(BUILD)/mutants/$(1) $$(FLAGS) -g0 $(3) -c -o $$@ $$(if $$(filter $(2),$$<),$(BUILD)/mutants/$(1)/$(2),$$<)

$(BUILD)/mutants/$(1)/stepper: $(OBJ)/tests/step/core/built.o $(STEP_OBJECTS) $(STEP_LIBS) \
		$(patsubst %.c,$(BUILD)/mutants/$(1)/%.o,$(if $(filter %.c,$(2)),$(2),$(filter-out tests/%,$(ENGINE_SOURCES))))
	$$(link_test)
$(BUILD)/mutants/$(1)/stepper: LINK += $(STEP_LINK)

-include $$(wildcard $(BUILD)/mutants/$(1)/*/*.d $(BUILD)/mutants/$(1)/*/*/*.d)
endef
mutant_says = $(shell sed -n 's/^\# $(2): //p' tests/step/mutants/$(1).sed)
$(foreach m,$(MUTANTS),$(eval $(call mutant_rule,$(m),$(call mutant_says,$(m),file),$(call mutant_says,$(m),flags))))

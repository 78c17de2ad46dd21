# api.c has a frontd's api and a worker in one program, and both have an answer.c: the worker becomes one object that keeps
# those names to itself.
FUZZ_WORKER := $(OBJ)/tests/fuzz/worker.o
FUZZ_WORKER_SOURCES := tests/harness/engine.c $(filter-out workerd/main.c,$(SOURCES_workerd))

$(FUZZ_WORKER): $(call objects,$(FUZZ_WORKER_SOURCES))
	@mkdir -p $(@D)
	$(Q)ld -r -o $@ $^ && objcopy -L answer_end -L answer_outcome $@

$(BUILD)/tests/fuzz_api $(BUILD)/fuzz/api: $(FUZZ_WORKER)
$(BUILD)/fuzz/api: LINK += $(FUZZ_WORKER)

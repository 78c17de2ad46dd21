# Our parser beside others: README.md says how.  They are large and only compared with, so only this target installs them.
DIFFERENTIAL := $(BUILD)/differential/differential
PACKAGES_DIFFERENTIAL := $(if $(shell command -v node),,nodejs) python3 python3-h11

$(DIFFERENTIAL): $(OBJ)/tests/differential/differential.o $(LIBS_TEST)
	$(link_test)

tests: $(DIFFERENTIAL)

.PHONY: differential
differential: $(DIFFERENTIAL) ## our HTTP parser beside node's and h11, a million inputs (COUNT, SEED)
	@sh .ci/deps --install $(PACKAGES_DIFFERENTIAL)
	@BUILD=$(BUILD) COUNT=$(or $(COUNT),1000000) SEED=$(SEED) tests/differential/run.sh

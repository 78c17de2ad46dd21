# Chasqui.  One Makefile, not recursive; a new .c file is found by its folder, nobody has to list it.
#
#   make [CC=gcc|clang] [SAN=address,undefined] [BUILD=directory] [V=1] [target]
#
# A folder without its main.c is a library, linked into the program and into the tests alike.  Every .c of tests/unit,
# tests/http and so on is a program of its own.  A test folder with special needs brings its own rules.mk.

ifeq ($(origin CC),default)
CC := gcc
endif
# As many compilers at once as there are processors, unless -j says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
SAN ?=
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60

comma := ,
Q := $(if $(V),,@)
VARIANT := $(if $(filter clang%,$(CC)),clang)$(if $(SAN),$(if $(filter clang%,$(CC)),-)san-$(subst $(comma),-,$(SAN)))
BUILD ?= $(if $(VARIANT),build/$(VARIANT),build)
BIN := $(BUILD)/bin
OBJ := $(BUILD)/obj

CFLAGS ?= -O2 -g
FLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(CFLAGS) -Wall -Wextra -Werror -pthread -MMD -MP \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DCHASQUI_SANITIZED) \
	$(if $(findstring thread,$(SAN)),$(if $(filter gcc%,$(CC)),-Wno-tsan)) # of fences it only says that it cannot see them
LINK := -pthread $(if $(SAN),-fsanitize=$(SAN)) -Wl,--as-needed $(LDFLAGS)
LIBS_SYSTEM := -luring -lseccomp -linih -lssl -lcrypto -lxxhash -ljansson -lcurl -lcrypt -lrt -lm
LIBS_CHECK := -lcheck -lsubunit -lrt -lm

# What Debian 12 needs; docs/dependencies.md says why each.
PACKAGES := gcc libc6-dev make liburing-dev libseccomp-dev libinih-dev libssl-dev libxxhash-dev libjansson-dev libcurl4-openssl-dev \
	libcrypt-dev check openssl clang libclang-rt-14-dev spin strace curl e2fsprogs mount bsdutils procps

FOLDERS := shm conf traffic frontd/hasher frontd workerd persistd cli
SOURCES_shm := $(wildcard shm/*.c shm/sandbox/*.c shm/state/*.c)
SOURCES_frontd := $(wildcard frontd/*.c $(addprefix frontd/,http/*.c people/*.c tls/*.c api/*.c api/people/*.c))
SOURCES_cli := $(wildcard cli/*.c cli/supervisor/*.c)
SOURCES_persistd := $(wildcard persistd/*.c persistd/backup/*.c)
$(foreach f,conf workerd frontd/hasher,$(eval SOURCES_$f := $(wildcard $f/*.c)))
SOURCES_traffic := $(wildcard cli/traffic/*.c)
SOURCES_harness := $(wildcard tests/harness/*.c)
SOURCES_protocols := $(wildcard bench/protocols/*.c)

PROGRAM_frontd := $(BIN)/chasqui-frontd
PROGRAM_workerd := $(BIN)/chasqui-workerd
PROGRAM_persistd := $(BIN)/chasqui-persistd
PROGRAM_frontd/hasher := $(BIN)/chasqui-hasher
PROGRAM_cli := $(BIN)/chasqui
PROGRAMS := $(foreach f,$(FOLDERS),$(if $(wildcard $f/main.c),$(PROGRAM_$f)))

objects = $(patsubst %.c,$(OBJ)/%.o,$(1))
# The library of a folder; nothing while the folder is empty.
library = $(if $(filter-out $(1)/main.c,$(SOURCES_$(1))),$(BUILD)/lib$(notdir $(1)).a)
LIBS_ALL := $(foreach f,$(FOLDERS),$(call library,$f))
LIBS_TEST := $(call library,harness) $(call library,protocols) $(LIBS_ALL)

TEST_FOLDERS := unit replay http fault step storm
TESTS := $(foreach f,$(TEST_FOLDERS),$(patsubst tests/$f/%.c,$(BUILD)/tests/$f_%,$(wildcard tests/$f/*.c)))
FUZZ_NAMES := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_REPLAYS := $(addprefix $(BUILD)/tests/fuzz_,$(FUZZ_NAMES))

.PHONY: all run test tests soak fuzz fuzz-programs tidy deps install clean help
.SECONDARY:
.DELETE_ON_ERROR:

all: $(LIBS_ALL) $(PROGRAMS) ## build the broker into build/bin

# --- compiling and linking ---

# Packages are looked at once for each change of this file; they are installed only by the targets that promise to.
DEPS_STAMP := $(BUILD)/.deps
DEPS_INSTALL := $(if $(filter run test tests soak bench bench-quick scaling fuzz deps,$(MAKECMDGOALS)),--install)

$(DEPS_STAMP): Makefile .ci/deps
	@sh .ci/deps $(DEPS_INSTALL) $(PACKAGES)
	@mkdir -p $(@D) && touch $@

$(OBJ)/%.o: %.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(FLAGS) -c -o $@ $<

# $(1): folder
define library_rule
$(BUILD)/lib$(notdir $(1)).a: $(call objects,$(filter-out $(1)/main.c,$(SOURCES_$(1))))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS) harness protocols,$(eval $(call library_rule,$f)))

# $(1): folder
define program_rule
$(PROGRAM_$(1)): $(OBJ)/$(1)/main.o $(call library,$(1)) $(if $(filter cli,$(1)),$(call library,traffic)) \
		$(call library,conf) $(call library,shm)
	@mkdir -p $$(@D)
	@echo "  link  $$@"
	$(Q)$(CC) -o $$@ $(LINK) $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS_SYSTEM)
endef
$(foreach f,frontd/hasher frontd workerd persistd cli,$(eval $(call program_rule,$f)))

define link_test
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) -o $@ $(LINK) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LIBS_CHECK) $(LIBS_SYSTEM)
endef

# $(1): folder below tests/
define tests_rule
$(BUILD)/tests/$(1)_%: $(OBJ)/tests/$(1)/%.o $(LIBS_TEST)
	$$(link_test)
endef
$(foreach f,$(TEST_FOLDERS),$(eval $(call tests_rule,$f)))

# A fuzz target that runs every file of its corpus once: no libFuzzer needed, so gcc and `make test` can do it.
$(BUILD)/tests/fuzz_%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/driver/replay.o $(LIBS_TEST)
	$(link_test)

$(BUILD)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(LIBS_TEST)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) -o $@ $(LINK) -fsanitize=fuzzer $< -Wl,--start-group $(LIBS_TEST) -Wl,--end-group \
		$(LIBS_CHECK) $(LIBS_SYSTEM)

-include $(wildcard tests/*/rules.mk) bench/rules.mk
-include $(wildcard $(OBJ)/*/*.d $(OBJ)/*/*/*.d $(OBJ)/*/*/*/*.d)

# --- running ---

run: all ## start a broker on 127.0.0.1:4000, its data in ./data
	@sed -n '/^## First message/,/^## /{s/^    //p;/^$$/p;}' conf/README.md
	@exec $(BIN)/chasqui up -c conf/chasqui.ini -o data.directory=./data

tests: $(PROGRAMS) $(TESTS) $(FUZZ_REPLAYS) ## build all tests

test: tests ## build and run everything; the last line counts
	@BUILD=$(BUILD) CC=$(CC) SAN=$(SAN) tests/run $(ONLY)

soak: tests ## the same tests, long runs (SOAK_SECONDS each, default 600); ONLY=storm: that folder
	@BUILD=$(BUILD) CC=$(CC) SAN=$(SAN) CHASQUI_SOAK_SECONDS=$(or $(SOAK_SECONDS),600) tests/run $(ONLY)

fuzz: ## fuzz each target for FUZZ_SECONDS, starting from tests/fuzz/corpus
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined BUILD=$(BUILD)/fuzzing fuzz-programs
	@BUILD=$(BUILD)/fuzzing FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_NAMES)

fuzz-programs: $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES))

tidy: ## cheap checks of the sources: include arrows, sizes, a test for each operation
	@tests/run tidy

deps: ## install what is missing (apt, Debian 12)
	@sh .ci/deps --install $(PACKAGES)

SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)

install: all ## install below DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/chasqui $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/share/doc/chasqui $(DESTDIR)$(SYSCONFDIR)/chasqui
	install -m 644 conf/docker-seccomp.json $(DESTDIR)$(PREFIX)/share/doc/chasqui/
	install -m 755 $(PROGRAM_cli) $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(PROGRAM_frontd) $(PROGRAM_frontd/hasher) $(PROGRAM_workerd) $(PROGRAM_persistd) \
		$(DESTDIR)$(PREFIX)/lib/chasqui/
	test -e $(DESTDIR)$(SYSCONFDIR)/chasqui/chasqui.ini || \
		install -m 644 conf/chasqui.ini $(DESTDIR)$(SYSCONFDIR)/chasqui/
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' conf/chasqui.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/chasqui.service
	$(if $(DESTDIR),,conf/make-users)
	install -m 644 $(wildcard README.md docs/*.md docs/*.svg) $(DESTDIR)$(PREFIX)/share/doc/chasqui/

clean: ## remove what was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1\t/p' Makefile bench/rules.mk tests/differential/rules.mk | expand -t 14

#include "tests/step/core/built.h"

/* Compiled together with the engine; BUILT_FLAGS by rules.mk. */
#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifndef BUILT_FLAGS
#define BUILT_FLAGS "no flags known"
#endif

const char *const built_by = COMPILER " " BUILT_FLAGS;

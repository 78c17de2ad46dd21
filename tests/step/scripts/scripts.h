/* All scripts of scripts.def. */
#ifndef TESTS_STEP_SCRIPTS_H
#define TESTS_STEP_SCRIPTS_H

#include "tests/step/core/play.h"

#define X(name) extern const struct script name##_script;
#include "tests/step/scripts/scripts.def"
#undef X

#endif

/*
 * built: by what the engine in this program was compiled.
 */
#ifndef TESTS_STEP_BUILT_H
#define TESTS_STEP_BUILT_H

extern const char *const built_by;

#endif

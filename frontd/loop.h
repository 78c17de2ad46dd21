/*
 * loop: one turn of this process.
 */
#ifndef FRONTD_LOOP_H
#define FRONTD_LOOP_H

struct frontd;

/* Completions, replies, what became durable, deadlines, sends; then one entry into the kernel, which may sleep. */
void loop_turn(struct frontd *frontd);

#endif

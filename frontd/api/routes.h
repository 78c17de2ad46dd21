/*
 * routes: THE table of what can be called, and what is the same for every call.
 */
#ifndef FRONTD_API_ROUTES_H
#define FRONTD_API_ROUTES_H

#include "frontd/api/call.h"

/*
 * The head of a request is whole: find its route, and what it takes to come in.  call->request, target and world are set.
 * Sets call->memo, entry and methods; memo.route is NULL where there is none.
 */
void routes_resolve(struct api_call *call);

/*
 * Then, with call->principal: may he, and is the request one that can be taken?  All that can be checked without the body.
 * False: call->problem says why not.
 */
bool routes_admit(struct api_call *call);

/* Only the memo, of a request whose target cannot be read. */
void routes_begin(struct api_call *call);

/* The table itself, for the tests that try every row.  Row `index`, NULL behind the last. */
const struct api_route *routes_row(unsigned index);

/* OPTIONS is answered from the table alone. */
void routes_options(struct api_call *call, struct answer *answer);

#endif

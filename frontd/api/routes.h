/*
 * routes: THE table of what can be called, and what is the same for every call.
 */
#ifndef FRONTD_API_ROUTES_H
#define FRONTD_API_ROUTES_H

#include "frontd/api/call.h"

/*
 * The head of a request is whole: find its route and check what can be checked without the body.  False: call->problem says
 * why not.  call->request, target and world are set.  Sets call->memo.
 */
bool routes_admit(struct api_call *call);

/* OPTIONS is answered from the table alone. */
void routes_options(struct api_call *call, struct answer *answer);

#endif

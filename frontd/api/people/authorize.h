/*
 * authorize: may this principal make this call?  Decides by route and scopes alone; whose the queue is the worker knows.
 */
#ifndef FRONTD_API_AUTHORIZE_H
#define FRONTD_API_AUTHORIZE_H

#include "frontd/api/call.h"

/* call->memo.route and principal are set.  True: memo.caller and memo.credential are too.  False: call->problem. */
bool authorize(struct api_call *call);

#endif

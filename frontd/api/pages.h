/*
 * pages: what all lists have in common: ?limit=&cursor=&prefix=, and the Link to the next page.
 */
#ifndef FRONTD_API_PAGES_H
#define FRONTD_API_PAGES_H

#include "frontd/api/call.h"

#define PAGES_PARAMS " limit cursor prefix"

#define PAGE_LIMIT_MAX 1000

/* The query of a list whose places are below place_end; or a problem. */
bool pages_take(struct api_call *call, enum cursor_list list, uint64_t place_end, struct page *page);

/*
 * Link: <path?cursor=...&limit=...&prefix=...>; rel="next", to the page that begins at `place`.
 * `path` may bring a query of its own: "/v1/tokens?user=ana".  The answer's head is begun.
 */
void pages_put_next(struct answer *answer, const struct api_world *world, const char *path,
    const struct page *page, uint64_t place);

#endif

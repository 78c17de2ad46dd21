/*
 * people: users, their tokens and sessions, and who may do what with a queue.  What is asked about
 * them is answered from region `directory`; changes are made by shard 0, grants by the shard of
 * their queue.
 */
#ifndef FRONTD_API_PEOPLE_H
#define FRONTD_API_PEOPLE_H

#include "frontd/api/call.h"

/* users.c */
bool user_put_plan(struct api_call *call);
bool user_patch_plan(struct api_call *call);
uint32_t user_fill(struct api_call *call, void *frame);
enum api_answered user_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);
bool user_delete_plan(struct api_call *call);
uint32_t user_delete_fill(struct api_call *call, void *frame);

/* users_shown.c */
bool user_get_plan(struct api_call *call);
void user_get(struct api_call *call, struct answer *answer);
bool user_me_plan(struct api_call *call);
void user_me(struct api_call *call, struct answer *answer);
bool user_list_plan(struct api_call *call);
void user_list(struct api_call *call, struct answer *answer);

/* One user as JSON object; open: its end is still to be put. */
void user_put_json(struct answer *answer, const struct user_entry *user, bool is_open);

/*
 * The segment as user name: `me` is the one who asks, where it may be.  Into the memo, with shard
 * 0; or a problem.
 */
bool user_take_name(struct api_call *call, size_t position, bool may_be_me);

/* tokens.c: making tokens and sessions */
bool token_create_plan(struct api_call *call);
bool session_create_plan(struct api_call *call);
uint32_t token_create_fill(struct api_call *call, void *frame);
uint32_t session_create_fill(struct api_call *call, void *frame);
enum api_answered credential_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);

/* credentials.c: showing and ending tokens and sessions */
bool token_list_plan(struct api_call *call);
bool session_list_plan(struct api_call *call);
void token_list(struct api_call *call, struct answer *answer);
void session_list(struct api_call *call, struct answer *answer);
bool token_revoke_plan(struct api_call *call);
bool session_revoke_plan(struct api_call *call);
uint32_t credential_revoke_fill(struct api_call *call, void *frame);
bool session_revoke_all_plan(struct api_call *call);
uint32_t session_revoke_all_fill(struct api_call *call, void *frame);

/*
 * One token or session as JSON object; secret: ptr NULL, or what is shown this once.  current: the
 * id that asks; 0 none.
 */
void credential_put_json(struct answer *answer, const struct credential_entry *credential,
    const struct queue_name *user, struct http_slice secret, uint64_t current);

/* grants.c */
bool grant_put_plan(struct api_call *call);
bool grant_plan(struct api_call *call);
bool grant_list_plan(struct api_call *call);
uint32_t grant_fill(struct api_call *call, void *frame);
uint32_t grant_list_fill(struct api_call *call, void *frame);
enum api_answered grant_put_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);
enum api_answered grant_get_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);
enum api_answered grant_list_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);

/* ["publish","consume"] */
void rights_put(struct answer *answer, unsigned rights);

/* What is done and has nothing to show: 204. */
enum api_answered people_answer_done(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);

/* The user of this name; or a problem, or not now. */
bool people_find(struct api_call *call, struct http_slice name, struct user_entry *user);

/* The directory can be read now; or not now.  For plans of what only looks at it later. */
bool people_can_look(struct api_call *call);

/* The one who asks, by uid: the name may have been given to another meanwhile. */
bool people_find_self(struct api_call *call, struct user_entry *user);

/* Is this the one who asks? */
bool people_is_self(const struct api_call *call, struct http_slice name);

/* The name of a user, for answers; bytes 0 where it is gone, or cannot be seen now. */
enum directory_look people_name(const struct api_world *world, uint64_t uid,
    struct queue_name *name);

/* Its text with quotes, or null. */
void people_put_name(struct answer *answer, const struct queue_name *name);

#endif

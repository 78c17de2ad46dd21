#include "workerd/answer.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"

#define NOT_YET(name) \
	enum served name(struct worker *worker, const struct request *request) \
	{ return answer_refusal(worker, request, OUTCOME_NOT_SUPPORTED); }
NOT_YET(user_put_serve)
NOT_YET(user_patch_serve)
NOT_YET(user_delete_serve)
NOT_YET(credential_create_serve)
NOT_YET(credential_revoke_serve)
NOT_YET(credential_revoke_all_serve)
NOT_YET(credential_touch_serve)
NOT_YET(grant_put_serve)
NOT_YET(grant_delete_serve)
NOT_YET(grant_list_serve)

#define NO_APPLY(name) \
	void name(struct shard *shard, const struct record *record) \
	{ (void)shard; (void)record; assert(!"nobody writes these yet"); }
NO_APPLY(user_created_apply)
NO_APPLY(user_changed_apply)
NO_APPLY(user_deleted_apply)
NO_APPLY(credential_created_apply)
NO_APPLY(credential_touched_apply)
NO_APPLY(credentials_removed_apply)
NO_APPLY(grant_changed_apply)

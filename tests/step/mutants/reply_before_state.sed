# file: workerd/answer.c
# steps: publish
# A frontd is shown a reply before what it says is committed.
s/^	worker->answered = to.front;/	store_release(\&mine->reply.shared->tail, front->reply_tail);\
&/

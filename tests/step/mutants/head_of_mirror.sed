# file: workerd/fronts.c
# steps: publish
# A restarted worker goes on from what the frontd was shown, and executes a request twice.
/^front_bind/,/^}/s/mine->request.head = root->request_head;/mine->request.head = rings->pair->request.head;/

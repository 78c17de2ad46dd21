# file: workerd/credentials.c
# steps: first_admin
# Which of the supervisor's tokens was made last.
s/txn_set(&shard->txn, &shard->root->bootstrap_hash\[i\], words\[i\]);/shard->root->bootstrap_hash[i] = words[i];/

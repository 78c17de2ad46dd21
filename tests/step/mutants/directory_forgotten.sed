# file: workerd/recover.c
# steps: user_put
# A restarted worker does not bring the directory up to what its predecessor committed and did not live to show.
s/^\tpeople_changed_all(worker);.*//

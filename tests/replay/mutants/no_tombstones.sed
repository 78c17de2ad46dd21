# file: shm/state/images.c
# A free message is no tombstone.
s/^		\.flags = msg->flags,$/		.flags = 0,/

# file: shm/state/images_load.c
# What was leased or delayed has no timer.
s/^		wheel_arm(&shard->message_wheel, at, msg->timer.due_ms);/		(void)wheel_arm;/

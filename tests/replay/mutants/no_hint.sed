# file: shm/state/images_load.c
# Where the last message returned to is forgotten.
s/^		\.return_hint = image->return_hint,/		.return_hint = NIL,/

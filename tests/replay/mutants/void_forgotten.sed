# file: shm/state/images_load.c
# Which credentials were made void is forgotten.
s/^	\*user = (struct user){ \.entry = image->entry, \.link = { NIL, NIL }, \.is_used = 1 };/&\
	user->entry.void_to[0] = 0;/

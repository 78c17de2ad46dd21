# file: persistd/announce.c
# steps: announce
# The durable point is in use before it is whole.
/^	point->index = position->index;/i\
	store_relaxed(\&durable->point_now, other);\
	compiler_barrier();

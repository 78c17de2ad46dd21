# file: shm/txn.h
# flags: -O3 -DNDEBUG -w
# steps: extend publish nack front_death
# Plain stores, which the compiler may move, as if the header had been written without knowing about it.  Without assertions: their
# calls happen to hold the compiler back (measured: gcc 12, clang 14, -O2 and -O3 alike).
s/compiler_barrier();//
s/store_relaxed(\([^,]*\), \(.*\));/*(\1) = (\2);/

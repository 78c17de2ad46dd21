# file: shm/txn.h
# flags: -O3
# Plain stores, and the compiler may move them: as if the header had been written without knowing about it.
s/compiler_barrier();//
s/store_relaxed(\([^,]*\), \(.*\));/*(\1) = (\2);/

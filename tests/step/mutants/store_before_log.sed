# file: shm/txn.h
# steps: publish
# The word changes first, then its old value is logged.
/txn_log_word((txn), txn_p_/{
	s/.*/		uint64_t txn_old_ = (uint64_t)*txn_p_; \\/
	N
	s/$/\
		txn_log_word((txn), txn_p_, sizeof(*txn_p_), txn_old_); \\/
}

# file: shm/txn.h
# steps: publish
# Words are changed without being logged.
s/txn_log_word((txn), txn_p_.*;/(void)(txn);/

# file: workerd/load.c
# A purge that was under way does not go on.
s/^		if (!is_deleting \&\& /		if (!is_deleting || /

# file: workerd/fronts.c
# steps: publish
# A restarted worker does not show a frontd what its predecessor committed and did not live to show.
s/mine->has_\(requests\|replies\) = true;/mine->has_\1 = false;/

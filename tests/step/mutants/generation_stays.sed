# file: workerd/people_mirror.c
# steps: credential_revoke
# A restarted worker does not tell those who remember what they saw that they have to look again.
/^people_changed_all/,/^}/s/takes_away = true/takes_away = false/

# file: workerd/worker.c
# steps: user_delete
# A frontd is shown the answer to a change of people before the directory shows the change.
s/^\tpeople_mirror(worker);.*//
s/^\tmirror_gauges(worker);/\tpeople_mirror(worker);\n&/

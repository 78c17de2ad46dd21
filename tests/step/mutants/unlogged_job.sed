# file: workerd/job.c
# steps: purge front_death
# What a job is at.
s/txn_set(&shard->txn, &job->subject, subject);/job->subject = subject;/

/*
 * limits: every maximum, in one place, derived where it can be.  Sizes in bytes unless the name says otherwise.
 */
#ifndef SHM_LIMITS_H
#define SHM_LIMITS_H

/* Processes.  Slots are numbers in the registry, the statistics and the eventfds. */
#define FRONT_MAX 32
#define WORKER_MAX 32
#define SLOT_FRONT(i) ((uint32_t)(i))
#define SLOT_WORKER(w) ((uint32_t)(FRONT_MAX + (w)))
#define SLOT_PERSIST (FRONT_MAX + WORKER_MAX)
#define SLOT_SUPERVISOR (SLOT_PERSIST + 1)
#define SLOT_MAX (SLOT_SUPERVISOR + 1)

/* Descriptors that the supervisor leaves open in its children; cli/supervisor/descriptors.c says which of them who gets. */
#define CONF_FD 3       /* the configuration, for reading */
#define LISTEN_FD 4
#define RUN_LOCK_FD 5   /* holds the lock of the process's slot while it lives; nobody touches it */
#define HAND_FD 6       /* a socket through which regions are handed over (shm/handed.h) */
#define DATA_LOCK_FD 7  /* workerd: DIR/lock, to lock its byte */
#define DATA_DIR_FD 8   /* persistd: DIR */
#define AUDIT_FD 9      /* frontd: the audit log, if there is one */
#define AUDIT_CONTROL_FD 10 /* frontd: a socket through which a new one comes (cli/supervisor/audit_file) */
#define TLS_LISTEN_FD 11 /* frontd: the listener of tls.listen */
#define TLS_SECRETS_FD 12 /* frontd: tls_secrets.h */
#define PASSWORD_ASKS_FD 13    /* frontd: passwords.h, for writing; hasher: for reading */
#define PASSWORD_ANSWERS_FD 14 /* the same the other way round */
#define PASSWORD_EVENT_FD 15   /* wakes the hasher */
#define EVENT_FD(slot) (100 + (int)(slot))

/* Names of queues and users (API.md). */
#define NAME_MAX_BYTES 80
#define INSTANCE_MAX_BYTES 32

/* People. */
#define PASSWORD_BYTES_MAX 256            /* in clear */
#define PASSWORD_HASH_BYTES_MAX 128       /* crypt(3): yescrypt takes 73, and CRYPT_OUTPUT_SIZE is 384 only for rare methods */
#define CREATES_BYTES_MAX 512             /* patterns of names that a user may create */
#define SCOPES_BYTES_MAX 512              /* of a credential */
#define QUEUE_GRANTS_MAX 1000             /* of one queue: they are listed in one reply and freed in one transaction */

/* Messages. */
#define BODY_BYTES_MAX (1u << 20)         /* hard maximum of one body */
#define ATTRIBUTES_BYTES_MAX (16u << 10)  /* encoded attributes of one message; a request head has no more */
#define PUBLISH_BATCH_MAX 1000
#define RECEIVE_BATCH_MAX 100
#define SETTLE_BATCH_MAX 1000
#define RECEIVE_BODY_BYTES_MAX (4u << 20) /* receive stops early beyond it (API.md) */
#define WAIT_MS_MAX 60000
#define LEASE_MS_MAX (12ull * 3600 * 1000)
#define DELAY_MS_MAX (3653ull * 24 * 3600 * 1000) /* ten years */

/*
 * A request frame: a batch of PUBLISH_BATCH_MAX messages with 4 MiB of attributes and bodies between them.  A single
 * message of BODY_BYTES_MAX with full attributes is far smaller.
 */
#define FRAME_PAYLOAD_BYTES_MAX (4u << 20)
#define FRAME_BYTES_MAX (FRAME_PAYLOAD_BYTES_MAX + PUBLISH_BATCH_MAX * 64u + 4096u)
/* Records of the largest transaction: the payload, and a record header with padding for each message. */
#define TXN_RECORD_BYTES_MAX (FRAME_PAYLOAD_BYTES_MAX + PUBLISH_BATCH_MAX * 96u + 4096u)

/* A reply frame: RECEIVE_BATCH_MAX leased messages, SETTLE_BATCH_MAX outcomes or one page of the queue list. */
#define REPLY_BYTES_MAX (64u << 10)
#define QUEUE_LIST_PAGE_MAX 100
#define QUEUE_LIST_SCAN_MAX 1024 /* slots looked at in one request, so that a list never stalls a shard */

/* One body on the way back from the journal: header, attributes and body of one record. */
#define FETCH_BYTES_MAX (BODY_BYTES_MAX + ATTRIBUTES_BYTES_MAX + 4096u)

/*
 * The undo log holds the words of one transaction.  The largest are a batch publish and a batch settle; no operation logs
 * more than UNDO_WORDS_PER_MESSAGE words for each message and UNDO_WORDS_FIXED besides (txn_set asserts it, the stepper
 * runs the largest).
 */
#define UNDO_WORDS_PER_MESSAGE 40
#define UNDO_WORDS_FIXED 256
#define UNDO_MAX (PUBLISH_BATCH_MAX * UNDO_WORDS_PER_MESSAGE + UNDO_WORDS_FIXED)

/* Journal batches. */
#define BATCH_BYTES_TARGET (512u << 10)
#define BATCH_BYTES_MAX (TXN_RECORD_BYTES_MAX + 8192u)

#define CACHE_LINE_PAIR 128 /* neighbours are fetched in pairs, so cursors of two writers stand this far apart */

#endif

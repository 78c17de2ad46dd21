#ifndef TESTS_HARNESS_IO_LOG_H
#define TESTS_HARNESS_IO_LOG_H

/*
 * io_log: one file, mapped by the test and by each persistd that io_wrap.c is linked into.  The test writes the plan into it
 * (which I/O call fails, and how); persistd counts its calls in it and, where asked to, writes down each of them with its
 * bytes: what power.h rebuilds a data directory from, as a power cut at any point may leave it.
 *
 * One process at a time appends, and the test only reads; a record is whole before `tail` passes it, so that SIGKILL of
 * the writer costs at most the last one.  The file is sparse.
 */

#include <stdbool.h>
#include <stdint.h>

#include "persistd/disk.h"

enum io_op {
	IO_NONE,
	IO_EXISTS,      /* was there, on stable storage, when the recording began: `length` zeros; IO_WRITEs with result 1 follow */
	IO_CREATE,      /* name in dir is `file` from now on */
	IO_MKDIR,
	IO_RENAME,      /* name -> to, in dir */
	IO_UNLINK,      /* name in dir */
	IO_WRITE,       /* bytes of file at offset; is_dsync: on its end they are on stable storage */
	IO_ALLOCATE,    /* file is `length` long, the new bytes zero */
	IO_TRUNCATE,    /* file is empty */
	IO_SYNC,        /* on its end everything is that had ended before it began */
	IO_END,         /* of the operation `token`, with `result` */
	IO_ANNOUNCE,    /* acknowledged: a struct journal_position */
	/* Counted, and made to fail, but nothing to replay. */
	IO_OPEN,
	IO_READ,
	IO_STAT,
	IO_OP_COUNT,
};

struct io_record {
	uint32_t bytes;         /* of the record, multiple of 8 */
	uint16_t op;            /* enum io_op */
	uint8_t is_dsync;
	uint8_t is_zero;        /* the bytes are zeros, and not kept */
	uint64_t token;         /* of the operation; its IO_END says the same */
	uint64_t file;          /* 1 is the data directory */
	uint64_t dir;
	uint64_t offset;
	uint64_t length;
	int64_t result;
	char name[40], to[40];
	char data[];
};

enum io_fault { IO_FAULT_EIO, IO_FAULT_ENOSPC, IO_FAULT_EDQUOT, IO_FAULT_EROFS, IO_FAULT_EINTR, IO_FAULT_EAGAIN, IO_FAULT_SHORT,
	IO_FAULT_COUNT };

enum { IO_FILES_MAX = 8192 };

struct io_shared {
	uint64_t magic;
	char root[256];         /* the data directory: calls on other files are not counted */
	/* The plan. */
	uint64_t nth;           /* the first call that fails, from 1; 0: none */
	uint64_t times;         /* so many calls from there on */
	uint32_t fault;         /* enum io_fault */
	uint32_t is_recording;
	uint64_t only_op;       /* enum io_op; others do not fail; IO_NONE: each may */
	uint64_t seed;          /* how much of a failing call takes place all the same */
	/* What happened. */
	uint64_t calls;
	uint64_t failed;
	uint64_t failed_op;     /* the first that failed: enum io_op */
	char failed_name[40];
	uint64_t token;         /* of the last operation */
	uint64_t files;
	uint64_t file_ino[IO_FILES_MAX]; /* [id]: as the file system calls it */
	char file_name[IO_FILES_MAX][40];
	uint64_t tail;          /* bytes in log; store-release */
	_Alignas(4096) char log[];
};

/* Where a recording may end; the file has no blocks beyond what was written. */
#define IO_LOG_BYTES (4ull << 30)

/* Make the file, for the data directory `root`.  NULL with errno. */
struct io_shared *io_log_create(const char *path, const char *root);
/* Map one that is there. */
struct io_shared *io_log_map(const char *path);
void io_log_unmap(struct io_shared *io);

/* Append; `data` may be NULL, or hold record->length bytes. */
void io_log_append(struct io_shared *io, struct io_record *record, const void *data);

/* The record at a position, and the position behind it.  Borrowed from the mapping. */
static inline const struct io_record *
io_log_at(const struct io_shared *io, uint64_t at)
{
	return (const struct io_record *)(io->log + at);
}

/* Position behind the last whole record. */
uint64_t io_log_tail(const struct io_shared *io);

const char *io_fault_name(enum io_fault fault);
const char *io_op_name(enum io_op op);

/*
 * io_wrap.c, for unit tests: asked before each operation on the ring.  May lower *bytes (only so many are really written or
 * read; of a rename, which has 1, 0: it does not take place).  Not 0: that is reported as the result when the real operation has ended; it may be bytes, or -errno.
 */
struct io_hook {
	int32_t (*inject)(void *context, enum io_op op, struct disk_tag tag, uint32_t *bytes);
	void *context;
};

/* Borrowed; NULL: nobody is asked. */
void io_wrap_hook(const struct io_hook *hook);

/* io_wrap.c: this process's calls go there from now on; NULL: nowhere.  A daemon takes it from CHASQUI_TEST_IO. */
void io_wrap_use(struct io_shared *io);

#endif

/*
 * disk: all of persistd's input and output.  Writes, syncs and renames of data happen here and nowhere else.
 *
 * Two ways in.  Calls named disk_queue_*() are put into one io_uring and come back as a struct disk_completion, so that the
 * loop never waits for the disk while it could commit; disk_park() is the one place where persistd sleeps.  All others are
 * plain blocking calls, for starting, replay and check.
 *
 * Nothing is retried: a failed write may have dropped dirty pages, so a retry that succeeds proves nothing.
 *
 * Reads go into private memory.  Direct reads of a killed process were seen to land after waitpid().
 */
#ifndef PERSISTD_DISK_H
#define PERSISTD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- blocking --- */

enum disk_direct { DISK_DIRECT_AUTO, DISK_DIRECT_ON, DISK_DIRECT_OFF };

/* Open a directory, making it (0700) when it is missing and `is_wanted`.  Descriptor, or -1 with errno. */
int disk_open_dir(int dir_fd, const char *name, bool is_wanted);

/*
 * Make `name` anew for writing; *direct says on entry whether O_DIRECT is wanted, afterwards whether it was granted.
 * Descriptor, or -1 with errno.  An older file of that name is unlinked, never truncated: a dead process's writes may still
 * be landing in it.
 */
int disk_create(int dir_fd, const char *name, enum disk_direct wanted, bool *is_direct);

/*
 * Open a file made by disk_create() for writing again; *is_direct as there.  Descriptor, or -1 with errno.  Only one that nobody
 * may still be writing to.
 */
int disk_open_write(int dir_fd, const char *name, enum disk_direct wanted, bool *is_direct);

/*
 * How a file is going to be read; only a hint.  Read-ahead in a segment that is still being written would keep pages of zeros
 * beyond the last batch in the cache, just before direct writes change them: DISK_READ_EXACT reads what is asked for.
 * disk_open_read_direct() is for large aligned reads into private memory, which keep nothing in the cache; -1 with EINVAL where the file system
 * does not have it.
 */
enum disk_read_hint { DISK_READ_THROUGH, DISK_READ_EXACT };

/* Open for (buffered) reading.  Descriptor, or -1 with errno. */
int disk_open_read(int dir_fd, const char *name, enum disk_read_hint hint);

int disk_open_read_direct(int dir_fd, const char *name);

void disk_close_fd(int fd);

/* Size of an open file; -1 with errno. */
int64_t disk_size(int fd);

/* What the file system of an open file has left for anybody who is not root; -1 with errno. */
int64_t disk_free_bytes(int fd);

/* Read up to `bytes`; less only at the end of the file.  -1 with errno. */
int64_t disk_read(int fd, void *to, size_t bytes, uint64_t offset);

/* Ask the kernel to begin reading. */
void disk_read_ahead(int fd, uint64_t offset, uint64_t bytes);

/* Write all of it.  -1 with errno; a short write is ENOSPC or EIO. */
int disk_write(int fd, const void *from, size_t bytes, uint64_t offset);

/* Append all of it where the file (or pipe) ends.  -1 with errno. */
int disk_append(int fd, const void *from, size_t bytes);

/* Read the next `bytes` of a file or pipe; less only at its end.  -1 with errno. */
int64_t disk_read_next(int fd, void *to, size_t bytes);

int disk_sync(int fd);
int disk_rename(int dir_fd, const char *from, const char *to);
int disk_unlink(int dir_fd, const char *name);

/* Reserve and zero-fill [0, bytes) of a file opened by disk_create().  -1 with errno. */
int disk_zero(int fd, uint64_t bytes);

/* Write `name` whole under another name, sync, rename, sync the directory.  -1 with errno and the old one untouched. */
int disk_replace(int dir_fd, const char *name, const void *from, size_t bytes);

/*
 * Lock one byte of a file for as long as it is open, alone or with others.  0; -1 with EAGAIN when
 * somebody else holds it.
 */
int disk_lock(int fd, uint64_t byte);
int disk_lock_shared(int fd, uint64_t byte);
void disk_unlock(int fd, uint64_t byte);

/* Memory for O_DIRECT; zero-filled, aligned, in huge pages where it is large, given.  NULL when there is none. */
void *disk_memory(size_t bytes);
void disk_memory_free(void *memory, size_t bytes);

/* --- through io_uring --- */

/* Who queued an operation, and which of his: both come back. */
enum disk_user { DISK_WAKE, DISK_COMMIT, DISK_SPARE, DISK_FETCH, DISK_WINDOW };

struct disk_tag {
	enum disk_user user;
	uint32_t number;
};

struct disk_completion {
	struct disk_tag tag;
	int32_t result; /* bytes, or -errno */
};

struct disk;

/*
 * One ring for this process; if it should be restricted, one that can do what is below and nothing else, nor be changed.
 * NULL after a diag that names cause and cure; then exit 78.
 */
struct disk *disk_open(bool wants_restricted);
bool disk_is_restricted(const struct disk *disk);
void disk_close(struct disk *disk);

/*
 * Queue; submitted by disk_submit() or disk_park().  Buffers and names are borrowed until the completion.  There is always
 * room: the ring is larger than all that its users may have under way.
 */

/* RWF_DSYNC: on completion these bytes are on stable storage (and only these). */
void disk_queue_commit(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset);
/* Without sync. */
void disk_queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset);
void disk_queue_read(struct disk *disk, struct disk_tag tag, int fd, void *to, uint32_t bytes, uint64_t offset);
void disk_queue_allocate(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes);
/* Give the blocks of a file back, which closing its last descriptor would wait for.  Where that cannot be done, it says so. */
void disk_queue_punch(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes);
void disk_queue_sync(struct disk *disk, struct disk_tag tag, int fd);
void disk_queue_rename(struct disk *disk, struct disk_tag tag, int dir_fd, const char *from, const char *to);
void disk_queue_unlink(struct disk *disk, struct disk_tag tag, int dir_fd, const char *name);

/* Hand what is queued to the kernel; does not wait. */
void disk_submit(struct disk *disk);

/* The next completion, if there is one.  Those of the eventfd are swallowed. */
bool disk_reap(struct disk *disk, struct disk_completion *completion);

/* Operations under way (the armed eventfd not counted). */
uint32_t disk_pending(const struct disk *disk);

/* Submit, and sleep until something completes, wake_fd becomes readable (-1: none) or the time is over. */
void disk_park(struct disk *disk, int wake_fd, uint32_t timeout_ms);

#endif

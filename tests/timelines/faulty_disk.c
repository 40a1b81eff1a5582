/* A disk that fails, for one process: preloaded before the C library, it meets the calls on files below one folder.
 *
 *   FAULTY_DISK_UNDER   the folder; files elsewhere are left alone
 *   FAULTY_DISK_KIND    full     from the n-th write on there is no room
 *                       failing  the n-th write or sync fails, once, as a broken disk says it
 *                       unread   the n-th read fails, once
 *                       short    every read and write does half of what it was asked for, as a kernel may
 *                       flipped  in the n-th read one bit is another; reads of a SQLite file are let be, as its pages
 *                                carry no sums: what a disk gives wrongly there, integrity checks may find later
 *   FAULTY_DISK_AT      n, from 1
 *   FAULTY_DISK_SEEN    a file that is made when the fault happens
 *   FAULTY_DISK_WHILE   a file; faults happen only while it is there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *kind, *under, *seen, *while_there;
static long at;
static atomic_long reads, writes;

__attribute__((constructor)) static void settle(void) {
    const char *n = getenv("FAULTY_DISK_AT");
    kind = getenv("FAULTY_DISK_KIND");
    under = getenv("FAULTY_DISK_UNDER");
    seen = getenv("FAULTY_DISK_SEEN");
    while_there = getenv("FAULTY_DISK_WHILE");
    at = n ? atol(n) : 1;
    if (!kind || !under) kind = "";
}

static int is(const char *name) { return strcmp(kind, name) == 0; }

/* Whether a descriptor is a file below the folder. */
static int is_ours(int fd) {
    char link[64], path[PATH_MAX];
    ssize_t length;
    if (!*kind) return 0;
    if (while_there && access(while_there, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (is("flipped") && strstr(path, "tallybook.db")) return 0;
    return strncmp(path, under, strlen(under)) == 0;
}

static void happened(void) {
    int saved = errno;
    int fd = seen ? open(seen, O_CREAT | O_WRONLY, 0600) : -1;
    if (fd >= 0) close(fd);
    errno = saved;
}

/* 0: go on; else the errno with which a write or sync fails. */
static int write_fault(int fd) {
    long n;
    if (!is_ours(fd)) return 0;
    n = atomic_fetch_add(&writes, 1) + 1;
    if (is("full") && n >= at) return happened(), ENOSPC;
    if (is("failing") && n == at) return happened(), EIO;
    return 0;
}

static size_t halved(int fd, size_t count) {
    if (count < 2 || !is("short") || !is_ours(fd)) return count;
    happened();
    return (count + 1) / 2;
}

static int read_fault(int fd) {
    if (!is("unread") || !is_ours(fd)) return 0;
    if (atomic_fetch_add(&reads, 1) + 1 != at) return 0;
    return happened(), EIO;
}

static void flip(int fd, unsigned char *bytes, ssize_t count) {
    if (count <= 0 || !is("flipped") || !is_ours(fd)) return;
    if (atomic_fetch_add(&reads, 1) + 1 != at) return;
    bytes[count / 2] ^= 0x10;
    happened();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF(fault) do { int e = (fault); if (e) { errno = e; return -1; } } while (0)

ssize_t write(int fd, const void *bytes, size_t count) {
    FAIL_IF(write_fault(fd));
    return REAL(write)(fd, bytes, halved(fd, count));
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    FAIL_IF(write_fault(fd));
    return REAL(pwrite)(fd, bytes, halved(fd, count), offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    FAIL_IF(write_fault(fd));
    return REAL(pwrite64)(fd, bytes, halved(fd, count), offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    FAIL_IF(write_fault(fd));
    return REAL(writev)(fd, parts, count);
}

int fsync(int fd) {
    FAIL_IF(write_fault(fd));
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    FAIL_IF(write_fault(fd));
    return REAL(fdatasync)(fd);
}

ssize_t read(int fd, void *bytes, size_t count) {
    ssize_t got;
    FAIL_IF(read_fault(fd));
    got = REAL(read)(fd, bytes, halved(fd, count));
    flip(fd, bytes, got);
    return got;
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
    ssize_t got;
    FAIL_IF(read_fault(fd));
    got = REAL(pread)(fd, bytes, halved(fd, count), offset);
    flip(fd, bytes, got);
    return got;
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
    ssize_t got;
    FAIL_IF(read_fault(fd));
    got = REAL(pread64)(fd, bytes, halved(fd, count), offset);
    flip(fd, bytes, got);
    return got;
}

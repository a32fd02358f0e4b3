/* SPDX-License-Identifier: Apache-2.0 */
/* test_base.c - errors, heap, arena, buffers, escapes, maps, digests, threads, files. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/background.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/err.h"
#include "base/hist.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/peak.h"
#include "base/sha256.h"
#include "base/vfs.h"

START_TEST(error_is_one_escaped_line)
{
    struct ms_err err;

    ck_assert_int_eq(ms_fail(&err, MS_INVALID_ARGUMENT, "name '%s'", "a\nb\x1b[31m\xff"),
                     MS_INVALID_ARGUMENT);
    ck_assert_str_eq(err.text, "name 'a\\x0ab\\x1b[31m\\xff'");
    ms_err_prefix(&err, "node %d", 17);
    ck_assert_str_eq(err.text, "node 17: name 'a\\x0ab\\x1b[31m\\xff'");
    ck_assert_int_eq(err.code, MS_INVALID_ARGUMENT);
}
END_TEST

START_TEST(long_error_is_cut)
{
    struct ms_err err;
    char text[4000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ms_fail(&err, MS_INTERNAL, "%s", text);
    ck_assert_uint_lt(strlen(err.text), sizeof err.text);
    ck_assert_str_eq(err.text + strlen(err.text) - 3, "...");
}
END_TEST

START_TEST(http_status_follows_code_and_reason)
{
    ck_assert_int_eq(ms_http_status(MS_OK, MS_REASON_NONE), 200);
    ck_assert_int_eq(ms_http_status(MS_RESOURCE_EXHAUSTED, MS_REASON_NONE), 429);
    ck_assert_int_eq(ms_http_status(MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE), 413);
    ck_assert_int_eq(ms_http_status(MS_UNAVAILABLE, MS_REASON_NONE), 503);
    ck_assert_int_eq(ms_http_status((ms_code)99, MS_REASON_NONE), 500);
}
END_TEST

START_TEST(sizes_are_checked)
{
    size_t n;

    ck_assert(!ms_mul(SIZE_MAX, 2, &n));
    ck_assert(!ms_add(SIZE_MAX, 1, &n));
    ck_assert(ms_mul(3, 5, &n) && n == 15);
    ck_assert_ptr_null(ms_reallocarray(NULL, SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(nth_allocation_fails)
{
    ms_mem_fail_after(2, false);
    void *a = ms_malloc(1), *b = ms_malloc(1), *c = ms_malloc(1);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(c);
    ms_mem_fail_after(1, true);
    ck_assert_ptr_null(ms_malloc(1));
    ck_assert_ptr_null(ms_malloc(1));
    ms_mem_fail_after(0, false);
    ms_free(a);
    ms_free(c);
}
END_TEST

START_TEST(aligned_memory)
{
    size_t sizes[] = {0, 1, 63, 64, 100000, 5 << 20};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = ms_aligned_alloc(sizes[i]);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        if (sizes[i])
            p[0] = p[sizes[i] - 1] = 1;
        ms_aligned_free(p, sizes[i]);
    }
}
END_TEST

START_TEST(arena_keeps_its_limit)
{
    struct ms_arena a;
    size_t total = 0;

    ms_arena_init(&a, 100000);
    for (;;) {
        char *p = ms_arena_alloc(&a, 1000);
        if (!p)
            break;
        for (int i = 0; i < 1000; i++)
            ck_assert_int_eq(p[i], 0);
        memset(p, 0xaa, 1000);
        total += 1000;
    }
    ck_assert_uint_ge(total, 80000);
    ck_assert_uint_le(a.used, 100000);
    ck_assert_ptr_null(ms_arena_array(&a, SIZE_MAX / 4, 8));
    ms_arena_done(&a);
    char *text = ms_arena_printf(&a, "%s-%d", "x", 7);
    ck_assert_str_eq(text, "x-7");
    ck_assert_uint_eq((uintptr_t)ms_arena_alloc(&a, 5000) % 64, 0);
    ms_arena_done(&a);
}
END_TEST

START_TEST(buffer_has_a_maximum)
{
    struct ms_buf b;

    ms_buf_init(&b, 10);
    ms_buf_puts(&b, "12345");
    ck_assert(ms_buf_ok(&b));
    ms_buf_puts(&b, "678901");
    ck_assert(!ms_buf_ok(&b));
    ms_buf_puts(&b, "x"); /* does nothing any more */
    ck_assert_str_eq(ms_buf_str(&b), "12345");
    ms_buf_clear(&b);
    ms_buf_json(&b, "a\"\n", 3);
    ck_assert_str_eq(ms_buf_str(&b), "\"a\\\"\\n\"");
    ms_buf_done(&b);
}
END_TEST

START_TEST(buffer_formats_long_text)
{
    struct ms_buf b;
    char text[1000];

    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ms_buf_init(&b, 1 << 20);
    ms_buf_printf(&b, "<%s>", text);
    ck_assert_uint_eq(b.len, sizeof text + 1);
    ck_assert_int_eq(b.data[b.len - 1], '>');
    ms_buf_done(&b);
}
END_TEST

START_TEST(utf8)
{
    ck_assert(ms_utf8_valid("\xe2\x9c\x93 \xd1\x84", 6));
    ck_assert(!ms_utf8_valid("\xc0\x80", 2));         /* overlong NUL */
    ck_assert(!ms_utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    ck_assert(!ms_utf8_valid("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
    ck_assert(!ms_utf8_valid("a\0b", 3));
    ck_assert(!ms_utf8_valid("\xe2\x9c", 2));
}
END_TEST

START_TEST(escape_hides_what_turns_lines_around)
{
    char dst[64];

    ck_assert_str_eq(ms_escape(dst, sizeof dst,
                               "a\xe2\x80\xae"
                               "b",
                               5),
                     "a\\xe2\\x80\\xaeb");
    ck_assert_str_eq(ms_escape(dst, sizeof dst, "\xe2\x9c\x93", 3), "\xe2\x9c\x93");
    ck_assert_str_eq(ms_escape(dst, 8, "0123456789", 10), "0123...");
}
END_TEST

START_TEST(model_names)
{
    const char *good[] = {"a", "resnet50", "my.model-v1_2", "0"};
    const char *bad[] = {"", ".a", "-a", "a..b", "a/b", "a b", "a\n", "\xc3\xa4"};
    char long_name[130];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(ms_model_name_valid(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ms_model_name_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
    memset(long_name, 'a', sizeof long_name);
    ck_assert(ms_model_name_valid(long_name, 128));
    ck_assert(!ms_model_name_valid(long_name, 129));
    ck_assert(!ms_model_name_valid("a\0b", 3));
}
END_TEST

START_TEST(numbers)
{
    uint64_t v;

    ck_assert(ms_parse_u64("18446744073709551615", 20, UINT64_MAX, &v) && v == UINT64_MAX);
    ck_assert(!ms_parse_u64("18446744073709551616", 20, UINT64_MAX, &v));
    ck_assert(!ms_parse_u64("", 0, 10, &v));
    ck_assert(!ms_parse_u64("+1", 2, 10, &v));
    ck_assert(!ms_parse_u64("11", 2, 10, &v));
}
END_TEST

START_TEST(map_finds_what_was_put)
{
    struct ms_map m = {0};
    static char keys[5000][16];
    size_t pos = 0, live = 0;

    for (int i = 0; i < 5000; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        ck_assert(ms_map_put(&m, keys[i], strlen(keys[i]), keys[i]));
    }
    for (int i = 0; i < 5000; i += 2)
        ck_assert_ptr_eq(ms_map_del(&m, keys[i], strlen(keys[i])), keys[i]);
    for (int i = 0; i < 5000; i++)
        ck_assert_ptr_eq(ms_map_gets(&m, keys[i]), i % 2 ? keys[i] : NULL);
    for (int round = 0; round < 20; round++) /* gone slots do not fill it up */
        for (int i = 0; i < 5000; i += 2) {
            ck_assert(ms_map_put(&m, keys[i], strlen(keys[i]), keys[i]));
            ms_map_del(&m, keys[i], strlen(keys[i]));
        }
    while (ms_map_next(&m, &pos))
        live++;
    ck_assert_uint_eq(live, 2500);
    ck_assert_uint_le(m.cap, 16384);
    ms_map_done(&m);
}
END_TEST

START_TEST(digests)
{
    char hex[MS_SHA256_HEX];
    uint8_t digest[MS_SHA256_LEN];

    ck_assert(ms_sha256_hex("abc", 3, hex)); /* FIPS 180-2, B.1 */
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct ms_sha256 *s = ms_sha256_new();
    ck_assert(ms_sha256_add(s, "a", 1) && ms_sha256_get(s, digest));
    ck_assert(ms_sha256_add(s, "bc", 2) && ms_sha256_get(s, digest));
    char again[MS_SHA256_HEX];
    ms_hex(again, digest, sizeof digest);
    ck_assert_str_eq(again, hex);
    ms_sha256_free(s);
    ck_assert(ms_sha256_hex_valid(hex, 64) && !ms_sha256_hex_valid("../../../../etc/passwd", 22));
}
END_TEST

START_TEST(histogram)
{
    struct ms_hist h;

    ms_hist_init_time(&h);
    ck_assert_double_eq(ms_hist_quantile(&h, 0.5), 0);
    for (int i = 0; i < 99; i++)
        ms_hist_add(&h, 80 * MS_US);
    ms_hist_add(&h, 3 * MS_SEC);
    double p50 = ms_hist_quantile(&h, 0.5), p995 = ms_hist_quantile(&h, 0.995);
    ck_assert(p50 > 50e3 && p50 <= 100e3);
    ck_assert(p995 > 2e9 && p995 <= 5e9);
    ck_assert_uint_eq(atomic_load(&h.sum), 99ull * 80000 + 3000000000ull);
}
END_TEST

START_TEST(cpu_knows_itself)
{
    const struct ms_cpu *c = ms_cpu();

    ck_assert_int_ge(c->online, c->usable);
    ck_assert_int_ge(c->usable, 1);
    ck_assert_uint_gt(ms_rss_bytes(), 100000);
    ck_assert_uint_ge(ms_rss_peak_bytes(), ms_rss_bytes() / 2);
}
END_TEST

START_TEST(peaks)
{
    const double core = ms_peak_core();
    const struct ms_peak one = ms_peak_of(1), many = ms_peak_of(1 << 20);

    ck_assert_double_gt(core, 0.1);
    ck_assert_double_gt(one.gflops, core / 4); /* whatever else runs */
    ck_assert_double_gt(one.gbytes, 0.01);
    ck_assert_double_lt(many.gflops, 8 * core * ms_cpu()->online);
}
END_TEST

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/check_base.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void drop_dir(void)
{
    char cmd[3][128];
    const char *names[] = {"f", "sub/g", "link"};

    for (int i = 0; i < 3; i++) {
        snprintf(cmd[i], sizeof cmd[i], "%s/%s", dir, names[i]);
        unlink(cmd[i]);
    }
    snprintf(cmd[0], sizeof cmd[0], "%s/sub", dir);
    rmdir(cmd[0]);
    rmdir(dir);
}

START_TEST(files)
{
    const struct ms_vfs *v = ms_vfs_posix();
    char buf[8] = "";
    int d = open(dir, O_RDONLY | O_DIRECTORY);

    int fd = v->open(v, d, "f", O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ms_vfs_write_all(v, fd, "hello", 5, 0), 0);
    ck_assert_int_eq(v->fsync(v, fd), 0);
    ck_assert_int_eq(v->size(v, fd), 5);
    ck_assert_int_eq(ms_vfs_read_all(v, fd, buf, 5, 0), 0);
    ck_assert_str_eq(buf, "hello");
    ck_assert_int_eq(ms_vfs_read_all(v, fd, buf, 6, 0), -EIO); /* ends early */
    ck_assert_int_eq(v->close(v, fd), 0);
    ck_assert_int_eq(v->open(v, d, "f", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    ck_assert_int_eq(v->open(v, d, "none", O_RDONLY, 0), -ENOENT);
    ck_assert_int_gt(v->free_bytes(v, d), 0);
    close(d);
}
END_TEST

START_TEST(mapping_stays_beneath)
{
    struct ms_mapping m;
    struct ms_err err;
    int d = open(dir, O_RDONLY | O_DIRECTORY);

    ck_assert_int_eq(mkdirat(d, "sub", 0700), 0);
    int fd = openat(d, "sub/g", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "abc", 3), 3);
    close(fd);
    ck_assert_int_eq(symlinkat("/etc/hostname", d, "link"), 0);
    ck_assert_int_eq(ms_map_file(d, "sub/g", true, &m, &err), MS_OK);
    ck_assert_uint_eq(m.len, 3);
    ck_assert_int_eq(memcmp(m.data, "abc", 3), 0);
    ms_unmap(&m);
    ck_assert_int_ne(ms_map_file(d, "../etc/hostname", true, &m, &err), MS_OK);
    ck_assert_int_ne(ms_map_file(d, "sub/../sub/../../etc/passwd", true, &m, &err), MS_OK);
    ck_assert_int_ne(ms_map_file(d, "link", true, &m, &err), MS_OK);
    ck_assert_int_ne(ms_map_file(d, "/etc/hostname", true, &m, &err), MS_OK);
    ck_assert_ptr_null(strstr(err.text, "/etc"));
    ck_assert_int_ne(ms_map_file(d, "sub", true, &m, &err), MS_OK); /* a folder */
    close(d);
}
END_TEST

/* ---- threads in the background ---- */

struct shy {
    struct ms_background *b;
    cpu_set_t cpu;
    atomic_bool stop;
    bool idle;
    int64_t used; /* ns of processor time */
};

static void *works(void *arg)
{
    struct shy *s = arg;

    ck_assert_int_eq(pthread_setaffinity_np(pthread_self(), sizeof s->cpu, &s->cpu), 0);
    s->idle = ms_background_enter(s->b, 10);
    ms_background_begin(s->b);
    while (!atomic_load(&s->stop)) {
    }
    ms_background_end(s->b);
    s->used = ms_cpu_time();
    return NULL;
}

static void *hogs(void *arg)
{
    struct shy *s = arg;

    ck_assert_int_eq(pthread_setaffinity_np(pthread_self(), sizeof s->cpu, &s->cpu), 0);
    while (!atomic_load(&s->stop)) {
    }
    s->used = ms_cpu_time();
    return NULL;
}

static bool may_raise(void)
{
    struct rlimit nice;

    return geteuid() == 0 || (getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur >= 20);
}

/* Beside a thread that never rests, on the same processor. */
START_TEST(background_gives_way_and_does_not_starve)
{
    const struct timespec time = {1, 500000000};
    struct shy shy = {0}, hog = {0};
    pthread_t worker, other;
    struct ms_err err;

    CPU_SET(sched_getcpu(), &shy.cpu);
    hog.cpu = shy.cpu;
    ck_assert_int_eq(ms_background_new(&shy.b, &err), MS_OK);
    ck_assert_int_eq(pthread_create(&other, NULL, hogs, &hog), 0);
    ck_assert_int_eq(pthread_create(&worker, NULL, works, &shy), 0);
    nanosleep(&time, NULL);
    atomic_store(&shy.stop, true);
    nanosleep(&time, NULL); /* it has to see that beside the other one, too */
    atomic_store(&hog.stop, true);
    pthread_join(worker, NULL);
    pthread_join(other, NULL);
    ms_background_free(shy.b);
    if (!shy.idle)
        printf("background: this process may not come back from SCHED_IDLE and is only nice\n");
    ck_assert_int_gt(shy.used, 20 * MS_MS); /* three in a thousand would be 5 */
    if (shy.idle &&
        may_raise()) /* half of the time, half of the looks: a quarter of the first part */
        ck_assert_int_gt(shy.used, hog.used / 15);
    ck_assert_int_lt(shy.used, 1000 * MS_MS);
}
END_TEST

/* What it begins with and ends with, in a process of its own. */
START_TEST(background_is_left_again)
{
    struct ms_background *b;
    struct ms_err err;

    ck_assert(!ms_background_enter(NULL, 5));
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), 5);
    ck_assert_int_eq(ms_background_new(&b, &err), MS_OK);
    if (ms_background_enter(b, 10)) {
        ck_assert_int_eq(sched_getscheduler(0), SCHED_IDLE);
        ms_background_leave();
    }
    ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), 10);
    ms_background_free(b);
}
END_TEST

/* Whoever ends does not wait for the next look: the shortest of some tries, the machine is shared.
 */
START_TEST(background_ends_at_once)
{
    int64_t least = MS_SEC;

    for (int i = 0; i < 5; i++) {
        const struct timespec time = {0, 20 * MS_MS}; /* it has looked, and pauses */
        struct ms_background *b;
        struct ms_err err;
        ck_assert_int_eq(ms_background_new(&b, &err), MS_OK);
        ms_background_begin(b);
        nanosleep(&time, NULL);
        int64_t start = ms_now();
        ms_background_free(b);
        least = ms_now() - start < least ? ms_now() - start : least;
    }
    ck_assert_int_lt(least, 40 * MS_MS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");

    tcase_add_test(t, error_is_one_escaped_line);
    tcase_add_test(t, long_error_is_cut);
    tcase_add_test(t, http_status_follows_code_and_reason);
    tcase_add_test(t, sizes_are_checked);
    tcase_add_test(t, nth_allocation_fails);
    tcase_add_test(t, aligned_memory);
    tcase_add_test(t, arena_keeps_its_limit);
    tcase_add_test(t, buffer_has_a_maximum);
    tcase_add_test(t, buffer_formats_long_text);
    tcase_add_test(t, utf8);
    tcase_add_test(t, escape_hides_what_turns_lines_around);
    tcase_add_test(t, model_names);
    tcase_add_test(t, numbers);
    tcase_add_test(t, map_finds_what_was_put);
    tcase_add_test(t, digests);
    tcase_add_test(t, histogram);
    tcase_add_test(t, cpu_knows_itself);
    tcase_add_test(t, peaks);
    suite_add_tcase(s, t);
    TCase *b = tcase_create("background");
    tcase_add_test(b, background_gives_way_and_does_not_starve);
    tcase_add_test(b, background_is_left_again);
    tcase_add_test(b, background_ends_at_once);
    tcase_set_timeout(b, 30);
    suite_add_tcase(s, b);
    TCase *f = tcase_create("files");
    tcase_add_checked_fixture(f, make_dir, drop_dir);
    tcase_add_test(f, files);
    tcase_add_test(f, mapping_stays_beneath);
    suite_add_tcase(s, f);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

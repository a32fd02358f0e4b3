/* SPDX-License-Identifier: Apache-2.0 */
/* tune_book.c - see tune_book.h. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "runtime/tune_book.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cpu.h"
#include "base/vfs.h"

enum { MAX_BYTES = 16 << 20, MAX_LAYERS = 1 << 16, MAX_NAME = 128 };

struct ms_tune_entry {
    const char *layer, *kernel;
    int64_t ns;
};

void ms_tune_book_init(struct ms_tune_book *b)
{
    *b = (struct ms_tune_book){0};
    ms_arena_init(&b->arena, 2 * MAX_BYTES);
}

void ms_tune_book_done(struct ms_tune_book *b)
{
    ms_map_done(&b->kernel_of);
    ms_arena_done(&b->arena);
}

const char *ms_tune_book_find(const struct ms_tune_book *b, const char *layer)
{
    const struct ms_tune_entry *e = ms_map_gets(&b->kernel_of, layer);

    return e ? e->kernel : NULL;
}

void ms_tune_book_note(struct ms_tune_book *b, const char *layer, const char *kernel, int64_t ns)
{
    struct ms_tune_entry *e = ms_map_gets(&b->kernel_of, layer);

    if (!e && b->n >= MAX_LAYERS)
        return;
    const char *copy = ms_arena_strdup(&b->arena, kernel);
    if (!copy)
        return;
    if (!e) {
        e = ms_arena_alloc(&b->arena, sizeof *e);
        const char *key = e ? ms_arena_strdup(&b->arena, layer) : NULL;
        if (!key || !ms_map_put(&b->kernel_of, key, strlen(key), e))
            return;
        e->layer = key;
        b->n++;
    }
    e->kernel = copy;
    e->ns = ns;
    b->changed = true;
}

/* ---- the file ---- */

static void head(struct ms_buf *out)
{
    const struct ms_cpu *c = ms_cpu();

    ms_buf_printf(out, "mindserve-tuning 1 %s %s %d.%d.%d %s\n", PACKAGE_VERSION,
                  ms_isa_name(c->isa), c->family, c->model_id, c->stepping, c->model);
}

/* One line without its end; false when it is none. */
static bool take_line(struct ms_tune_book *b, const char *p, size_t n)
{
    char kernel[MAX_NAME], number[24], layer[1024];
    const char *tab = memchr(p, '\t', n);
    const char *tab2 = tab ? memchr(tab + 1, '\t', n - (size_t)(tab + 1 - p)) : NULL;

    if (!tab2)
        return false;
    size_t n_kernel = (size_t)(tab - p), n_number = (size_t)(tab2 - tab - 1);
    size_t n_layer = n - (size_t)(tab2 + 1 - p);
    if (n_kernel == 0 || n_kernel >= sizeof kernel || n_number >= sizeof number || n_layer == 0 ||
        n_layer >= sizeof layer || memchr(p, '\0', n))
        return false;
    memcpy(kernel, p, n_kernel);
    kernel[n_kernel] = '\0';
    memcpy(number, tab + 1, n_number);
    number[n_number] = '\0';
    memcpy(layer, tab2 + 1, n_layer);
    layer[n_layer] = '\0';
    ms_tune_book_note(b, layer, kernel, strtoll(number, NULL, 10));
    return true;
}

static bool take_file(struct ms_tune_book *b, const char *p, size_t n)
{
    const char *end = p + n;
    struct ms_buf first;

    ms_buf_init(&first, 1024);
    head(&first);
    bool ours = ms_buf_ok(&first) && n >= first.len && memcmp(p, first.data, first.len) == 0;
    p += ours ? first.len : 0;
    ms_buf_done(&first);
    while (ours && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl || !take_line(b, p, (size_t)(nl - p)))
            break; /* cut short: what came before holds */
        p = nl + 1;
    }
    b->changed = false;
    return ours;
}

bool ms_tune_book_read(struct ms_tune_book *b, const char *path)
{
    struct ms_mapping m;
    struct ms_err ignored;

    if (ms_map_file(AT_FDCWD, path, false, &m, &ignored) != MS_OK)
        return false;
    bool ours = m.len <= MAX_BYTES && take_file(b, (const char *)m.data, m.len);
    ms_unmap(&m);
    return ours;
}

static int write_out(const struct ms_buf *text, const char *aside, const char *path)
{
    const struct ms_vfs *v = ms_vfs_posix();
    int fd = v->open(v, AT_FDCWD, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return fd;
    int rc = ms_vfs_write_all(v, fd, text->data, text->len, 0);
    if (rc == 0)
        rc = v->fsync(v, fd);
    (void)v->close(v, fd);
    if (rc == 0)
        rc = v->rename(v, AT_FDCWD, aside, path);
    if (rc != 0)
        (void)v->unlink(v, AT_FDCWD, aside);
    return rc;
}

int ms_tune_book_write(struct ms_tune_book *b, const char *path)
{
    const struct ms_map_slot *s;
    struct ms_buf text, aside;
    size_t pos = 0;

    ms_buf_init(&text, MAX_BYTES);
    ms_buf_init(&aside, 8192);
    head(&text);
    while ((s = ms_map_next(&b->kernel_of, &pos))) {
        const struct ms_tune_entry *e = s->value;
        ms_buf_printf(&text, "%s\t%lld\t%s\n", e->kernel, (long long)e->ns, e->layer);
    }
    ms_buf_printf(&aside, "%s.new", path);
    int rc = ms_buf_ok(&text) && ms_buf_ok(&aside) ? write_out(&text, ms_buf_str(&aside), path)
                                                   : -ENOMEM;
    b->changed = b->changed && rc != 0;
    ms_buf_done(&text);
    ms_buf_done(&aside);
    return rc;
}

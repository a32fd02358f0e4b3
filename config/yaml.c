/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.c - the configuration file.
 *
 * libyaml's events are walked with the table of options as the grammar: a key is an option, a group
 * of options, or an error with its place. Anchors, aliases, tags and further documents are refused:
 * nothing here needs them, and they are how small YAML becomes large. Files are local and at most
 * 256 KiB, since libyaml is slow on hostile nesting. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/value.h"

enum { MAX_KEY = 300, MAX_DEPTH = 8 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t ev; /* the one being looked at */
    bool have_ev;
    const char *file;
    struct ms_config *config;
    struct ms_err *err;
    bool models_seen;
    const char *only; /* the document is this model's mapping; NULL: a daemon's file */
};

/* Where a mapping stands: which table its keys are looked up in, and below which dotted prefix. */
struct scope {
    const struct ms_option *table;
    int n;
    void *base;               /* fields are stored in */
    char prefix[MAX_KEY + 2]; /* "batching." */
    char shown[MAX_KEY];      /* before the key in messages: "models.NAME." */
    bool *seen;               /* options of the table, then its groups by their first option */
    int depth;
};

static ms_code at(struct reader *r, yaml_mark_t m)
{
    return ms_err_prefix(r->err, "%s:%zu:%zu", r->file, m.line + 1, m.column + 1);
}

#define FAIL_AT(r_, mark_, ...)                                                                    \
    (ms_fail((r_)->err, MS_INVALID_ARGUMENT, __VA_ARGS__), at((r_), (mark_)))

static void drop(struct reader *r)
{
    if (r->have_ev)
        yaml_event_delete(&r->ev);
    r->have_ev = false;
}

/* The next event, in r->ev. */
static ms_code next(struct reader *r)
{
    drop(r);
    if (!yaml_parser_parse(&r->parser, &r->ev)) {
        yaml_mark_t m = r->parser.problem_mark;
        if (r->parser.error == YAML_MEMORY_ERROR)
            return ms_fail_oom(r->err, "configuration file", 0);
        if (r->parser.error == YAML_READER_ERROR)
            return ms_fail(r->err, MS_INVALID_ARGUMENT, "%s: byte %zu: %s", r->file,
                           r->parser.problem_offset, r->parser.problem);
        return FAIL_AT(r, m, "%s", r->parser.problem ? r->parser.problem : "not YAML");
    }
    r->have_ev = true;
    bool anchor = (r->ev.type == YAML_SCALAR_EVENT && r->ev.data.scalar.anchor) ||
                  (r->ev.type == YAML_MAPPING_START_EVENT && r->ev.data.mapping_start.anchor) ||
                  (r->ev.type == YAML_SEQUENCE_START_EVENT && r->ev.data.sequence_start.anchor);
    bool tag = (r->ev.type == YAML_SCALAR_EVENT && r->ev.data.scalar.tag) ||
               (r->ev.type == YAML_MAPPING_START_EVENT && r->ev.data.mapping_start.tag) ||
               (r->ev.type == YAML_SEQUENCE_START_EVENT && r->ev.data.sequence_start.tag);
    if (anchor || tag || r->ev.type == YAML_ALIAS_EVENT)
        return FAIL_AT(r, r->ev.start_mark, "anchors, aliases and tags are not allowed");
    return MS_OK;
}

static bool empty_scalar(const yaml_event_t *e)
{
    return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (e->data.scalar.length == 0 ||
            ms_bytes_eq(ms_bytes(e->data.scalar.value, e->data.scalar.length), "~") ||
            ms_bytes_eq(ms_bytes(e->data.scalar.value, e->data.scalar.length), "null"));
}

static struct ms_config_item item_of(const yaml_event_t *e)
{
    return (struct ms_config_item){(const char *)e->data.scalar.value, e->data.scalar.length,
                                   e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE};
}

static ms_code store(struct reader *r, struct scope *s, const struct ms_option *o,
                     const struct ms_config_item *items, int n, yaml_mark_t mark)
{
    if (ms_value_store(o, s->base, items, n, r->err) == MS_OK)
        return MS_OK;
    if (*s->shown)
        ms_err_prefix(r->err, "%.*s", (int)strlen(s->shown) - 1, s->shown);
    return at(r, mark);
}

/* "[a, b]" or a block sequence. Texts are copied, since an event dies with the next. */
static ms_code read_list(struct reader *r, struct scope *s, const struct ms_option *o)
{
    yaml_mark_t mark = r->ev.start_mark;
    struct ms_config_item *items = NULL;
    int n = 0;
    ms_code code;

    for (;;) {
        code = next(r);
        if (code != MS_OK || r->ev.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (r->ev.type != YAML_SCALAR_EVENT) {
            code = FAIL_AT(r, r->ev.start_mark, "%s%s: a list inside a list", s->shown, o->key);
            break;
        }
        struct ms_config_item *more =
            n < MS_CONFIG_MAX_LIST ? ms_reallocarray(items, (size_t)n + 1, sizeof *items) : NULL;
        char *copy =
            more ? ms_strndup((char *)r->ev.data.scalar.value, r->ev.data.scalar.length) : NULL;
        items = more ? more : items;
        if (!copy) {
            code = ms_fail_oom(r->err, o->key, (size_t)n);
            break;
        }
        items[n] = item_of(&r->ev);
        items[n++].text = copy;
    }
    if (code == MS_OK)
        code = store(r, s, o, items, n, mark);
    for (int i = 0; i < n; i++)
        ms_free((char *)items[i].text);
    ms_free(items);
    return code;
}

static ms_code read_option(struct reader *r, struct scope *s, const struct ms_option *o,
                           yaml_mark_t key_mark)
{
    char wants[160];

    if (s->seen[o - s->table])
        return FAIL_AT(r, key_mark, "key '%s%s' stands twice", s->shown, o->key);
    s->seen[o - s->table] = true;
    MS_TRY(next(r));
    ms_option_wants(o, wants, sizeof wants);
    if (ms_option_is_list(o)) {
        if (r->ev.type != YAML_SEQUENCE_START_EVENT)
            return FAIL_AT(r, r->ev.start_mark, "%s%s: wants %s", s->shown, o->key, wants);
        return read_list(r, s, o);
    }
    if (r->ev.type != YAML_SCALAR_EVENT || empty_scalar(&r->ev))
        return FAIL_AT(r, r->ev.start_mark, "%s%s: wants %s", s->shown, o->key, wants);
    struct ms_config_item it = item_of(&r->ev);
    return store(r, s, o, &it, 1, r->ev.start_mark);
}

static ms_code read_models(struct reader *r);

/* Index of the first option below a group: what a group is known by. */
static int group_index(const struct scope *s, const char *key)
{
    size_t len = strlen(key);

    for (int i = 0; i < s->n; i++)
        if (strncmp(s->table[i].key, key, len) == 0 && s->table[i].key[len] == '.')
            return i;
    return -1;
}

static ms_code read_mapping(struct reader *r, struct scope *s);

/* The mapping below a group's key; nothing at all (every line commented out) is one too. */
static ms_code read_group(struct reader *r, struct scope *s, const char *key, yaml_mark_t key_mark)
{
    bool *opened = &s->seen[s->n + group_index(s, key)];

    if (*opened)
        return FAIL_AT(r, key_mark, "key '%s%s' stands twice", s->shown, key);
    *opened = true;
    MS_TRY(next(r));
    if (empty_scalar(&r->ev))
        return MS_OK;
    if (r->ev.type != YAML_MAPPING_START_EVENT)
        return FAIL_AT(r, r->ev.start_mark, "%s%s: wants a mapping of options", s->shown, key);
    if (s->depth + 1 >= MAX_DEPTH || strlen(key) >= MAX_KEY)
        return FAIL_AT(r, r->ev.start_mark, "nested too deeply");
    struct scope inner = *s;
    inner.depth++;
    snprintf(inner.prefix, sizeof inner.prefix, "%s.", key);
    return read_mapping(r, &inner);
}

static ms_code unknown(struct reader *r, struct scope *s, const char *key, yaml_mark_t mark)
{
    ms_option_unknown(s->table, s->n, s->shown, key, r->err);
    return at(r, mark);
}

/* One key and what belongs to it; r->ev is the key. */
static ms_code read_entry(struct reader *r, struct scope *s)
{
    yaml_mark_t mark = r->ev.start_mark;
    char key[MAX_KEY], shown[80];

    if (r->ev.type != YAML_SCALAR_EVENT)
        return FAIL_AT(r, mark, "a key must be a plain word");
    size_t len = r->ev.data.scalar.length, before = strlen(s->prefix);
    const char *word = (const char *)r->ev.data.scalar.value;
    if (before + len >= sizeof key || memchr(word, '\0', len) || memchr(word, '.', len))
        return FAIL_AT(r, mark, "unknown key '%s'", ms_escape(shown, sizeof shown, word, len));
    memcpy(key, s->prefix, before);
    memcpy(key + before, word, len);
    len += before;
    key[len] = '\0';

    const struct ms_option *o = ms_option_find(s->table, s->n, key, len);
    if (o)
        return read_option(r, s, o, mark);
    if (ms_option_is_group(s->table, s->n, key, len))
        return read_group(r, s, key, mark);
    if (s->base == r->config && strcmp(key, "models") == 0) {
        if (r->models_seen)
            return FAIL_AT(r, mark, "key 'models' stands twice");
        r->models_seen = true;
        return read_models(r);
    }
    return unknown(r, s, key, mark);
}

/* Entries up to the mapping's end; r->ev is its start. */
static ms_code read_mapping(struct reader *r, struct scope *s)
{
    for (;;) {
        MS_TRY(next(r));
        if (r->ev.type == YAML_MAPPING_END_EVENT)
            return MS_OK;
        MS_TRY(read_entry(r, s));
    }
}

enum { MAX_MODEL_OPTIONS = 64 };

static ms_code model_scope(struct reader *r, struct ms_config_model *m, bool *seen, struct scope *s)
{
    *s = (struct scope){.base = m, .seen = seen, .depth = 2};
    s->table = ms_model_options(&s->n);
    if (s->n > MAX_MODEL_OPTIONS)
        return ms_fail(r->err, MS_INTERNAL, "more than %d options of a model", MAX_MODEL_OPTIONS);
    return MS_OK;
}

/* One name under models: and its options; r->ev is the name. */
static ms_code read_model(struct reader *r)
{
    yaml_mark_t mark = r->ev.start_mark;
    struct ms_config_model *m;
    int before = r->config->n_models;
    bool seen[2 * MAX_MODEL_OPTIONS] = {false};
    struct scope s;

    if (r->ev.type != YAML_SCALAR_EVENT)
        return FAIL_AT(r, mark, "models: a name must be a plain word");
    if (ms_config_model_add(r->config, (const char *)r->ev.data.scalar.value,
                            r->ev.data.scalar.length, &m, r->err) != MS_OK)
        return at(r, mark);
    if (r->config->n_models == before)
        return FAIL_AT(r, mark, "key 'models.%s' stands twice", m->name);
    MS_TRY(model_scope(r, m, seen, &s));
    snprintf(s.shown, sizeof s.shown, "models.%s.", m->name);
    MS_TRY(next(r));
    if (empty_scalar(&r->ev))
        return MS_OK;
    if (r->ev.type != YAML_MAPPING_START_EVENT)
        return FAIL_AT(r, r->ev.start_mark, "models.%s: wants a mapping of options", m->name);
    return read_mapping(r, &s);
}

static ms_code read_models(struct reader *r)
{
    MS_TRY(next(r));
    if (empty_scalar(&r->ev))
        return MS_OK;
    if (r->ev.type != YAML_MAPPING_START_EVENT)
        return FAIL_AT(r, r->ev.start_mark, "models: wants a mapping of names");
    for (;;) {
        MS_TRY(next(r));
        if (r->ev.type == YAML_MAPPING_END_EVENT)
            return MS_OK;
        MS_TRY(read_model(r));
    }
}

/* What the keys at the top of the document are. */
static ms_code top_scope(struct reader *r, bool *seen, size_t n_seen, struct scope *s)
{
    struct ms_config_model *m;

    if (r->only) {
        MS_TRY(ms_config_model_add(r->config, r->only, strlen(r->only), &m, r->err));
        return model_scope(r, m, seen, s);
    }
    *s = (struct scope){.base = r->config, .seen = seen};
    s->table = ms_options(&s->n);
    if (2 * (size_t)s->n > n_seen)
        return ms_fail(r->err, MS_INTERNAL, "more than %zu options", n_seen / 2);
    return MS_OK;
}

static ms_code read_document(struct reader *r)
{
    bool seen[2 * 256] = {false};
    struct scope s;

    MS_TRY(top_scope(r, seen, sizeof seen, &s));
    MS_TRY(next(r)); /* stream start */
    MS_TRY(next(r));
    if (r->ev.type == YAML_STREAM_END_EVENT)
        return MS_OK; /* an empty file: all defaults */
    MS_TRY(next(r));  /* behind the document's start */
    if (r->ev.type == YAML_MAPPING_START_EVENT)
        MS_TRY(read_mapping(r, &s));
    else if (!empty_scalar(&r->ev))
        return FAIL_AT(r, r->ev.start_mark, "wants a mapping of options");
    MS_TRY(next(r)); /* document end */
    MS_TRY(next(r));
    if (r->ev.type != YAML_STREAM_END_EVENT)
        return FAIL_AT(r, r->ev.start_mark, "more than one document");
    return MS_OK;
}

static ms_code read_text(struct ms_config *c, const char *name, const char *only, const char *text,
                         size_t len, struct ms_err *err)
{
    struct ms_err ignored;
    struct reader r = {.file = name, .config = c, .err = err ? err : &ignored, .only = only};

    if (len > MS_CONFIG_MAX_FILE)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: %zu bytes, more than %d", name, len,
                       MS_CONFIG_MAX_FILE);
    if (!yaml_parser_initialize(&r.parser))
        return ms_fail_oom(err, "configuration file", 0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    ms_code code = read_document(&r);
    drop(&r);
    yaml_parser_delete(&r.parser);
    return code;
}

ms_code ms_config_read(struct ms_config *c, const char *name, const char *text, size_t len,
                       struct ms_err *err)
{
    return read_text(c, name, NULL, text, len, err);
}

/* A file that a stranger could have written decides nothing here. */
static ms_code check_owner(const char *path, const struct stat *st, struct ms_err *err)
{
    if (!S_ISREG(st->st_mode))
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: is not a regular file", path);
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "%s: belongs neither to root nor to the user of this process", path);
    if (st->st_mode & S_IWOTH)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: everybody may write it", path);
    if (st->st_size > MS_CONFIG_MAX_FILE)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: %lld bytes, more than %d", path,
                       (long long)st->st_size, MS_CONFIG_MAX_FILE);
    return MS_OK;
}

/* Reads until the end or one byte too many; -1 and errno on failure. */
static ssize_t read_up_to(int fd, char *buf, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, buf + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static ms_code read_file(struct ms_config *c, const char *path, const char *only,
                         struct ms_err *err)
{
    struct stat st;
    char *text = NULL;
    ssize_t len;
    ms_code code;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0) {
        code = ms_fail(err, MS_INVALID_ARGUMENT, "%s: %s", path, strerror(errno));
        goto out;
    }
    code = check_owner(path, &st, err);
    if (code != MS_OK)
        goto out;
    text = ms_malloc(MS_CONFIG_MAX_FILE + 1);
    if (!text) {
        code = ms_fail_oom(err, "configuration file", MS_CONFIG_MAX_FILE);
        goto out;
    }
    len = read_up_to(fd, text, MS_CONFIG_MAX_FILE + 1);
    if (len < 0)
        code = ms_fail(err, MS_INVALID_ARGUMENT, "%s: %s", path, strerror(errno));
    else
        code = read_text(c, path, only, text, (size_t)len, err);
out:
    ms_free(text);
    if (fd >= 0)
        close(fd);
    return code;
}

ms_code ms_config_read_file(struct ms_config *c, const char *path, struct ms_err *err)
{
    return read_file(c, path, NULL, err);
}

ms_code ms_config_read_model_file(struct ms_config *c, const char *path, const char *model,
                                  struct ms_err *err)
{
    return read_file(c, path, model, err);
}

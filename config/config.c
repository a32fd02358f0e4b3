/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - the table of options, a configuration's birth and death, --set, and the rules that
 * concern more than one option. The file's parser is in yaml.c. */
#include "config/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "config/value.h"
#include "config/tree.h"

#define MS_OPTION(field_, key_, type_, default_, low_, high_, choices_, help_)                     \
    {key_,                                                                                         \
     MS_OPT_##type_,                                                                               \
     default_,                                                                                     \
     low_,                                                                                         \
     high_,                                                                                        \
     choices_,                                                                                     \
     help_,                                                                                        \
     offsetof(struct ms_config, field_),                                                           \
     offsetof(struct ms_config, has_##field_)},
static const struct ms_option options[] = {
#include "config/options.def"
};

#define MS_MODEL_OPTION(field_, key_, type_, default_, low_, high_, choices_, help_)               \
    {key_,                                                                                         \
     MS_OPT_##type_,                                                                               \
     default_,                                                                                     \
     low_,                                                                                         \
     high_,                                                                                        \
     choices_,                                                                                     \
     help_,                                                                                        \
     offsetof(struct ms_config_model, field_),                                                     \
     offsetof(struct ms_config_model, has_##field_)},
static const struct ms_option model_options[] = {
#include "config/options.def"
};

enum { N_OPTIONS = sizeof options / sizeof *options };
enum { N_MODEL_OPTIONS = sizeof model_options / sizeof *model_options };

const struct ms_option *ms_options(int *n)
{
    *n = N_OPTIONS;
    return options;
}

const struct ms_option *ms_model_options(int *n)
{
    *n = N_MODEL_OPTIONS;
    return model_options;
}

ms_code ms_config_new(struct ms_config **out, struct ms_err *err)
{
    struct ms_config *c = ms_calloc(1, sizeof *c);

    if (!c)
        return ms_fail_oom(err, "configuration", sizeof *c);
    for (int i = 0; i < N_OPTIONS; i++) {
        struct ms_config_item it = {options[i].fallback, strlen(options[i].fallback), false};
        ms_code code = ms_value_store(&options[i], c, &it, 1, err);
        if (code != MS_OK) {
            ms_config_free(c);
            return code;
        }
        *(bool *)((char *)c + options[i].has_offset) = false;
    }
    *out = c;
    return MS_OK;
}

static void model_done(struct ms_config_model *m)
{
    for (int i = 0; i < N_MODEL_OPTIONS; i++)
        ms_value_done(&model_options[i], m);
    ms_free(m->name);
}

void ms_config_free(struct ms_config *c)
{
    if (!c)
        return;
    for (int i = 0; i < N_OPTIONS; i++)
        ms_value_done(&options[i], c);
    for (int i = 0; i < c->n_models; i++)
        model_done(&c->models[i]);
    ms_free(c->models);
    ms_free(c);
}

const struct ms_config_model *ms_config_model(const struct ms_config *c, const char *name)
{
    for (int i = 0; i < c->n_models; i++)
        if (strcmp(c->models[i].name, name) == 0)
            return &c->models[i];
    return NULL;
}

ms_code ms_config_model_add(struct ms_config *c, const char *name, size_t len,
                            struct ms_config_model **out, struct ms_err *err)
{
    char shown[160];

    if (!ms_model_name_valid(name, len))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "'%s' is no model name (letters, digits, '.', '_', '-', at most 128)",
                       ms_escape(shown, sizeof shown, name, len));
    for (int i = 0; i < c->n_models; i++) {
        if (strlen(c->models[i].name) == len && memcmp(c->models[i].name, name, len) == 0) {
            *out = &c->models[i];
            return MS_OK;
        }
    }
    if (c->n_models == MS_CONFIG_MAX_MODELS)
        return ms_fail(err, MS_INVALID_ARGUMENT, "models: more than %d entries",
                       MS_CONFIG_MAX_MODELS);
    struct ms_config_model *more =
        ms_reallocarray(c->models, (size_t)c->n_models + 1, sizeof *more);
    if (!more)
        return ms_fail_oom(err, "models", sizeof *more);
    c->models = more;
    struct ms_config_model *m = &more[c->n_models];
    *m = (struct ms_config_model){.name = ms_strndup(name, len)};
    if (!m->name)
        return ms_fail_oom(err, "models", len);
    c->n_models++;
    *out = m;
    return MS_OK;
}

const struct ms_option *ms_option_find(const struct ms_option *table, int n, const char *key,
                                       size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(table[i].key) == len && memcmp(table[i].key, key, len) == 0)
            return &table[i];
    return NULL;
}

bool ms_option_is_group(const struct ms_option *table, int n, const char *key, size_t len)
{
    for (int i = 0; i < n; i++)
        if (strncmp(table[i].key, key, len) == 0 && table[i].key[len] == '.')
            return true;
    return false;
}

ms_code ms_option_unknown(const struct ms_option *table, int n, const char *prefix, const char *key,
                          struct ms_err *err)
{
    const char *near = ms_option_nearest(table, n, key);
    char shown[200];

    ms_escape(shown, sizeof shown, key, strlen(key));
    if (near)
        return ms_fail(err, MS_INVALID_ARGUMENT, "unknown key '%s%s'; did you mean '%s%s'?", prefix,
                       shown, prefix, near);
    return ms_fail(err, MS_INVALID_ARGUMENT, "unknown key '%s%s'; --help lists all", prefix, shown);
}

/* ---- --set ---- */

/* "models.NAME.KEY": names may hold dots, so the key is found from its end. */
static ms_code find_model_key(struct ms_config *c, const char *path, size_t len, void **base,
                              const struct ms_option **o, struct ms_err *err)
{
    for (int i = 0; i < N_MODEL_OPTIONS; i++) {
        size_t k = strlen(model_options[i].key);
        if (len <= k + 1 || path[len - k - 1] != '.' ||
            memcmp(path + len - k, model_options[i].key, k) != 0)
            continue;
        struct ms_config_model *m;
        MS_TRY(ms_config_model_add(c, path, len - k - 1, &m, err));
        *base = m;
        *o = &model_options[i];
        return MS_OK;
    }
    char shown[160];
    return ms_fail(err, MS_INVALID_ARGUMENT, "unknown key 'models.%s'; --help lists all",
                   ms_escape(shown, sizeof shown, path, len));
}

/* Cuts "a,b,c" into items; the array is the caller's to free. */
static struct ms_config_item *split(const char *value, int *n)
{
    int count = 1;

    for (const char *p = value; *p; p++)
        count += *p == ',';
    struct ms_config_item *items = ms_calloc((size_t)count, sizeof *items);
    if (!items)
        return NULL;
    *n = *value ? count : 0;
    for (int i = 0; i < count; i++) {
        items[i] = (struct ms_config_item){value, strcspn(value, ","), false};
        value += items[i].len + 1;
    }
    return items;
}

static ms_code set(struct ms_config *c, const char *assignment, struct ms_err *err)
{
    static const char models[] = "models.";
    const char *eq = strchr(assignment, '=');
    char key[300];
    const struct ms_option *o = NULL;
    void *base = c;

    if (!eq || eq == assignment)
        return ms_fail(err, MS_INVALID_ARGUMENT, "not KEY=VALUE");
    size_t len = (size_t)(eq - assignment);
    if (len >= sizeof key)
        return ms_fail(err, MS_INVALID_ARGUMENT, "key of more than %zu bytes", sizeof key - 1);
    memcpy(key, assignment, len);
    key[len] = '\0';

    if (strncmp(key, models, sizeof models - 1) == 0) {
        MS_TRY(
            find_model_key(c, key + sizeof models - 1, len - (sizeof models - 1), &base, &o, err));
    } else {
        o = ms_option_find(options, N_OPTIONS, key, len);
        if (!o)
            return ms_option_unknown(options, N_OPTIONS, "", key, err);
    }

    struct ms_config_item whole = {eq + 1, strlen(eq + 1), false};
    if (!ms_option_is_list(o))
        return ms_value_store(o, base, &whole, 1, err);
    int n;
    struct ms_config_item *items = split(eq + 1, &n);
    if (!items)
        return ms_fail_oom(err, key, whole.len);
    ms_code code = ms_value_store(o, base, items, n, err);
    ms_free(items);
    return code;
}

ms_code ms_config_set(struct ms_config *c, const char *assignment, struct ms_err *err)
{
    char shown[120];
    ms_code code = set(c, assignment, err);

    if (code != MS_OK)
        ms_err_prefix(err, "--set %s",
                      ms_escape(shown, sizeof shown, assignment, strlen(assignment)));
    return code;
}

/* ---- rules about several options ---- */

static ms_code check_listener(const struct ms_config *c, const char *key, const char *addr,
                              struct ms_err *err)
{
    char host[256];
    int port;

    if (strcmp(addr, "off") == 0)
        return MS_OK;
    if (!ms_addr_split(addr, host, sizeof host, &port))
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: '%s' is not HOST:PORT or off", key, addr);
    if (!ms_host_loopback(host) && !c->listen_insecure)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "%s: %s is not a loopback address, and there is neither TLS nor "
                       "authentication; listen.insecure: true allows it all the same",
                       key, addr);
    return MS_OK;
}

ms_code ms_config_check(const struct ms_config *c, struct ms_err *err)
{
    MS_TRY(check_listener(c, "listen.http", c->listen_http, err));
    MS_TRY(check_listener(c, "listen.grpc", c->listen_grpc, err));
    MS_TRY(check_listener(c, "listen.metrics", c->listen_metrics, err));
    if (*c->listen_tls_cert || *c->listen_tls_key)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "listen.tls: TLS is not available in this version");
    if (c->auth_tokens)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "auth.tokens: tokens are not available in this version");
    if (!*c->store_path)
        return ms_fail(err, MS_INVALID_ARGUMENT, "store.path: is empty");
    return MS_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - the daemon's options: a YAML file, then --set KEY=VALUE, over the table's defaults.
 *
 *     struct ms_config *c;
 *     MS_TRY(ms_config_new(&c, err));
 *     MS_TRY(ms_config_read_file(c, "/etc/mindserve/mindserved.yaml", err));
 *     MS_TRY(ms_config_set(c, "listen.http=off", err));
 *     MS_TRY(ms_config_check(c, err));
 *
 * Every error is one line, "FILE:LINE:COLUMN: ..." or "--set ...", and for an unknown key names the
 * nearest known one. A config is never changed after it was checked: SIGHUP reads a new one. */
#ifndef MS_CONFIG_CONFIG_H
#define MS_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { MS_CONFIG_MAX_FILE = 256 * 1024, MS_CONFIG_MAX_MODELS = 4096, MS_CONFIG_MAX_LIST = 65536 };

enum ms_option_type {
    MS_OPT_BOOL,   /* true, false */
    MS_OPT_INT,    /* a decimal number */
    MS_OPT_SIZE,   /* bytes: 4096, 64KiB, 1MiB, 2GiB */
    MS_OPT_TIME,   /* ns, 10us, 5ms, 30s, 10min, 1h; 0 needs no unit */
    MS_OPT_FLOAT,  /* a finite number */
    MS_OPT_CHOICE, /* one of a few words; kept as its index */
    MS_OPT_TEXT,   /* any text of at most 4096 bytes */
    MS_OPT_ADDR,   /* HOST:PORT or off */
    MS_OPT_TEXTS,  /* list of texts */
    MS_OPT_FLOATS, /* list of numbers */
};

struct ms_texts {
    char **item;
    int n;
};
struct ms_floats {
    double *item;
    int n;
};

#define MS_CTYPE_BOOL bool
#define MS_CTYPE_INT int64_t
#define MS_CTYPE_SIZE int64_t
#define MS_CTYPE_TIME int64_t
#define MS_CTYPE_FLOAT double
#define MS_CTYPE_CHOICE int
#define MS_CTYPE_TEXT char *
#define MS_CTYPE_ADDR char *
#define MS_CTYPE_TEXTS struct ms_texts
#define MS_CTYPE_FLOATS struct ms_floats

/* The words of CHOICE options, in the order of the table. */
enum { MS_AUTO = 0, MS_ON = 1, MS_OFF = 2 }; /* batching.enabled */
enum { MS_CONFIG_ISA_AUTO, MS_CONFIG_ISA_AVX512, MS_CONFIG_ISA_AVX2, MS_CONFIG_ISA_GENERIC };
enum { MS_NUMERICS_FAST, MS_NUMERICS_EXACT };
enum { MS_BUSY_POLL_OFF, MS_BUSY_POLL_AUTO };
enum { MS_TUNING_OFF, MS_TUNING_MODEL, MS_TUNING_MEASURE };

/* One name under `models:`. A field is only meant where its `has_` is set. */
struct ms_config_model {
    char *name;
#define MS_MODEL_OPTION(field_, key_, type_, ...) MS_CTYPE_##type_ field_;
#include "config/options.def"
#define MS_MODEL_OPTION(field_, key_, type_, ...) bool has_##field_;
#include "config/options.def"
};

struct ms_config {
#define MS_OPTION(field_, key_, type_, ...) MS_CTYPE_##type_ field_;
#include "config/options.def"
#define MS_OPTION(field_, key_, type_, ...) bool has_##field_; /* given, not the default */
#include "config/options.def"
    struct ms_config_model *models;
    int n_models;
};

/* All defaults. */
ms_code ms_config_new(struct ms_config **out, struct ms_err *err) MS_WARN_UNUSED;
void ms_config_free(struct ms_config *c);

/* A file of at most 256 KiB that root or the user of this process owns and nobody else may write.
 */
ms_code ms_config_read_file(struct ms_config *c, const char *path,
                            struct ms_err *err) MS_WARN_UNUSED;
/* A file with the options of one model alone (the keys below models.NAME), as a deployer sends them
 * along: read into c's entry of that name. */
ms_code ms_config_read_model_file(struct ms_config *c, const char *path, const char *model,
                                  struct ms_err *err) MS_WARN_UNUSED;
/* The same as ms_config_read_file from memory; name stands for the file in messages. */
ms_code ms_config_read(struct ms_config *c, const char *name, const char *text, size_t len,
                       struct ms_err *err) MS_WARN_UNUSED;
/* "KEY=VALUE"; lists are separated by commas. Later ones win. */
ms_code ms_config_set(struct ms_config *c, const char *assignment,
                      struct ms_err *err) MS_WARN_UNUSED;
/* What one option cannot know of another: an address that is not loopback, TLS and tokens. */
ms_code ms_config_check(const struct ms_config *c, struct ms_err *err) MS_WARN_UNUSED;

/* The overrides of a model; NULL if there are none. */
const struct ms_config_model *ms_config_model(const struct ms_config *c, const char *name);

/* HOST:PORT, [HOST]:PORT; host is copied without brackets. False if it is neither. */
bool ms_addr_split(const char *addr, char *host, size_t size, int *port);
/* 127.0.0.0/8, ::1 or localhost? */
bool ms_host_loopback(const char *host);

/* ---- the table, for --help and the documents ---- */
struct ms_option {
    const char *key;
    enum ms_option_type type;
    const char *fallback; /* the default, as text */
    int64_t low, high;
    const char *choices;
    const char *help;
    size_t offset, has_offset; /* in struct ms_config, or ms_config_model */
};
const struct ms_option *ms_options(int *n);
const struct ms_option *ms_model_options(int *n);
void ms_config_help(struct ms_buf *out);     /* for a terminal */
void ms_config_markdown(struct ms_buf *out); /* docs/options.md */
void ms_config_yaml(struct ms_buf *out);     /* config/mindserved.yaml */

#endif

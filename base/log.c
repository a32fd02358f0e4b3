/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - one line an event on stderr. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"

enum { LINE_MAX_BYTES = 4096, TEXT_MAX = 256, PER_SECOND = 20, SLOTS = 64 };

static atomic_int log_level = MS_LOG_INFO;
static atomic_bool log_json;

/* Lines an event had in the current second; events that share a slot share the allowance. */
static struct {
    atomic_llong second;
    atomic_uint count, dropped;
} rates[SLOTS];

void ms_log_setup(enum ms_log_level level, bool json)
{
    atomic_store(&log_level, (int)level);
    atomic_store(&log_json, json);
}

bool ms_log_enabled(enum ms_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static bool allowed(const char *event, unsigned *dropped)
{
    unsigned slot = 5381;

    for (const char *p = event; *p; p++)
        slot = slot * 33 + (unsigned char)*p;
    slot %= SLOTS;
    long long now = ms_now() / MS_SEC;
    *dropped = 0;
    if (atomic_exchange(&rates[slot].second, now) != now) {
        atomic_store(&rates[slot].count, 0);
        *dropped = atomic_exchange(&rates[slot].dropped, 0);
    }
    if (atomic_fetch_add(&rates[slot].count, 1) < PER_SECOND)
        return true;
    atomic_fetch_add(&rates[slot].dropped, 1);
    return false;
}

static const char *level_name(enum ms_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    return names[level];
}

static void put_json(struct ms_buf *b, const char *key, const char *text)
{
    ms_buf_printf(b, ",\"%s\":", key);
    ms_buf_json(b, text, strlen(text));
}

static void put_fields(struct ms_buf *b, const struct ms_log_field *f, bool json)
{
    char safe[TEXT_MAX];

    for (; f && f->key; f++) {
        if (!f->text)
            ms_buf_printf(b, json ? ",\"%s\":%lld" : " %s=%lld", f->key, (long long)f->number);
        else if (json)
            put_json(b, f->key, ms_escape(safe, sizeof safe, f->text, strlen(f->text)));
        else
            ms_buf_printf(b, " %s=%s", f->key,
                          ms_escape(safe, sizeof safe, f->text, strlen(f->text)));
    }
}

void ms_log(enum ms_log_level level, const char *event, const struct ms_log_field *fields,
            const char *fmt, ...)
{
    char message[512], safe[512], stamp[40];
    unsigned dropped;
    struct ms_buf b;
    struct tm tm;
    va_list ap;

    if (!ms_log_enabled(level) || !allowed(event, &dropped))
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    ms_escape(safe, sizeof safe, message, strlen(message));

    int64_t wall = ms_wall();
    time_t seconds = (time_t)(wall / MS_SEC);
    gmtime_r(&seconds, &tm);
    size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + n, sizeof stamp - n, ".%03dZ", (int)(wall % MS_SEC / MS_MS));

    bool json = atomic_load(&log_json);
    ms_buf_init(&b, LINE_MAX_BYTES);
    if (json) {
        ms_buf_printf(&b, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", stamp,
                      level_name(level), event);
        put_json(&b, "message", safe);
    } else {
        ms_buf_printf(&b, "%s %-5s %s: %s", stamp, level_name(level), event, safe);
    }
    put_fields(&b, fields, json);
    if (dropped)
        ms_buf_printf(&b, json ? ",\"dropped\":%u" : " dropped=%u", dropped);
    ms_buf_puts(&b, json ? "}\n" : "\n");
    if (ms_buf_ok(&b) && write(STDERR_FILENO, b.data, b.len) < 0) {
        /* nowhere left to complain */
    }
    ms_buf_done(&b);
}

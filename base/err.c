/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - filling and naming errors. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static const char *const names[] = {
    [MS_OK] = "OK",
    [MS_CANCELLED] = "CANCELLED",
    [MS_UNKNOWN] = "UNKNOWN",
    [MS_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [MS_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [MS_NOT_FOUND] = "NOT_FOUND",
    [MS_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [MS_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [MS_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [MS_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [MS_ABORTED] = "ABORTED",
    [MS_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [MS_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [MS_INTERNAL] = "INTERNAL",
    [MS_UNAVAILABLE] = "UNAVAILABLE",
    [MS_DATA_LOSS] = "DATA_LOSS",
    [MS_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

/* The HTTP status of each code, where no reason says otherwise (docs/protocol.md). */
static const short statuses[] = {
    [MS_OK] = 200,
    [MS_CANCELLED] = 499,
    [MS_UNKNOWN] = 500,
    [MS_INVALID_ARGUMENT] = 400,
    [MS_DEADLINE_EXCEEDED] = 504,
    [MS_NOT_FOUND] = 404,
    [MS_ALREADY_EXISTS] = 409,
    [MS_PERMISSION_DENIED] = 403,
    [MS_RESOURCE_EXHAUSTED] = 429,
    [MS_FAILED_PRECONDITION] = 400,
    [MS_ABORTED] = 409,
    [MS_OUT_OF_RANGE] = 400,
    [MS_UNIMPLEMENTED] = 501,
    [MS_INTERNAL] = 500,
    [MS_UNAVAILABLE] = 503,
    [MS_DATA_LOSS] = 500,
    [MS_UNAUTHENTICATED] = 401,
};

enum { N_CODES = sizeof names / sizeof *names };

static void set_text(struct ms_err *err, const char *fmt, va_list ap)
{
    char raw[sizeof err->text * 2];
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;

    ms_escape(err->text, sizeof err->text, raw, len);
}

ms_code ms_vfail(struct ms_err *err, ms_code code, const char *fmt, va_list ap)
{
    if (err) {
        err->code = code;
        err->reason = MS_REASON_NONE;
        set_text(err, fmt, ap);
    }
    return code;
}

ms_code ms_fail(struct ms_err *err, ms_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ms_vfail(err, code, fmt, ap);
    va_end(ap);
    return code;
}

ms_code ms_fail_because(struct ms_err *err, ms_code code, enum ms_reason reason, const char *fmt,
                        ...)
{
    va_list ap;

    va_start(ap, fmt);
    ms_vfail(err, code, fmt, ap);
    va_end(ap);
    if (err)
        err->reason = reason;
    return code;
}

ms_code ms_err_prefix(struct ms_err *err, const char *fmt, ...)
{
    char prefix[256];
    char rest[sizeof err->text];
    va_list ap;

    if (!err)
        return MS_UNKNOWN;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(rest, err->text, sizeof rest);
    enum ms_reason reason = err->reason;
    ms_fail(err, err->code, "%s: %s", prefix, rest);
    err->reason = reason;
    return err->code;
}

ms_code ms_fail_oom(struct ms_err *err, const char *what, size_t bytes)
{
    return ms_fail(err, MS_RESOURCE_EXHAUSTED, "out of memory: %s (%zu bytes)", what, bytes);
}

const char *ms_code_name(ms_code code)
{
    return (unsigned)code < N_CODES ? names[code] : "UNKNOWN";
}

int ms_http_status(ms_code code, enum ms_reason reason)
{
    switch (reason) {
    case MS_REASON_TOO_LARGE:
        return 413;
    case MS_REASON_BAD_METHOD:
        return 405;
    case MS_REASON_BAD_ENCODING:
        return 415;
    case MS_REASON_UNREACHABLE:
    case MS_REASON_NONE:
        break;
    }
    return (unsigned)code < N_CODES ? statuses[code] : 500;
}

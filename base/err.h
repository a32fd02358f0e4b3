/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - status codes and the error that explains one.
 *
 * A fallible function returns an ms_code and, when it is not MS_OK, has filled the caller's
 * struct ms_err with one line that names the thing and the place. Libraries never log: the handler
 * at the top does, once. The numbers are gRPC's canonical ones, so no mapping table exists. */
#ifndef MS_BASE_ERR_H
#define MS_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

typedef enum ms_code {
    MS_OK = 0,
    MS_CANCELLED = 1,
    MS_UNKNOWN = 2,
    MS_INVALID_ARGUMENT = 3,
    MS_DEADLINE_EXCEEDED = 4,
    MS_NOT_FOUND = 5,
    MS_ALREADY_EXISTS = 6,
    MS_PERMISSION_DENIED = 7,
    MS_RESOURCE_EXHAUSTED = 8,
    MS_FAILED_PRECONDITION = 9,
    MS_ABORTED = 10,
    MS_OUT_OF_RANGE = 11,
    MS_UNIMPLEMENTED = 12,
    MS_INTERNAL = 13,
    MS_UNAVAILABLE = 14,
    MS_DATA_LOSS = 15,
    MS_UNAUTHENTICATED = 16,
} ms_code;

/* Why, where the code alone does not decide the HTTP status: see ms_http_status(). */
enum ms_reason {
    MS_REASON_NONE = 0,
    MS_REASON_TOO_LARGE,    /* RESOURCE_EXHAUSTED as 413 instead of 429 */
    MS_REASON_BAD_METHOD,   /* INVALID_ARGUMENT as 405 */
    MS_REASON_BAD_ENCODING, /* INVALID_ARGUMENT as 415 */
    MS_REASON_UNREACHABLE,  /* in a client: UNAVAILABLE because no server answered */
};

struct ms_err {
    ms_code code;
    enum ms_reason reason;
    char text[512]; /* one line, NUL terminated, control bytes escaped */
};

#define MS_WARN_UNUSED __attribute__((warn_unused_result))

/* Fills err (may be NULL) and returns code, so that failing is one expression. Text beyond the
 * buffer is cut; control bytes and invalid UTF-8 in the result are written as \xNN. */
ms_code ms_fail(struct ms_err *err, ms_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
ms_code ms_vfail(struct ms_err *err, ms_code code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* As ms_fail, with a reason. */
ms_code ms_fail_because(struct ms_err *err, ms_code code, enum ms_reason reason, const char *fmt,
                        ...) __attribute__((format(printf, 4, 5)));

/* Puts "prefix: " before the text that is there ("node 17 'conv2' (Conv): attribute ..."). Returns
 * err->code. */
ms_code ms_err_prefix(struct ms_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* RESOURCE_EXHAUSTED, "out of memory: what (bytes)". */
ms_code ms_fail_oom(struct ms_err *err, const char *what, size_t bytes);

/* "INVALID_ARGUMENT" and so on; never NULL. */
const char *ms_code_name(ms_code code);

/* HTTP status of a code and reason. */
int ms_http_status(ms_code code, enum ms_reason reason);

/* Leaves the function with the code of a failed call. Only where nothing is held. */
#define MS_TRY(call_)                                                                              \
    do {                                                                                           \
        ms_code try_code_ = (call_);                                                               \
        if (try_code_ != MS_OK)                                                                    \
            return try_code_;                                                                      \
    } while (0)

#endif

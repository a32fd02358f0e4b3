/* SPDX-License-Identifier: Apache-2.0 */
/* http_check.c - request framing, checked again behind libmicrohttpd 0.9.75.
 *
 * The library takes what lets two servers disagree about where a request ends: Content-Length
 * beside Transfer-Encoding, two Content-Lengths, a blank before the colon, folded lines, bare line
 * feeds, NUL. Most of it shows in the header list. The rest shows in arithmetic: the head must be
 * exactly as long as its visible parts, "NAME: VALUE" and CR LF each (a blank after the colon may
 * be missing, as in HTTP it may). A line ended by LF alone or a hidden NUL makes the sum wrong. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "server/http_call.h"

enum { MAX_HEADERS = 100, MAX_LINE = 16 << 10, MAX_URI = 8 << 10 };

struct seen {
    struct ms_err *err;
    int n, length, encoding, host, authorization, expect;
    const char *length_value, *encoding_value, *expect_value;
    size_t least;  /* bytes of the lines without optional blanks */
    size_t blanks; /* optional blanks at most: one a line */
};

static bool tchar(unsigned char c)
{
    return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!tchar((unsigned char)s[i]))
            return false;
    return n > 0;
}

static bool is(const char *key, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(key, name, len) == 0;
}

static ms_code one(struct seen *s, const char *key, size_t key_len, const char *value, size_t len)
{
    if (++s->n > MAX_HEADERS)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "more than %d header lines", MAX_HEADERS);
    if (!token(key, key_len))
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "malformed header name");
    if (key_len + len > MAX_LINE)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "header line of more than %d bytes", MAX_LINE);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return ms_fail(s->err, MS_INVALID_ARGUMENT, "control byte in header '%.*s'",
                           (int)(key_len < 64 ? key_len : 64), key);
    s->least += key_len + 1 + len + 2;
    s->blanks++;
    if (is(key, key_len, "content-length")) {
        s->length++;
        s->length_value = value;
    } else if (is(key, key_len, "transfer-encoding")) {
        s->encoding++;
        s->encoding_value = value;
    } else if (is(key, key_len, "host")) {
        s->host++;
    } else if (is(key, key_len, "authorization")) {
        s->authorization++;
    } else if (is(key, key_len, "expect")) {
        s->expect++;
        s->expect_value = value;
    }
    return MS_OK;
}

static enum MHD_Result each(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                            const char *value, size_t len)
{
    struct seen *s = cls;

    (void)kind;
    return one(s, key, key_len, value ? value : "", value ? len : 0) == MS_OK ? MHD_YES : MHD_NO;
}

static ms_code framing(const struct seen *s, bool http10)
{
    if (s->length + s->encoding > 1)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "%s",
                       s->length && s->encoding ? "Content-Length beside Transfer-Encoding"
                       : s->length              ? "Content-Length is given twice"
                                                : "Transfer-Encoding is given twice");
    if (s->host > 1 || s->authorization > 1 || s->expect > 1)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "%s is given twice",
                       s->host > 1            ? "Host"
                       : s->authorization > 1 ? "Authorization"
                                              : "Expect");
    if (s->host == 0 && !http10)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "Host is missing");
    if (s->encoding && (http10 || strcasecmp(s->encoding_value, "chunked") != 0))
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "Transfer-Encoding other than chunked");
    if (s->length) {
        size_t n = strspn(s->length_value, "0123456789");
        if (n == 0 || n > 18 || s->length_value[n])
            return ms_fail(s->err, MS_INVALID_ARGUMENT, "malformed Content-Length");
    }
    if (s->expect && strcasecmp(s->expect_value, "100-continue") != 0)
        return ms_fail(s->err, MS_INVALID_ARGUMENT, "Expect other than 100-continue");
    return MS_OK;
}

/* Does the head's length equal what its parts add up to? */
static ms_code arithmetic(struct MHD_Connection *mhd, const struct seen *s, const char *method,
                          const char *uri, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t least = strlen(method) + 1 + strlen(uri) + 1 + strlen(version) + 2 + s->least + 2;

    if (!info || (info->header_size >= least && info->header_size <= least + s->blanks))
        return MS_OK;
    return ms_fail(s->err, MS_INVALID_ARGUMENT, "malformed line in the request's head");
}

ms_code ms_http_check(struct MHD_Connection *mhd, const char *method, const char *uri,
                      const char *version, struct ms_err *err)
{
    struct seen s = {.err = err};
    bool http10 = strcmp(version, "HTTP/1.0") == 0;

    if (!http10 && strcmp(version, "HTTP/1.1") != 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "unknown HTTP version");
    if (!token(method, strlen(method)))
        return ms_fail(err, MS_INVALID_ARGUMENT, "malformed method");
    if (strlen(uri) > MAX_URI)
        return ms_fail(err, MS_INVALID_ARGUMENT, "URI of more than %d bytes", MAX_URI);
    for (const char *p = uri; *p; p++)
        if (*p <= 0x20 || *p == 0x7f)
            return ms_fail(err, MS_INVALID_ARGUMENT, "control byte or blank in the URI");
    err->code = MS_OK;
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, each, &s);
    if (err->code != MS_OK)
        return err->code;
    MS_TRY(framing(&s, http10));
    return arithmetic(mhd, &s, method, uri, version);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wirescan.c - the walk over protobuf bytes that comes before anything is believed or allocated.
 *
 * The stack is an array of frames, one for each open message, so that nesting costs no C stack and
 * is refused at a fixed depth. Frames keep no counters for the error's path: when something is
 * refused, the messages on the stack are walked once more up to the place, to learn the indices. */
#include "proto/wirescan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* ---- the cursor ---- */

static bool take_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    uint64_t r = 0;

    for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
        const uint8_t b = *(*p)++;

        r |= shift == 63 ? (uint64_t)(b & 1) << 63 : (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *v = r;
            return true;
        }
    }
    return false;
}

static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

bool ms_wire_varint(struct ms_bytes *in, uint64_t *v)
{
    const uint8_t *p = in->data;

    if (in->len == 0 || !take_varint(&p, in->data + in->len, v))
        return false;
    *in = ms_bytes(p, in->len - (size_t)(p - in->data));
    return true;
}

/* What went wrong in take_field; the scan says it, the cursor only stops. */
enum trouble {
    FINE,
    BAD_TAG,    /* cut short, too long, or field number 0 */
    BAD_TYPE,   /* groups and what is not assigned */
    BAD_VALUE,  /* varint or fixed value cut short */
    BAD_LENGTH, /* length varint cut short */
    TOO_LONG,   /* declared length beyond the message; item->value holds it */
};

static enum trouble take_field(const uint8_t **p, const uint8_t *end, struct ms_wire_item *item)
{
    uint64_t tag;
    size_t fixed;

    if (!take_varint(p, end, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return BAD_TAG;
    item->number = (uint32_t)(tag >> 3);
    item->type = (int)(tag & 7);
    item->bytes = ms_bytes(NULL, 0);
    switch (item->type) {
    case MS_WIRE_VARINT:
        return take_varint(p, end, &item->value) ? FINE : BAD_VALUE;
    case MS_WIRE_FIXED32:
    case MS_WIRE_FIXED64:
        fixed = item->type == MS_WIRE_FIXED32 ? 4 : 8;
        if ((size_t)(end - *p) < fixed)
            return BAD_VALUE;
        item->value = load_le(*p, fixed);
        *p += fixed;
        return FINE;
    case MS_WIRE_LENGTH:
        if (!take_varint(p, end, &item->value))
            return BAD_LENGTH;
        if (item->value > (uint64_t)(end - *p))
            return TOO_LONG;
        item->bytes = ms_bytes(*p, (size_t)item->value);
        *p += item->value;
        return FINE;
    default:
        return BAD_TYPE;
    }
}

bool ms_wire_next(struct ms_bytes *in, struct ms_wire_item *item)
{
    const uint8_t *p = in->data;

    if (in->len == 0 || take_field(&p, in->data + in->len, item) != FINE)
        return false;
    *in = ms_bytes(p, in->len - (size_t)(p - in->data));
    return true;
}

/* ---- the scan ---- */

struct frame {
    const struct ms_wire_msg *msg;
    const uint8_t *start, *p, *end;
    const uint8_t *field;            /* where the field under work begins */
    const struct ms_wire_field *row; /* of that field; NULL while unknown */
    uint64_t once;                   /* rows of singular messages met so far */
    int hint;                        /* row to try first: writers keep the order */
};

struct scan {
    struct frame stack[MS_WIRE_MAX_DEPTH];
    int depth;
    const uint8_t *base;
    const struct ms_wire_limits *lim;
    struct ms_wire_report report;
    struct ms_err *err;
};

/* How many fields of that number the frame's message holds before the one under work. */
static size_t index_of(const struct frame *f)
{
    struct ms_bytes in = ms_bytes(f->start, (size_t)(f->field - f->start));
    struct ms_wire_item item;
    size_t n = 0;

    while (ms_wire_next(&in, &item))
        n += item.number == f->row->number;
    return n;
}

/* "graph.node[17].attribute[2]" of the place where the scan stands. */
static void place(const struct scan *s, char *dst, size_t size)
{
    size_t at = 0;

    dst[0] = '\0';
    for (int i = 0; i < s->depth && s->stack[i].row && at < size - 1; i++) {
        const struct frame *f = &s->stack[i];
        int n = snprintf(dst + at, size - at, "%s%s", i > 0 ? "." : "", f->row->name);

        at += n > 0 ? (size_t)n : 0;
        if (f->row->flags & MS_WIRE_MANY && at < size - 1) {
            n = snprintf(dst + at, size - at, "[%zu]", index_of(f));
            at += n > 0 ? (size_t)n : 0;
        }
    }
}

__attribute__((format(printf, 3, 4))) static ms_code refuse(const struct scan *s, ms_code code,
                                                            const char *fmt, ...)
{
    const size_t at = (size_t)(s->stack[s->depth - 1].field - s->base);
    char where[240], what[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    place(s, where, sizeof where);
    return ms_fail(s->err, code, "%s%sbyte %zu: %s", where, where[0] ? " at " : "", at, what);
}

static ms_code refuse_trouble(const struct scan *s, enum trouble t, const struct ms_wire_item *item)
{
    const struct frame *f = &s->stack[s->depth - 1];

    switch (t) {
    case BAD_TAG:
        return refuse(s, MS_INVALID_ARGUMENT, "not a protobuf field");
    case BAD_TYPE:
        return refuse(s, MS_INVALID_ARGUMENT, "field %u has wire type %d, which is not supported",
                      item->number, item->type);
    case TOO_LONG:
        return refuse(s, MS_INVALID_ARGUMENT,
                      "field %u declares %llu bytes, but its message has only %zu left",
                      item->number, (unsigned long long)item->value, (size_t)(f->end - f->p));
    default:
        return refuse(s, MS_INVALID_ARGUMENT, "field %u is cut short", item->number);
    }
}

static const struct ms_wire_field *find_row(struct frame *f, uint32_t number)
{
    const struct ms_wire_msg *m = f->msg;

    for (int k = 0; k < m->n; k++) {
        const int i = f->hint + k < m->n ? f->hint + k : f->hint + k - m->n;

        if (m->fields[i].number == number) {
            f->hint = i;
            return &m->fields[i];
        }
    }
    return NULL;
}

static ms_code charge(struct scan *s, size_t count, size_t each)
{
    size_t sum;

    if (!ms_mul(count, each, &sum) || !ms_add(s->report.price, sum, &s->report.price) ||
        s->report.price > s->lim->max_heap)
        return refuse(s, MS_RESOURCE_EXHAUSTED,
                      "reading this far needs more than the %zu bytes allowed", s->lim->max_heap);
    return MS_OK;
}

/* Whole varints and no other byte? Counts them. */
static bool count_varints(struct ms_bytes b, size_t *n)
{
    unsigned run = 0;

    *n = 0;
    for (size_t i = 0; i < b.len; i++) {
        if (++run > 10)
            return false;
        if (b.data[i] < 0x80) {
            run = 0;
            ++*n;
        }
    }
    return run == 0;
}

/* A number, or with MS_WIRE_LENGTH a packed run of them. */
static ms_code scan_numbers(struct scan *s, const struct ms_wire_field *row,
                            const struct ms_wire_item *item)
{
    static const int type_of[] = {[MS_WIRE_INT] = MS_WIRE_VARINT,
                                  [MS_WIRE_F32] = MS_WIRE_FIXED32,
                                  [MS_WIRE_F64] = MS_WIRE_FIXED64};
    const size_t size = row->kind == MS_WIRE_F32 ? 4 : 8;
    size_t n = 1;

    if (item->type == MS_WIRE_LENGTH && row->flags & MS_WIRE_MANY) {
        if (row->kind == MS_WIRE_INT ? !count_varints(item->bytes, &n)
                                     : item->bytes.len % size != 0)
            return refuse(s, MS_INVALID_ARGUMENT,
                          "packed numbers of %zu bytes do not end where they should",
                          item->bytes.len);
        if (row->kind != MS_WIRE_INT)
            n = item->bytes.len / size;
    } else if (item->type != type_of[row->kind]) {
        return refuse(s, MS_INVALID_ARGUMENT, "wire type %d where type %d is expected", item->type,
                      type_of[row->kind]);
    }
    if (row->flags & MS_WIRE_SKIP || !(row->flags & MS_WIRE_MANY))
        return MS_OK;
    return charge(s, n, size);
}

static ms_code scan_text(struct scan *s, const struct ms_wire_item *item)
{
    const struct ms_bytes b = item->bytes;

    if (b.len > s->lim->max_name)
        return refuse(s, MS_INVALID_ARGUMENT, "a name of %zu bytes, at most %zu are allowed", b.len,
                      s->lim->max_name);
    if (b.len > 0 && memchr(b.data, '\0', b.len))
        return refuse(s, MS_INVALID_ARGUMENT, "a name with a NUL byte inside");
    return MS_OK;
}

static ms_code open_message(struct scan *s, const struct ms_wire_field *row,
                            const struct ms_wire_item *item)
{
    struct frame *f = &s->stack[s->depth - 1];

    if (!(row->flags & MS_WIRE_MANY)) {
        const uint64_t bit = UINT64_C(1) << (row - f->msg->fields);

        if (f->once & bit)
            return refuse(s, MS_INVALID_ARGUMENT, "given twice, but there can be only one");
        f->once |= bit;
    }
    if (s->depth >= s->lim->max_depth || s->depth >= MS_WIRE_MAX_DEPTH)
        return refuse(s, MS_INVALID_ARGUMENT, "more than %d messages inside each other",
                      s->lim->max_depth);
    s->stack[s->depth++] = (struct frame){.msg = row->msg,
                                          .start = item->bytes.data,
                                          .p = item->bytes.data,
                                          .end = item->bytes.data + item->bytes.len,
                                          .field = item->bytes.data};
    if (s->report.depth < s->depth)
        s->report.depth = s->depth;
    return MS_OK;
}

static ms_code scan_field(struct scan *s)
{
    struct frame *f = &s->stack[s->depth - 1];
    const struct ms_wire_field *row;
    struct ms_wire_item item = {0};
    enum trouble t;

    f->field = f->p;
    f->row = NULL;
    t = take_field(&f->p, f->end, &item);
    f->row = row = find_row(f, item.number);
    if (t != FINE)
        return refuse_trouble(s, t, &item);
    if (!row)
        return charge(s, 1, s->lim->unknown_price);
    s->report.tally[row->tally] += row->tally > 0;
    if (row->kind < MS_WIRE_TEXT)
        return scan_numbers(s, row, &item);
    if (item.type != MS_WIRE_LENGTH)
        return refuse(s, MS_INVALID_ARGUMENT, "wire type %d where type %d is expected", item.type,
                      MS_WIRE_LENGTH);
    if (row->kind == MS_WIRE_TEXT)
        MS_TRY(scan_text(s, &item));
    if (row->kind == MS_WIRE_MSG) {
        if (!(row->flags & MS_WIRE_SKIP))
            MS_TRY(charge(s, 1, row->msg->size + row->msg->price));
        return open_message(s, row, &item);
    }
    if (row->flags & MS_WIRE_SKIP || !(row->flags & MS_WIRE_MANY))
        return MS_OK;
    return charge(s, 1, sizeof(struct ms_bytes));
}

ms_code ms_wire_scan(struct ms_bytes in, const struct ms_wire_msg *m,
                     const struct ms_wire_limits *lim, struct ms_wire_report *report,
                     struct ms_err *err)
{
    struct scan s;

    s.lim = lim;
    s.err = err;
    s.report = (struct ms_wire_report){.price = m->size + m->price, .depth = 1};
    if (in.len == 0)
        in.data = (const uint8_t *)"";
    s.base = in.data;
    s.stack[0] = (struct frame){
        .msg = m, .start = in.data, .p = in.data, .end = in.data + in.len, .field = in.data};
    s.depth = 1;
    while (s.depth > 0) {
        struct frame *f = &s.stack[s.depth - 1];

        if (f->p == f->end)
            s.depth--;
        else
            MS_TRY(scan_field(&s));
    }
    if (report)
        *report = s.report;
    return MS_OK;
}

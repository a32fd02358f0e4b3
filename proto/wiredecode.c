/* SPDX-License-Identifier: Apache-2.0 */
/* wiredecode.c - scanned protobuf bytes into C structs, driven by the tables of wirescan.h.
 *
 * Each message is walked twice: once to count the elements of its lists, once to fill them.
 * Skipping over a field costs its header only, so this stays linear. Recursion is as deep as the
 * messages, which the scan has bounded. */
#include "proto/wirescan.h"

#include <string.h>

/* All MS_WIRE_LISTs look like this. */
struct list {
    const void *v;
    size_t n;
};

static size_t element_size(const struct ms_wire_field *row)
{
    switch (row->kind) {
    case MS_WIRE_F32:
        return sizeof(float);
    case MS_WIRE_INT:
    case MS_WIRE_F64:
        return sizeof(int64_t);
    case MS_WIRE_MSG:
        return row->msg->size;
    default:
        return sizeof(struct ms_bytes);
    }
}

static const struct ms_wire_field *find_row(const struct ms_wire_msg *m, uint32_t number)
{
    for (int i = 0; i < m->n; i++)
        if (m->fields[i].number == number)
            return &m->fields[i];
    return NULL;
}

/* Does the wire type fit the row? What does not is left out (the scan has refused it before). */
static bool fits(const struct ms_wire_field *row, const struct ms_wire_item *item)
{
    static const int type_of[] = {[MS_WIRE_INT] = MS_WIRE_VARINT,   [MS_WIRE_F32] = MS_WIRE_FIXED32,
                                  [MS_WIRE_F64] = MS_WIRE_FIXED64,  [MS_WIRE_TEXT] = MS_WIRE_LENGTH,
                                  [MS_WIRE_BYTES] = MS_WIRE_LENGTH, [MS_WIRE_MSG] = MS_WIRE_LENGTH};

    return item->type == type_of[row->kind] ||
           (item->type == MS_WIRE_LENGTH && row->kind < MS_WIRE_TEXT && row->flags & MS_WIRE_MANY);
}

static bool is_packed(const struct ms_wire_field *row, const struct ms_wire_item *item)
{
    return item->type == MS_WIRE_LENGTH && row->kind < MS_WIRE_TEXT;
}

/* Elements that one field brings to its list. */
static size_t elements(const struct ms_wire_field *row, const struct ms_wire_item *item)
{
    size_t n = 0;

    if (!is_packed(row, item))
        return 1;
    if (row->kind != MS_WIRE_INT)
        return item->bytes.len / element_size(row);
    for (size_t i = 0; i < item->bytes.len; i++)
        n += item->bytes.data[i] < 0x80;
    return n;
}

static void store_number(const struct ms_wire_field *row, uint64_t value, void *to)
{
    if (row->kind == MS_WIRE_F32) {
        const uint32_t bits = (uint32_t)value;
        memcpy(to, &bits, sizeof bits);
    } else {
        memcpy(to, &value, sizeof value);
    }
}

static void store_packed(const struct ms_wire_field *row, struct ms_bytes b, uint8_t *to,
                         size_t max)
{
    uint64_t v;

    if (row->kind != MS_WIRE_INT) {
        memcpy(to, b.data, max * element_size(row)); /* little endian, as the host is */
        return;
    }
    for (size_t i = 0; i < max && ms_wire_varint(&b, &v); i++)
        memcpy(to + i * sizeof v, &v, sizeof v);
}

/* Counts the elements of every list and gives each list its array. */
static ms_code make_lists(struct ms_bytes in, const struct ms_wire_msg *m, struct ms_arena *a,
                          struct list lists[MS_WIRE_MAX_FIELDS], struct ms_err *err)
{
    struct ms_wire_item item;

    while (ms_wire_next(&in, &item)) {
        const struct ms_wire_field *row = find_row(m, item.number);

        if (row && row->flags == MS_WIRE_MANY && fits(row, &item))
            lists[row - m->fields].n += elements(row, &item);
    }
    for (int i = 0; i < m->n; i++) {
        if (lists[i].n == 0)
            continue;
        lists[i].v = ms_arena_array(a, lists[i].n, element_size(&m->fields[i]));
        if (!lists[i].v)
            return ms_fail_oom(err, m->fields[i].name, lists[i].n * element_size(&m->fields[i]));
    }
    return MS_OK;
}

static ms_code decode_message(const struct ms_wire_field *row, struct ms_bytes b,
                              struct ms_arena *a, void *to, struct ms_err *err)
{
    void *msg = to;

    if (!(row->flags & MS_WIRE_MANY)) {
        msg = ms_arena_alloc(a, row->msg->size);
        if (!msg)
            return ms_fail_oom(err, row->name, row->msg->size);
        memcpy(to, &msg, sizeof msg);
    }
    return ms_wire_decode(b, row->msg, a, msg, err);
}

/* One field into its member, or into its list from element `done` on. */
static ms_code store(const struct ms_wire_field *row, const struct ms_wire_item *item,
                     struct ms_arena *a, uint8_t *to, struct ms_err *err)
{
    if (is_packed(row, item))
        store_packed(row, item->bytes, to, elements(row, item));
    else if (row->kind < MS_WIRE_TEXT)
        store_number(row, item->value, to);
    else if (row->kind == MS_WIRE_MSG)
        return decode_message(row, item->bytes, a, to, err);
    else
        memcpy(to, &item->bytes, sizeof item->bytes);
    return MS_OK;
}

ms_code ms_wire_decode(struct ms_bytes in, const struct ms_wire_msg *m, struct ms_arena *a,
                       void *out, struct ms_err *err)
{
    struct list lists[MS_WIRE_MAX_FIELDS] = {0};
    size_t done[MS_WIRE_MAX_FIELDS] = {0};
    struct ms_wire_head *head = out;
    struct ms_bytes left = in;
    struct ms_wire_item item;

    memset(out, 0, m->size);
    head->self = in;
    MS_TRY(make_lists(in, m, a, lists, err));
    while (ms_wire_next(&left, &item)) {
        const struct ms_wire_field *row = find_row(m, item.number);
        uint8_t *to;

        if (!row || !fits(row, &item))
            continue;
        if (row->number < 64)
            head->seen |= UINT64_C(1) << row->number;
        if (row->flags & MS_WIRE_SKIP || elements(row, &item) == 0)
            continue;
        to = (uint8_t *)out + row->at;
        if (row->flags & MS_WIRE_MANY) {
            size_t *n = &done[row - m->fields];

            to = (uint8_t *)(uintptr_t)lists[row - m->fields].v + *n * element_size(row);
            *n += elements(row, &item);
        }
        MS_TRY(store(row, &item, a, to, err));
    }
    for (int i = 0; i < m->n; i++)
        if (m->fields[i].flags == MS_WIRE_MANY)
            memcpy((uint8_t *)out + m->fields[i].at, &lists[i], sizeof lists[i]);
    return MS_OK;
}

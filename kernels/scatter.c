/* SPDX-License-Identifier: Apache-2.0 */
/* scatter.c - see scatter.h. Integers wrap; a NaN wins max and min. */
#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/scatter.h"

#define UPDATE(name_, target_, T_, U_, expr_)                                                      \
    static void name_(void *yv, const void *xv, size_t n)                                          \
    {                                                                                              \
        MS_ROW_TYPES(T_, U_)                                                                       \
        T *y = yv;                                                                                 \
        const T *x = xv;                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            const T a = y[i], b = x[i];                                                            \
            y[i] = (T)(expr_);                                                                     \
        }                                                                                          \
    }
/* Half types: through f32, one by one. */
#define UPDATE_HALF(name_, widen_, narrow_, expr_)                                                 \
    static void name_(void *yv, const void *xv, size_t n)                                          \
    {                                                                                              \
        uint16_t *y = yv;                                                                          \
        const uint16_t *x = xv;                                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            const float a = widen_(y[i]), b = widen_(x[i]);                                        \
            y[i] = narrow_(expr_);                                                                 \
        }                                                                                          \
    }
#define UPDATES(id_, fe_, ie_)                                                                     \
    UPDATE(id_##_f32, , float, float, fe_)                                                         \
    UPDATE(id_##_f64, , double, double, fe_)                                                       \
    UPDATE_HALF(id_##_f16, ms_f16_to_f32, ms_f32_to_f16, fe_)                                      \
    UPDATE_HALF(id_##_bf16, ms_bf16_to_f32, ms_f32_to_bf16, fe_)                                   \
    MS_ROWS_SIGNED(UPDATE, id_, ie_)                                                               \
    MS_ROWS_UNSIGNED(UPDATE, id_, ie_)                                                             \
    static const ms_update_fn id_##_updates[MS_N_DTYPES] = {                                       \
        MS_HAS_FLOAT(id_), [MS_F16] = id_##_f16, [MS_BF16] = id_##_bf16, MS_HAS_INT(id_)};

UPDATES(add, a + b, (U)a + (U)b)
UPDATES(mul, a *b, (U)a *(U)b)
UPDATES(max, a > b || a != a ? a : b, a > b ? a : b)
UPDATES(min, a < b || a != a ? a : b, a < b ? a : b)

static const struct {
    const char *name;
    const ms_update_fn *fn;
} reductions[] = {
    {"add", add_updates}, {"mul", mul_updates}, {"max", max_updates}, {"min", min_updates}};

ms_update_fn ms_update_of(const struct ms_node *n, enum ms_dtype t)
{
    const char *name = ms_attr_str(n, "reduction");

    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (strcmp(name, reductions[i].name) == 0)
            return reductions[i].fn[t];
    return NULL;
}

void ms_scatter_start(const struct ms_task *t)
{
    if (t->in[0]->bytes && t->out[0]->data != t->in[0]->data)
        memcpy(t->out[0]->data, t->in[0]->data, t->in[0]->bytes);
}

ms_code ms_scatter_check(const struct ms_infer *c)
{
    MS_TRY(ms_fact_same_dtype(c, 2, 0));
    if (ms_attr_str(c->node, "reduction")[0] != 'n' && !ms_update_of(c->node, c->in[0].dtype))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "reduction %s of %s",
                       ms_attr_str(c->node, "reduction"), ms_dtype_name(c->in[0].dtype));
    return MS_OK;
}

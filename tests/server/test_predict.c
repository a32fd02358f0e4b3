/* SPDX-License-Identifier: Apache-2.0 */
/* test_predict.c - ModelInferRequest from pieces cut anywhere, and mutated in every way. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/oip.pb-c.h"
#include "proto/predict.h"
#include "tests/server/suites.h"

enum { MAX_PARTS = 64 };

struct call {
    struct ms_arena arena;
    struct ms_predict predict;
    struct ms_request req;
    struct ms_err err;
    struct ms_bytes part[MAX_PARTS];
    uint8_t *own[MAX_PARTS];
    int n;
};

/* Decodes bytes cut into pieces that are allocations of exactly their size. cuts 0: one piece. */
static ms_code decode(struct call *c, const uint8_t *data, size_t len, int cuts)
{
    size_t at = 0;

    memset(c, 0, sizeof *c);
    ms_arena_init(&c->arena, 8 << 20);
    ms_predict_init(&c->predict, &c->arena);
    c->req.deadline = MS_NEVER;
    for (c->n = 0; c->n <= cuts && c->n < MAX_PARTS; c->n++) {
        size_t left = len - at;
        size_t take = c->n == cuts || c->n == MAX_PARTS - 1 ? left
                      : left                                ? (size_t)rand() % (left / 4 + 1)
                                                            : 0;
        uint8_t *p = malloc(take ? take : 1);
        if (take)
            memcpy(p, data + at, take);
        c->own[c->n] = p;
        c->part[c->n] = ms_bytes(p, take);
        at += take;
    }
    return ms_predict_decode(&c->predict, c->part, c->n, &c->req, &c->err);
}

static void drop(struct call *c)
{
    ms_predict_done(&c->predict);
    ms_arena_done(&c->arena);
    for (int i = 0; i < c->n; i++)
        free(c->own[i]);
}

/* A request with raw tensors, or with typed ones. */
static size_t sample(uint8_t *out, bool raw)
{
    static float f[6] = {1, 2, 3, 4, 5, 6};
    static int64_t dims[2] = {2, 3}, one[1] = {2};
    static int32_t small[2] = {-128, 127};
    Inference__ModelInferRequest q = INFERENCE__MODEL_INFER_REQUEST__INIT;
    Inference__ModelInferRequest__InferInputTensor in[2] = {
        INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT,
        INFERENCE__MODEL_INFER_REQUEST__INFER_INPUT_TENSOR__INIT};
    Inference__ModelInferRequest__InferInputTensor *ins[2] = {&in[0], &in[1]};
    Inference__InferTensorContents ca = INFERENCE__INFER_TENSOR_CONTENTS__INIT,
                                   cb = INFERENCE__INFER_TENSOR_CONTENTS__INIT;
    Inference__ModelInferRequest__InferRequestedOutputTensor o =
        INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__INIT;
    Inference__ModelInferRequest__InferRequestedOutputTensor *os[1] = {&o};
    Inference__ModelInferRequest__InferRequestedOutputTensor__ParametersEntry pe =
        INFERENCE__MODEL_INFER_REQUEST__INFER_REQUESTED_OUTPUT_TENSOR__PARAMETERS_ENTRY__INIT;
    Inference__ModelInferRequest__InferRequestedOutputTensor__ParametersEntry *pes[1] = {&pe};
    Inference__InferParameter p = INFERENCE__INFER_PARAMETER__INIT;
    uint8_t bytes[2] = {0x80, 0x7f};
    ProtobufCBinaryData raws[2] = {{sizeof f, (uint8_t *)f}, {2, bytes}};

    q.model_name = (char *)"model";
    q.model_version = (char *)"3";
    q.id = (char *)"id";
    in[0].name = (char *)"A";
    in[0].datatype = (char *)"FP32";
    in[0].n_shape = 2;
    in[0].shape = dims;
    in[1].name = (char *)"B";
    in[1].datatype = (char *)"INT8";
    in[1].n_shape = 1;
    in[1].shape = one;
    q.n_inputs = 2;
    q.inputs = ins;
    p.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
    p.int64_param = 2;
    pe.key = (char *)"classification";
    pe.value = &p;
    o.name = (char *)"Y";
    o.n_parameters = 1;
    o.parameters = pes;
    q.n_outputs = 1;
    q.outputs = os;
    if (raw) {
        q.n_raw_input_contents = 2;
        q.raw_input_contents = raws;
    } else {
        ca.n_fp32_contents = 6;
        ca.fp32_contents = f;
        cb.n_int_contents = 2;
        cb.int_contents = small;
        in[0].contents = &ca;
        in[1].contents = &cb;
    }
    return inference__model_infer_request__pack(&q, out);
}

static void expect(struct call *c, ms_code code)
{
    static const float f[6] = {1, 2, 3, 4, 5, 6};
    static const int8_t small[2] = {-128, 127};

    ck_assert_msg(code == MS_OK, "%s", c->err.text);
    ck_assert_str_eq(c->req.model, "model");
    ck_assert_str_eq(c->req.version, "3");
    ck_assert_str_eq(c->req.id, "id");
    ck_assert(c->req.n_in == 2 && c->req.n_want == 1 && c->req.want[0].classes == 2);
    ck_assert_int_eq(c->req.in[0].tensor.shape.rank, 2);
    ck_assert_mem_eq(c->req.in[0].tensor.data, f, sizeof f);
    ck_assert_mem_eq(c->req.in[1].tensor.data, small, sizeof small);
    ck_assert_uint_eq((uintptr_t)c->req.in[0].tensor.data % 4, 0);
}

START_TEST(pieces)
{
    uint8_t data[1024];
    struct call c;

    srand(4);
    for (int raw = 0; raw < 2; raw++) {
        size_t len = sample(data, raw);
        for (int i = 0; i < 3000; i++) {
            ms_code code = decode(&c, data, len, i % 60);
            expect(&c, code);
            drop(&c);
        }
    }
}
END_TEST

START_TEST(mutations)
{
    uint8_t data[1024], bad[1024];
    struct call c;
    int taken = 0;

    srand(5);
    for (int raw = 0; raw < 2; raw++) {
        size_t len = sample(data, raw);
        for (size_t n = 0; n < len; n++) { /* every truncation, every bit */
            decode(&c, data, n, rand() % 8);
            drop(&c);
            for (int bit = 0; bit < 8; bit++) {
                memcpy(bad, data, len);
                bad[n] ^= (uint8_t)(1 << bit);
                taken += decode(&c, bad, len, rand() % 8) == MS_OK;
                drop(&c);
            }
        }
        for (int i = 0; i < 100000; i++) {
            size_t n = len;
            memcpy(bad, data, len);
            for (int k = 1 + rand() % 4; k > 0; k--)
                bad[(size_t)rand() % n] = (uint8_t)(rand() % 4 ? rand() : 0xff);
            if (rand() % 4 == 0)
                n = (size_t)rand() % n;
            taken += decode(&c, bad, n, rand() % 8) == MS_OK;
            ck_assert_uint_le(strlen(c.err.text), 511);
            drop(&c);
        }
    }
    ck_assert_int_gt(taken, 100);
}
END_TEST

START_TEST(memory_is_bounded)
{
    /* 300,000 empty inputs, map entries and packed numbers in a few bytes each. */
    enum { N = 600000 };
    static const uint8_t item[][2] = {
        {5 << 3 | 2, 0}, {4 << 3 | 2, 0}, {6 << 3 | 2, 0}, {7 << 3 | 2, 0}};
    uint8_t *data = malloc(N);
    struct call c;

    for (size_t k = 0; k < sizeof item / sizeof *item; k++) {
        for (size_t i = 0; i < N; i += 2)
            memcpy(data + i, item[k], 2);
        decode(&c, data, N, 3);
        ck_assert_uint_lt(c.arena.used, 1 << 20);
        drop(&c);
    }
    free(data);
}
END_TEST

START_TEST(oom)
{
    uint8_t data[1024];
    struct call c;

    for (int raw = 0; raw < 2; raw++) {
        size_t len = sample(data, raw);
        for (uint64_t n = 1;; n++) {
            ms_mem_fail_after(n, true);
            ms_code code = decode(&c, data, len, 5);
            ms_mem_fail_after(0, false);
            drop(&c);
            if (code == MS_OK)
                break;
            ck_assert_int_eq(code, MS_RESOURCE_EXHAUSTED);
            ck_assert_uint_lt(n, 1000);
        }
    }
}
END_TEST

START_TEST(reply_unpacks)
{
    static float y[6] = {1, 2, 3, 4, 5, 6};
    static const struct ms_bytes words[2] = {{(const uint8_t *)"ab", 2}, {NULL, 0}};
    const struct ms_shape sy = ms_shape_make(2, 3), sw = ms_shape_make(2), se = ms_shape_make(0, 2);
    struct ms_tensor t[3];
    struct ms_req_result out[3] = {{.name = "Y", .tensor = &t[0]},
                                   {.name = "W", .tensor = &t[1]},
                                   {.name = "E", .tensor = &t[2]}};

    for (int wrapped = 0; wrapped < 2; wrapped++) {
        struct call c;
        struct ms_bytes *part;
        uint8_t all[1024];
        size_t len = 0;
        int n;
        memset(&c, 0, sizeof c);
        ms_arena_init(&c.arena, 1 << 20);
        ms_predict_init(&c.predict, &c.arena);
        ck_assert(ms_tensor_borrow(&t[0], MS_F32, &sy, y) &&
                  ms_tensor_borrow(&t[1], MS_STRING, &sw, words) &&
                  ms_tensor_borrow(&t[2], MS_F32, &se, y));
        c.req.model = "model";
        c.req.id = "id";
        memcpy(c.req.out_version, "1", 2);
        c.req.out = out;
        c.req.n_out = 3;
        ck_assert_int_eq(ms_predict_encode(&c.predict, &c.req, wrapped, &part, &n, &c.err), MS_OK);
        for (int i = 0; i < n; i++) {
            memcpy(all + len, part[i].data, part[i].len);
            len += part[i].len;
        }
        Inference__ModelStreamInferResponse *w = NULL;
        Inference__ModelInferResponse *r = NULL;
        if (wrapped) {
            w = inference__model_stream_infer_response__unpack(NULL, len, all);
            ck_assert_ptr_nonnull(w);
        } else {
            r = inference__model_infer_response__unpack(NULL, len, all);
        }
        Inference__ModelInferResponse *m = wrapped ? w->infer_response : r;
        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->model_name, "model");
        ck_assert(m->n_outputs == 3 && m->n_raw_output_contents == 3);
        ck_assert_str_eq(m->outputs[1]->datatype, "BYTES");
        ck_assert(m->outputs[0]->n_shape == 2 && m->outputs[0]->shape[1] == 3);
        ck_assert_mem_eq(m->raw_output_contents[0].data, y, sizeof y);
        ck_assert_uint_eq(m->raw_output_contents[1].len, 10);
        ck_assert_mem_eq(m->raw_output_contents[1].data, "\2\0\0\0ab\0\0\0\0", 10);
        ck_assert_uint_eq(m->raw_output_contents[2].len, 0);
        if (w)
            inference__model_stream_infer_response__free_unpacked(w, NULL);
        if (r)
            inference__model_infer_response__free_unpacked(r, NULL);
        drop(&c);
    }
}
END_TEST

Suite *suite_predict(void)
{
    Suite *s = suite_create("predict");
    TCase *t = tcase_create("predict");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, pieces);
    tcase_add_test(t, mutations);
    tcase_add_test(t, memory_is_bounded);
    tcase_add_test(t, oom);
    tcase_add_test(t, reply_unpacks);
    suite_add_tcase(s, t);
    return s;
}

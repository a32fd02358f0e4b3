/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - the end of a request. */
#include "ir/request.h"

void ms_request_done(struct ms_request *r)
{
    for (int i = 0; i < r->n_out; i++)
        ms_tensor_unref(r->out[i].tensor);
    r->n_out = 0;
}

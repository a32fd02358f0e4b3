/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx2.h - sets the names that .inc files use to 8 floats; may be included again. */
#include "kernels/vec.h"
#undef V
#undef VF
#undef VL
#undef VINLINE
#undef VTARGET
#define V(name_) v8_##name_
#define VF __m256
#define VL 8
#define VINLINE MS_V8
#define VTARGET MS_TARGET_AVX2

/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx512.h - sets the names that .inc files use to 16 floats; may be included again. */
#include "kernels/vec.h"
#undef V
#undef VF
#undef VL
#undef VINLINE
#undef VTARGET
#define V(name_) v16_##name_
#define VF __m512
#define VL 16
#define VINLINE MS_V16
#define VTARGET MS_TARGET_AVX512

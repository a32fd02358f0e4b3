/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.h - our .proto files as protoc compiled them; descriptors.c is made by the build. */
#ifndef MS_SERVER_DESCRIPTORS_H
#define MS_SERVER_DESCRIPTORS_H

#include <stddef.h>

extern const unsigned char ms_descriptors[]; /* a google.protobuf.FileDescriptorSet */
extern const size_t ms_descriptors_len;

#endif

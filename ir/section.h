/* SPDX-License-Identifier: Apache-2.0 */
/* section.h - records that register themselves by being linked.
 *
 * A linker section holds pointers, not the records: compilers pad records in a section differently
 * (gcc to 32 bytes, clang not), pointers never. The library is linked whole (see Makefile.am), or a
 * static archive would silently leave records out. */
#ifndef MS_IR_SECTION_H
#define MS_IR_SECTION_H

/* No red zones between the pointers: gcc leaves variables in named sections alone, clang must be
 * told. */
#ifdef __clang__
#define MS_SECTION_PLAIN no_sanitize("address")
#else
#define MS_SECTION_PLAIN
#endif

#define MS_SECTION_ADD(section_, object_)                                                          \
    static const void *const section_##_##object_##_ref                                            \
        __attribute__((used, section(#section_), MS_SECTION_PLAIN)) = &object_

/* for-loop over a section's pointers; it_ is a `const void *const *`. */
#define ms_section_each(section_, it_)                                                             \
    for (const void *const *it_ = __start_##section_; it_ < __stop_##section_; it_++)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - the version of the program, from configure. */
#ifndef MS_SERVER_VERSION_H
#define MS_SERVER_VERSION_H

#include "config.h"

#define MS_VERSION PACKAGE_VERSION

#endif

// SPDX-License-Identifier: Apache-2.0
#include "CBuild.h"

#ifndef KEYTURN_COMMIT
#define KEYTURN_COMMIT ""
#endif

const char *kt_commit(void) { return KEYTURN_COMMIT; }

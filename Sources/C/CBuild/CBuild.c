// SPDX-License-Identifier: Apache-2.0
#include "CBuild.h"

const char *kt_commit(void) { return KEYTURN_COMMIT; }

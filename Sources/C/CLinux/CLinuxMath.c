// SPDX-License-Identifier: Apache-2.0
// Swift's complex numbers and this alone would need glibc 2.35: it has a new version of the symbol, RHEL 9 has 2.34.
// Nothing here calls it. scripts/check-programs looks at the symbols.
#include <math.h>

float hypotf(float x, float y) {
  if (isinf(x) || isinf(y)) return INFINITY;
  // No square of a float overflows a double.
  return (float)sqrt((double)x * x + (double)y * y);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Until all includes name the header where it is now. */
#include <weir/rate.h>

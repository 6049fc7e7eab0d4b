/* SPDX-License-Identifier: Apache-2.0 */

/* options_markdown - print the README's table of options. */

#include <stdio.h>
#include <stdlib.h>

#include "common/options.h"

int main(void)
{
    options_print_markdown(stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

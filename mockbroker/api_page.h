/* docs/apis.md, from the tables of the broker. */
#ifndef MB_API_PAGE_H
#define MB_API_PAGE_H

#include <stdio.h>

void mb_api_page_print(FILE *stream);

#endif

/* test_streamreader_tls.c -- what each read returns is the same over TLS. */
#define OVER_TLS
#include "test_streamreader.c"

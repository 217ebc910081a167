/* test_streamreader_cancel_tls.c -- reads that are cancelled lose nothing over TLS either. */
#define OVER_TLS
#include "test_streamreader_cancel.c"

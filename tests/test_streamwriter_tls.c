/* test_streamwriter_tls.c -- what is written and drained, and how a writer is closed, is the same over TLS.
 *
 * Left out: what is about write_eof, as TLS has no half of a connection (TL-07); what is about formats, arguments and
 * loops, where it makes no difference what is below. */
#define OVER_TLS
#include "test_streamwriter.c"

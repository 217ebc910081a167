/* log.h -- messages for people: one place that all of the library's warnings and errors leave through. */
#pragma once

#include "base.h"

/* Formats a message, at most 1023 bytes of it, and hands it to the user's log function. Any thread. */
void asyncio__log(enum asyncio_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

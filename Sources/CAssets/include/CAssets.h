#pragma once

#include <stddef.h>

/// A file that is part of the program. The bytes live as long as the process.
typedef struct {
    const void *bytes;
    size_t count;
} embedded_file;

embedded_file embedded_openapi_yaml(void);
embedded_file embedded_operator_page_style(void);
embedded_file embedded_operator_page_script(void);

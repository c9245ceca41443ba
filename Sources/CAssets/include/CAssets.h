#pragma once

#include <stddef.h>

/// A file that is part of the program. The bytes live as long as the process.
typedef struct {
    const void *bytes;
    size_t count;
} embedded_file;

embedded_file embedded_openapi_yaml(void);
embedded_file embedded_document_style(void);
embedded_file embedded_api_page_style(void);
embedded_file embedded_api_page_script(void);
embedded_file embedded_operator_page_style(void);
embedded_file embedded_operator_page_script(void);

// Without bytes in a program that was built without them.
embedded_file embedded_openapi_json(void);
embedded_file embedded_redoc_script(void);

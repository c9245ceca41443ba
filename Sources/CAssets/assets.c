#include "CAssets.h"

// The compiler copies each file into the program (C23, 6.10.4), so that a deployment is one file.

static const unsigned char openapi_yaml[] = {
#embed "../../openapi.yaml"
};

static const unsigned char document_style[] = {
#embed "page/document.css"
};

static const unsigned char api_page_style[] = {
#embed "page/api-page.css"
};

static const unsigned char api_page_script[] = {
#embed "page/api-page.js"
};

static const unsigned char operator_page_style[] = {
#embed "page/operator-page.css"
};

static const unsigned char operator_page_script[] = {
#embed "page/operator-page.js"
};

#define EMBEDDED(file) (embedded_file) { file, sizeof file }

embedded_file embedded_openapi_yaml(void) { return EMBEDDED(openapi_yaml); }
embedded_file embedded_document_style(void) { return EMBEDDED(document_style); }
embedded_file embedded_api_page_style(void) { return EMBEDDED(api_page_style); }
embedded_file embedded_api_page_script(void) { return EMBEDDED(api_page_script); }
embedded_file embedded_operator_page_style(void) { return EMBEDDED(operator_page_style); }
embedded_file embedded_operator_page_script(void) { return EMBEDDED(operator_page_script); }

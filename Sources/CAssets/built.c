#include "CAssets.h"

// Files that `make assets` makes. A program that is built without them has none of them.

#if __has_embed("../../.build/assets/openapi.json")
static const unsigned char openapi_json[] = {
#embed "../../.build/assets/openapi.json"
};
embedded_file embedded_openapi_json(void) { return (embedded_file) { openapi_json, sizeof openapi_json }; }
#else
embedded_file embedded_openapi_json(void) { return (embedded_file) { 0, 0 }; }
#endif

#if __has_embed("../../.build/assets/redoc.js.gz")
static const unsigned char redoc_script[] = {
#embed "../../.build/assets/redoc.js.gz"
};
embedded_file embedded_redoc_script(void) { return (embedded_file) { redoc_script, sizeof redoc_script }; }
#else
embedded_file embedded_redoc_script(void) { return (embedded_file) { 0, 0 }; }
#endif

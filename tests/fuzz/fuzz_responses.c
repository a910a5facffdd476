/* Bytes from a broker that may be anything: every response, every version. */
#include "fuzz/codec_promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kci_reader r = kci_reader_of(data, size);
    int16_t version;
    const struct kci_api *api = fuzz_api(&r, &version);
    if (api)
        codec_promises(api->response, version, r);
    return 0;
}
